package leak

import (
	"bytes"
	"os"
)

// handles counts open files, and maps of files.
func handles() (files, maps int) {
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := dir.Readdirnames(-1)
		dir.Close()
		files = len(names)
	}
	text, _ := os.ReadFile("/proc/self/maps")
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(" /")) { // what has no name is memory
			maps++
		}
	}
	return files, maps
}

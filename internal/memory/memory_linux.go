package memory

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available is how much memory the process can take without others having to
// give theirs up: of the machine, and of the control groups that it is in. 0: it
// is not known.
func Available() int64 {
	least := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if kib, ok := number(b, "MemAvailable:"); ok {
			least = kib << 10
		}
	}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		least = min(least, ofGroup("/sys/fs/cgroup", string(b)))
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// number reads the number after a name in lines of "name number".
func number(text []byte, name string) (int64, bool) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == name {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// ofGroup is what is left of the limits of a group (of version 2, "0::/path")
// and of those above it. What its files take in the system's cache counts as free:
// it makes room.
func ofGroup(root, groups string) int64 {
	least := int64(math.MaxInt64)
	path := ""
	for line := range strings.Lines(groups) {
		if after, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			path = after
		}
	}
	for dir := filepath.Join(root, path); strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		limit, ok := inFile(filepath.Join(dir, "memory.max"))
		used, ok2 := inFile(filepath.Join(dir, "memory.current"))
		if ok && ok2 {
			if b, err := os.ReadFile(filepath.Join(dir, "memory.stat")); err == nil {
				cached, _ := number(b, "file")
				shared, _ := number(b, "shmem")
				used -= max(cached-shared, 0)
			}
			least = min(least, max(limit-used, 1))
		}
		if dir == root {
			break
		}
	}
	return least
}

// inFile reads a file of one number; "max" is none.
func inFile(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

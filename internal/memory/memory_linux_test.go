package memory

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailable(t *testing.T) {
	if n := Available(); n < 1<<20 {
		t.Errorf("%d bytes are available", n)
	}
	root := t.TempDir()
	group := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(group, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a/memory.max": "1000\n", "a/memory.current": "900\n", "a/memory.stat": "anon 100\nfile 500\nshmem 200\n",
		"a/b/memory.max": "max\n", "a/b/memory.current": "5\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for groups, want := range map[string]int64{"0::/a/b\n": 400, "1:cpu:/x\n0::/a\n": 400} {
		if got := ofGroup(root, groups); got != want {
			t.Errorf("%q: %d, want %d", groups, got, want)
		}
	}
	for _, groups := range []string{"", "0::/\n", "0::/../../..\n"} {
		if got := ofGroup(root, groups); got < 1<<60 {
			t.Errorf("%q: %d", groups, got)
		}
	}
}

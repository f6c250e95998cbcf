package aside_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/internal/aside"
)

// TestCopyRangeFar copies to before, over and behind the first GiB of a sparse
// file, to where bytes lie otherwise in their pages.
func TestCopyRangeFar(t *testing.T) {
	dir := t.TempDir()
	want := make([]byte, 1<<20+77)
	for i := range want {
		want[i] = byte(i*7/5 + i>>15)
	}
	from, err := os.Create(filepath.Join(dir, "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := aside.WriteAt(from, want, 0); err != nil {
		t.Fatal(err)
	}
	to, err := os.Create(filepath.Join(dir, "to"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	n := int64(len(want) - 3)
	for _, at := range []int64{1<<30 - 1<<21 + 1, 1<<30 - 1<<19 + 1, 1<<30 + 1<<21 + 1} {
		if done, err := aside.CopyRange(to, at, from, 3, n); err != nil || done != n {
			t.Errorf("to byte %d: %d, %v", at, done, err)
		}
		got := make([]byte, n)
		if _, err := to.ReadAt(got, at); err != nil || !bytes.Equal(got, want[3:]) {
			t.Errorf("to byte %d: other bytes, %v", at, err)
		}
	}
}

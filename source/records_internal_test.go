package source

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// unread fails who reads from it.
type unread struct{ t *testing.T }

func (u unread) ReadAt([]byte, int64) (int, error) {
	u.t.Error("the record is read")
	return 0, io.EOF
}

// TestRecordTooLong: a record that no page could hold gets no memory.
func TestRecordTooLong(t *testing.T) {
	for _, size := range []int64{maxRecord + 1, 1 << 62} {
		var r records
		r.add(0, 1)
		if err := r.seal(size); err != nil {
			t.Fatal(err)
		}
		b, err := r.read(unread{t}, 0)
		if b != nil || err == nil || !strings.Contains(err.Error(), "at most 1073741824") {
			t.Errorf("a record of %d bytes: %d bytes, %v", size, len(b), err)
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPictureSizeBounded: of a file that tells no size where pictures do, some
// megabytes are read, and not its gigabytes.
func TestPictureSizeBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.jpg")
	if err := os.WriteFile(name, []byte("\xff\xd8"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Comments of 64 KiB, so that what is looked for may always come yet.
	comment := append([]byte("\xff\xfe\xff\xff"), make([]byte, 65533)...)
	for range 16 {
		if _, err := f.Write(comment); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(2<<30), f.Close()); err != nil {
		t.Skipf("no file of 2 GiB here: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := pictureSize(name); err == nil {
		t.Error("a size is found")
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<30 {
		t.Errorf("%d bytes allocated", got)
	}
}

package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/race"
)

// TestZipBomb: an archive that unpacks to a thousand times its size is listed
// without unpacking, and converted in pieces; nothing holds an array of it.
func TestZipBomb(t *testing.T) {
	const row = 1 << 18
	rows := race.Fewer(512, 384)
	dir := t.TempDir()
	path := filepath.Join(dir, "bomb.npz")
	w, err := npy.CreateZip(path, &npy.CreateOptions{Compress: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Add(array.Member{Name: "zeros", Spec: array.Spec{DType: array.Uint8, Shape: []int{rows, row}}})
	if err != nil {
		t.Fatal(err)
	}
	some, err := array.New(array.Spec{DType: array.Uint8, Shape: []int{16, row}}, make([]byte, 16*row))
	if err != nil {
		t.Fatal(err)
	}
	for range rows / 16 {
		if err := s.Write(some); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > int64(rows)*row/500 {
		t.Fatalf("the bomb: %v, %v", info.Size(), err)
	}
	// What the heap takes from the system is the most that it ever held.
	held := func(what string, most int64, do func() error) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		runtime.ReadMemStats(&after)
		if got := int64(after.HeapSys) - int64(before.HeapSys); got > most {
			t.Errorf("%s: the heap grew by %d bytes, want at most %d", what, got, most)
		}
	}
	held("list", 8<<20, func() error {
		_, err := convert.List(t.Context(), path, nil)
		return err
	})
	for _, out := range []string{"o.npy", "o.beton", "o.npk"} {
		held(out, 80<<20, func() error {
			_, err := convert.Convert(t.Context(), path, filepath.Join(dir, out), nil)
			return err
		})
		if err := os.RemoveAll(filepath.Join(dir, out)); err != nil {
			t.Fatal(err)
		}
	}
	// Who wants the whole array says how much that may be.
	a, err := npy.OpenArchive(path, &npy.OpenOptions{MaxInflated: int64(rows)*row - 1})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Array("zeros"); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("an array of a byte more than the limit: %v", err)
	}
}

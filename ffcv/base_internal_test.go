package ffcv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/fields"
)

// writeTexts writes a file and opens it.
func writeTexts(t *testing.T, path string, specs []FieldSpec, n, size int, opts *Options) *File {
	t.Helper()
	w, err := Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteDataset(t.Context(), texts{n, size}, nil); err != nil {
		t.Fatal(err)
	}
	return openBroad(t, path, specs)
}

func openBroad(t *testing.T, path string, specs []FieldSpec) *File {
	t.Helper()
	custom := map[string]fields.Field{}
	for _, s := range specs {
		if s.Field.TypeID() == fields.TypeCustom {
			custom[s.Name] = s.Field
		}
	}
	f, err := Open(path, &OpenOptions{Custom: custom})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A base is the same whether the system copies its pages or not, before the
// samples of a dataset or of a stream for which all pages move once more.
func TestBaseCopies(t *testing.T) {
	for _, size := range []int{10, 100_000} {
		for _, n := range []int{0, 1, 70} {
			dir, opts := t.TempDir(), &Options{PageSize: MinPageSize}
			base := writeTexts(t, filepath.Join(dir, "base"), broadSpecs, 40, size, opts)
			opts.Base = []Base{{File: base}, {File: base}}
			var want []byte
			for k, kind := range []string{"dataset", "dataset by hand", "stream", "stream by hand"} {
				path := filepath.Join(dir, kind)
				w, err := Create(path, broadSpecs, opts)
				if err != nil {
					t.Fatal(err)
				}
				if k%2 == 1 {
					w.part.file = &faultyFile{File: w.part.file.(*os.File)}
				}
				if k < 2 {
					err = w.WriteDataset(t.Context(), texts{n, size}, nil)
				} else {
					err = w.WriteStream(t.Context(), texts{n, size}.stream, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				checkSound(t, path)
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if k == 0 {
					want = got
					checkTexts(t, path, []int{40, 40, n}, size)
				} else if !bytes.Equal(got, want) {
					t.Errorf("%d samples of %d bytes: the %s is another file", n, size, kind)
				}
			}
		}
	}
}

// checkTexts checks a file of texts after texts.
func checkTexts(t *testing.T, path string, counts []int, size int) {
	t.Helper()
	f := openBroad(t, path, broadSpecs)
	row := 0
	for _, n := range counts {
		for i := range n {
			v, err := f.Value(row, 0)
			if err != nil {
				t.Fatal(err)
			}
			number, err := f.Int(row, 1)
			if err != nil {
				t.Fatal(err)
			}
			key, err := f.Key(row)
			if err != nil {
				t.Fatal(err)
			}
			if b := bytes.Repeat([]byte{byte(i + 1)}, size); !bytes.Equal(v.([]byte), b) || number != int64(i) || key != fmt.Sprintf("k%d", i%100) {
				t.Fatalf("row %d is not sample %d: %d, %q", row, i, number, key)
			}
			row++
		}
	}
	if f.Len() != row {
		t.Errorf("%d rows, want %d", f.Len(), row)
	}
}

// A disk that is full at any point of a copy leaves nothing.
func TestBaseDiskFails(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	specs := []FieldSpec{{"data", flagged{}}, {"n", fields.Int{}}}
	base := writeTexts(t, filepath.Join(other, "base"), specs, 500, 1000, nil)
	path := filepath.Join(dir, "x.beton")
	full := 0
	for room := int64(0); ; room += 31_337 {
		w, f := withFile(t, path, specs, &Options{Base: []Base{{File: base}}})
		f.room = new(atomic.Int64)
		f.room.Store(room)
		err := w.WriteDataset(t.Context(), texts{50, 100}, nil)
		if err == nil {
			break
		}
		if full++; !errors.Is(err, errFull) || !strings.HasPrefix(err.Error(), "write "+path+": ") {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
			t.Fatalf("left behind: %v (%v)", list, err)
		}
	}
	if full < 20 {
		t.Errorf("failed %d times, want more", full)
	}
}

// Ready is the last word.
func TestReady(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	specs := []FieldSpec{{"data", fields.Bytes{}}, {"n", fields.Int{}}}
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, fails := range []bool{true, false} {
		called := 0
		w, err := Create(path, specs, &Options{Overwrite: true, Ready: func(context.Context) error {
			called++
			if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
				t.Errorf("the file is not the old one: %v", err)
			}
			if fails {
				return errFull
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteDataset(t.Context(), texts{5, 5}, nil); errors.Is(err, errFull) != fails || called != 1 {
			t.Errorf("called %d times, %v", called, err)
		}
	}
	if f := openBroad(t, path, specs); f.Len() != 5 {
		t.Errorf("%d samples", f.Len())
	}
}

// What does not fit is refused when the file is begun.
func TestBaseRefused(t *testing.T) {
	dir := t.TempDir()
	specs := []FieldSpec{{"data", fields.Bytes{}}, {"n", fields.Int{}}}
	base := writeTexts(t, filepath.Join(dir, "base"), specs, 5, 5, nil)
	for _, test := range []struct {
		specs []FieldSpec
		base  Base
		size  int64
		want  string
	}{
		{specs, Base{}, 0, "without a file"},
		{specs, Base{File: base}, MinPageSize, "pages of 8388608 bytes, want 2097152"},
		{specs[:1], Base{File: base}, 0, "2 fields, want 1"},
		{append(specs[:2:2], FieldSpec{"f", fields.Float{}}), Base{File: base}, 0, "2 fields, want 3"},
		{append(specs[:2:2], FieldSpec{"f", fields.Bytes{}}), Base{File: base, Added: func(int) ([]any, error) { return nil, nil }}, 0, `field "f" cannot be added`},
		{[]FieldSpec{specs[1], specs[0]}, Base{File: base}, 0, `field 0 is "data", want "n"`},
		{[]FieldSpec{{"data", fields.JSON{}}, specs[1]}, Base{File: base}, 0, `"data" is bytes, want json`},
	} {
		_, err := Create(filepath.Join(dir, "x"), test.specs, &Options{Base: []Base{test.base}, PageSize: test.size})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

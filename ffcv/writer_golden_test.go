package ffcv_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// The values of a golden file, written again, give FFCV's file: bit for bit,
// except for what FFCV leaves behind of a sample that moved to another page,
// where we leave zeros. Files with empty values, to which we give a byte of
// their own, have the same values. (JPEG bytes go in as they are.)
func TestWriteGoldens(t *testing.T) {
	deterministic, exact := 0, 0
	for _, m := range golden.Each() {
		if !m.Deterministic {
			continue
		}
		deterministic++
		if m.Name == "ndarray_zero_dim" {
			continue // an array without elements, whose shape the file does not tell
		}
		t.Run(m.Name, func(t *testing.T) {
			b := m.Bytes()
			old, err := ffcv.New(ffcvtest.Lend(b), ffcvtest.Options(m))
			if err != nil {
				t.Fatal(err)
			}
			var specs []ffcv.FieldSpec
			for _, f := range old.Fields() {
				if f.Type == fields.TypeCustom {
					f.Field = described{f.Field, *f.Args}
				}
				specs = append(specs, ffcv.FieldSpec{Name: f.Name, Field: f.Field})
			}
			ds := made{n: old.Len(), at: func(i int) []any {
				values := make([]any, len(specs))
				for k := range specs {
					v, err := old.Value(i, k)
					if err != nil {
						panic(err)
					}
					values[k] = v
				}
				return values
			}}
			o := &ffcv.Options{PageSize: int64(m.Header.PageSize), Plain: true, Classes: []string{"not written"}, Workers: 2}
			path := write(t, specs, ds, o, &ffcv.DatasetOptions{ChunkSize: 3})
			checkRewritten(t, path, m, old.Len())

			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			empty := false
			for e, err := range old.Entries() {
				if err != nil {
					t.Fatal(err)
				}
				empty = empty || e.Size == 0
			}
			if empty {
				return
			}
			exact++
			if n, first := leftovers(t, old, got, b); n >= 0 {
				t.Errorf("byte %d differs from FFCV's (first page at %d)", n, first)
			}
		})
	}
	if deterministic < 33 || exact < 29 {
		t.Errorf("%d files compared, %d of them bit for bit", deterministic, exact)
	}
}

// described is a custom field with arguments of its own.
type described struct {
	fields.Field
	args fields.Args
}

func (d described) Args() (fields.Args, error) { return d.args, nil }

// checkRewritten compares a file's values with the manifest.
func checkRewritten(t *testing.T, path string, m *golden.File, n int) {
	t.Helper()
	f, err := ffcv.Open(path, ffcvtest.Options(m))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	for k, want := range m.Fields {
		for i := range n {
			v, err := f.Value(i, k)
			if err != nil {
				t.Fatal(err)
			}
			var got, exp string
			switch want.Kind {
			case "bytes":
				got, exp = golden.Sum(v.([]byte)), want.SHA256[i]
			case "int":
				got, exp = fmt.Sprint(v), fmt.Sprint(want.Values[i])
			case "json":
				got, exp = string(v.(json.RawMessage)), want.Text[i]
			}
			if got != exp {
				t.Fatalf("row %d, field %q: %s, want %s", i, want.Name, got, exp)
			}
		}
	}
}

// leftovers compares a written file with FFCV's. It returns the first byte
// that differs, -1 when none does but bytes of the pages that belong to no
// value, and are zero here.
func leftovers(t *testing.T, old *ffcv.File, got, want []byte) (diff, firstPage int64) {
	t.Helper()
	first, n := old.Pages()
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	end := first + n*int64(old.Header().PageSize)
	got, want = slices.Clone(got), slices.Clone(want)
	owned := make([]byte, end-first)
	for e, err := range old.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.Size {
			owned[int64(e.Ptr+i)-first] = 1
		}
	}
	for i, is := range owned {
		if at := first + int64(i); is == 0 && got[at] == 0 {
			want[at] = 0
		}
	}
	for i := range got {
		if got[i] != want[i] {
			return int64(i), first
		}
	}
	return -1, first
}

// The same from the inputs that FFCV was given, which have a formula.
func TestWriteGoldenInputs(t *testing.T) {
	for _, name := range []string{"bytes_page_edges", "bytes_page16m", "bytes_page4m_default"} {
		m := golden.Open(name)
		data := m.Fields[len(m.Fields)-1]
		specs := []ffcv.FieldSpec{{Name: data.Name, Field: fields.Bytes{}}}
		if len(m.Fields) == 2 {
			specs = slices.Insert(specs, 0, ffcv.FieldSpec{Name: m.Fields[0].Name, Field: fields.Int{}})
		}
		ds := made{n: len(data.Size), at: func(i int) []any {
			v := []any{golden.Input(i, int(data.Size[i]))}
			if len(specs) == 2 {
				v = slices.Insert(v, 0, any(i))
			}
			return v
		}}
		path := write(t, specs, ds, &ffcv.Options{PageSize: int64(m.Header.PageSize), Plain: true}, nil)
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, m.Bytes()) {
			t.Errorf("%s: not FFCV's bytes", name)
		}
		checkFile(t, path, specs, ds, ds.n, nil)
	}
}

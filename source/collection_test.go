package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/source"
)

// drawer is a collection in memory, of datasets by their names.
type drawer struct {
	name   string
	sets   map[string]*rows
	closed int
}

type rows struct {
	spec     array.Spec
	together int
	list     [][]byte
	reads    int
	closed   bool
}

func (d *drawer) Name() string    { return d.name }
func (d *drawer) Names() []string { return slices.Sorted(maps.Keys(d.sets)) }
func (d *drawer) Close() error    { d.closed++; return nil }

func (d *drawer) Rows(name string) (source.Rows, error) {
	r, ok := d.sets[name]
	if !ok {
		return nil, fmt.Errorf("no dataset %q", name)
	}
	return r, nil
}

func (r *rows) Len() int        { return len(r.list) }
func (r *rows) Row() array.Spec { return r.spec }
func (r *rows) Together() int   { return r.together }
func (r *rows) Close()          { r.closed = true }

func (r *rows) Read(lo, hi int) ([][]byte, error) {
	if r.closed || lo%r.together != 0 || hi > len(r.list) {
		return nil, fmt.Errorf("rows %d to %d", lo, hi)
	}
	r.reads++
	return r.list[lo:hi], nil
}

// drawerOf has n files and their labels, of which that of sample 7 is given.
func drawerOf(t testing.TB, n int, label byte) *drawer {
	d := &drawer{name: filepath.Join(t.TempDir(), "x.h5"), sets: map[string]*rows{
		"train/images": {spec: array.Spec{DType: array.Uint8, Shape: []int{-1}}, together: 3},
		"train/labels": {spec: array.Spec{DType: array.Uint8}, together: 100},
	}}
	if err := os.WriteFile(d.name, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		b := bytes.Clone([]byte{byte(i % 3)})
		if i == 7 {
			b[0] = label
		}
		d.sets["train/images"].list = append(d.sets["train/images"].list, fmt.Appendf([]byte("\xff\xd8\xff"), "%d", i))
		d.sets["train/labels"].list = append(d.sets["train/labels"].list, b)
	}
	return d
}

func TestCollection(t *testing.T) {
	d := drawerOf(t, 1000, 1)
	c, err := source.OpenCollection(t.Context(), d, nil, &source.CollectionOptions{Classes: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Fields(); c.Len() != 1000 || len(got) != 2 || got[0].Name != "images" || got[1].Name != "labels" {
		t.Fatalf("%d samples of %v", c.Len(), got)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < 1000; i += 3 {
				values, key, err := c.Sample(t.Context(), i)
				if err != nil || key != "" || values[1] != int64(i%3) && i != 7 || string(values[0].([]byte)) != fmt.Sprintf("\xff\xd8\xff%d", i) {
					t.Errorf("sample %d: %q, %q, %v", i, values, key, err)
				}
			}
		}()
	}
	wg.Wait()
	if n := d.sets["train/labels"].reads; n != 1 {
		t.Errorf("labels were read %d times, want once", n)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil || d.closed != 1 || !d.sets["train/images"].closed {
		t.Errorf("%v, closed %d times", err, d.closed)
	}
	if _, _, err := c.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

// One other label among many is another source.
func TestCollectionChanged(t *testing.T) {
	var seen []string
	for _, label := range []byte{0, 1, 2} {
		c, err := source.OpenCollection(t.Context(), drawerOf(t, 1000, label), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.Traits(t.Context())
		if text := fmt.Sprint(list); err != nil || slices.Contains(seen, text) {
			t.Errorf("label %d: %v, %s as of another", label, err, text)
		} else {
			seen = append(seen, text)
		}
	}
}

func TestOpenCollectionRefuses(t *testing.T) {
	for _, tt := range []struct {
		field, classes, want string
	}{
		{"x=bytes:column=gone", "", `no dataset "gone"`},
		{"x=int:column=train/images", "", "bytes of any length"},
		{"x=int:column=train/labels,file=x", "", "here there is column="},
		{"x=bytes:column=train/images", "a", "no field of whole numbers"},
		{"x=int:column=train/labels", "a a", `"a" is named twice`},
	} {
		d := drawerOf(t, 9, 1)
		opts := &source.CollectionOptions{Classes: strings.Fields(tt.classes)}
		if tt.classes == "" {
			opts = nil
		}
		c, err := source.OpenCollection(t.Context(), d, specs(t, tt.field), opts)
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) || d.closed != 1 {
			t.Errorf("%s: got %v, %v, closed %d times; want %q", tt.field, c, err, d.closed, tt.want)
		}
	}
	d := drawerOf(t, 9, 3)
	c, err := source.OpenCollection(t.Context(), d, specs(t, "label=int:column=train/labels"), &source.CollectionOptions{Classes: []string{"a", "b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Sample(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "row 7: label 3") {
		t.Errorf("got %v, want that row 7 has no class", err)
	}
	d.sets["train/labels"].list = d.sets["train/labels"].list[:8]
	if _, err := source.OpenCollection(t.Context(), d, nil, nil); err == nil || !strings.Contains(err.Error(), "8 rows; train/images has 9") {
		t.Errorf("got %v, want that rows are missing", err)
	}
}

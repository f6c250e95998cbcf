package dataset_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// TestErrorPlace: the error of a sample in a composite names its file, its number
// there, where in that file its value lies, and its number in the composite.
func TestErrorPlace(t *testing.T) {
	good, bad := writeFile(t, 1, 5), writeFile(t, 2, 6)
	f := ffcvtest.Map(t, bad, nil)
	row, err := f.Metadata(3)
	if err != nil {
		t.Fatal(err)
	}
	image := f.Fields()[f.FieldIndex("image")]
	ptr := int64(binary.LittleEndian.Uint64(row[image.Offset+5:])) // behind mode, width and height
	w, err := os.OpenFile(bad, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.WriteAt(make([]byte, 16), ptr); err != nil {
		t.Fatal(err)
	}
	w.Close()
	a, b := ffcvtest.Map(t, good, nil), ffcvtest.Map(t, bad, nil)
	must := func(ds dataset.Dataset, err error) dataset.Dataset {
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	concat := must(dataset.NewConcat(a, b))
	number := must(dataset.NewSelect(a, dataset.Field{Name: "id", As: "other"}))
	picture := must(dataset.NewSelect(concat, dataset.Field{Name: "image"}))
	for _, c := range []struct {
		name   string
		ds     dataset.Dataset
		sample int
	}{
		{"file", b, 3},
		{"concat", concat, 8},
		{"opened", opened(t, nil, good, bad), 8},
		{"through a cache", opened(t, cached(1<<20), good, bad), 8},
		{"subset", must(dataset.NewSubset(concat, []int{1, 9, 8, 2})), 2},
		{"join", must(dataset.NewJoin(number, must(dataset.NewRange(must(dataset.NewSelect(b, dataset.Field{Name: "image"})), 1, 6)))), 2},
		{"concat of a part of a concat", must(dataset.NewConcat(must(dataset.NewRange(concat, 0, 4)), concat)), 12},
		{"of the fields of a concat", picture, 8},
	} {
		outputs := []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8}}}
		l, err := loader.New(c.ds, &loader.Options{BatchSize: 4, Workers: 1, Outputs: outputs})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		_, err = l.Get(t.Context(), 0, []int{c.sample})
		l.Close()
		var e *loader.SampleError
		if !errors.As(err, &e) || e.File != bad || e.FileSample != 3 || e.Sample != c.sample || e.Offset != ptr {
			t.Errorf("%s: %v, %+v; want sample 3 of %s, byte %d", c.name, err, e, bad, ptr)
			continue
		}
		text := e.Error()
		whole := fmt.Sprintf("; it is sample %d of %s", c.sample, c.ds.Name())
		if !strings.HasPrefix(text, bad+`: sample 3: output "image": `) || !strings.Contains(text, fmt.Sprintf("at byte %d)", ptr)) ||
			strings.HasSuffix(text, whole) != (c.name != "file") {
			t.Errorf("%s: %s", c.name, text)
		}
	}
	if at := concat.(loader.PointerLocator).LocatePointer(99, 0, 5); at != -1 {
		t.Errorf("a sample that isn't there is at byte %d", at)
	}
}

// TestCacheBudgetOf: a composite tells the budget of the cache that it is read
// through, and shuffles of pages keep to it.
func TestCacheBudgetOf(t *testing.T) {
	const mib = 1 << 20
	page := func(n int) string { return writeFile(t, 0, n) } // pages of 2 MiB
	one, two := page(40), page(40)
	shared := opened(t, cached(5*mib), one, two)
	alone, err := ffcv.Open(one, &ffcv.OpenOptions{Memory: 7 * mib})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	mapped := ffcvtest.Map(t, two, nil)
	must := func(ds dataset.Dataset, err error) dataset.Dataset {
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	other := must(dataset.NewSelect(mapped, dataset.Field{Name: "id", As: "other"}))
	for _, c := range []struct {
		name string
		ds   dataset.Dataset
		want int64
	}{
		{"mapped", mapped, 0},
		{"of mapped ones", must(dataset.NewConcat(mapped, mapped)), 0},
		{"a shared cache", shared, 5 * mib},
		{"a part of them", must(dataset.NewRange(shared, 3, 50)), 5 * mib},
		{"a file", alone, 7 * mib},
		{"a file and a mapped one", must(dataset.NewConcat(mapped, alone)), 7 * mib},
		{"side by side", must(dataset.NewJoin(other, must(dataset.NewRange(alone, 0, 40)))), 7 * mib},
		{"the least", must(dataset.NewConcat(alone, shared)), 5 * mib},
	} {
		if got := c.ds.(loader.Budgeter).CacheBudget(); got != c.want {
			t.Errorf("%s: a budget of %d, want %d", c.name, got, c.want)
		}
	}
}

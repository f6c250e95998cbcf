package splice_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

func pick(f *ffcv.File, list ...int) (out []source) {
	for _, i := range list {
		out = append(out, source{f, i})
	}
	return out
}

func TestSubset(t *testing.T) {
	const n = 90
	d := everyKind{n, 0}
	f := d.make(t, ffcv.Options{}, nil)
	var even, catsAndDogs []int
	for i := range n {
		if i%2 == 0 {
			even = append(even, i)
		}
		if i%4 >= 2 {
			catsAndDogs = append(catsAndDogs, i)
		}
	}
	var shuffled, shuffledDogs []int
	at := ffcv.Shuffled(n, 7)
	for i := range n {
		shuffled = append(shuffled, at(i))
		if at(i)%4 == 3 {
			shuffledDogs = append(shuffledDogs, at(i))
		}
	}
	odd := []int{89, 0, 5, 5, 17}
	for _, test := range []struct {
		name string
		sel  splice.Selection
		want []int
	}{
		{"all", splice.Selection{}, nil},
		{"none", splice.Selection{Indices: []int{}}, []int{}},
		{"indices", splice.Selection{Indices: odd}, odd},
		{"range", splice.Selection{Range: &splice.Range{First: 0, Step: 2, Count: 45}}, even},
		{"range down", splice.Selection{Range: &splice.Range{First: 7, Step: -3, Count: 3}}, []int{7, 4, 1}},
		{"labels", splice.Selection{Labels: []int64{2, 3}, Field: 1}, catsAndDogs},
		{"no such label", splice.Selection{Labels: []int64{9}, Field: 1}, []int{}},
		{"shuffled", splice.Selection{Shuffle: true, Seed: 7}, shuffled},
		{"shuffled labels", splice.Selection{Shuffle: true, Seed: 7, Labels: []int64{3}, Field: 1}, shuffledDogs},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.beton")
			stats, err := splice.Subset(context.Background(), path, f, test.sel, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == nil {
				test.want = slices.Collect(func(yield func(int) bool) {
					for i := 0; i < n && yield(i); i++ {
					}
				})
			}
			check(t, path, pick(f, test.want...))
			if stats.Samples != len(test.want) {
				t.Errorf("%+v, want %d samples", stats, len(test.want))
			}
			// A writer makes the same file of the same samples.
			fresh := readFile(t, d.write(t, ffcv.Options{}, &ffcv.DatasetOptions{Indices: test.want}))
			if got := readFile(t, path); !bytes.Equal(got, fresh) {
				t.Errorf("%d bytes differ from a fresh file's %d", len(got), len(fresh))
			}
			alone(t, filepath.Dir(path), "x.beton")
		})
	}
}

func TestSubsetRefuses(t *testing.T) {
	f := everyKind{20, 0}.make(t, ffcv.Options{}, nil)
	for _, test := range []struct {
		sel  splice.Selection
		want string
	}{
		{splice.Selection{Indices: []int{3, 20}}, "index 1 is 20: the file has 20 samples"},
		{splice.Selection{Indices: []int{-1}}, "index 0 is -1"},
		{splice.Selection{Indices: []int{1}, Range: &splice.Range{}}, "want one of them"},
		{splice.Selection{Range: &splice.Range{First: 0, Step: 2, Count: 11}}, "of 20"},
		{splice.Selection{Range: &splice.Range{First: 20, Step: 1, Count: 1}}, "of 20"},
		{splice.Selection{Range: &splice.Range{First: 5, Step: -3, Count: 3}}, "of 20"},
		{splice.Selection{Range: &splice.Range{First: 0, Step: -1 << 63, Count: 2}}, "of 20"},
		{splice.Selection{Range: &splice.Range{First: 1, Step: 0, Count: 2}}, "of 20"},
		{splice.Selection{Range: &splice.Range{Count: -1}}, "of 20"},
		{splice.Selection{Labels: []int64{1}}, `field "photo" is rgb, want an int field`},
		{splice.Selection{Labels: []int64{1}, Field: 7}, "field 7 of 7"},
	} {
		path := filepath.Join(t.TempDir(), "x.beton")
		_, err := splice.Subset(context.Background(), path, f, test.sel, nil)
		wantError(t, err, test.want)
		alone(t, filepath.Dir(path))
	}
}

// FFCV's files give their values to new ones.
func TestSubsetGolden(t *testing.T) {
	for _, name := range []string{"bytes_page_edges", "bytes_zero_first", "rgb_jpg", "cifar_like", "bytes_two_fields_retry"} {
		f := openGolden(t, name, true)
		path := filepath.Join(t.TempDir(), "x.beton")
		list := []int{f.Len() - 1, 0, f.Len() / 2}
		if _, err := splice.Subset(context.Background(), path, f, splice.Selection{Indices: list}, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check(t, path, pick(f, list...))
	}
}

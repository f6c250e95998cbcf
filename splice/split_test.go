package splice_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

func TestSplit(t *testing.T) {
	const n = 103
	d := everyKind{n, 0}
	f := d.make(t, ffcv.Options{}, nil)
	for _, test := range []struct {
		name   string
		shares []float64
		opts   splice.SplitOptions
		sizes  []int
	}{
		{"one", []float64{3}, splice.SplitOptions{}, []int{103}},
		{"two", []float64{0.9, 0.1}, splice.SplitOptions{}, []int{93, 10}},
		{"equal", []float64{1, 1, 1, 1}, splice.SplitOptions{}, []int{26, 26, 25, 26}},
		{"shuffled", []float64{80, 10, 10}, splice.SplitOptions{Shuffle: true, Seed: 5}, []int{82, 11, 10}},
		{"by class", []float64{0.75, 0.25}, splice.SplitOptions{ByClass: true, Field: 1}, []int{79, 24}},
		{"by class, shuffled", []float64{0.5, 0.5}, splice.SplitOptions{ByClass: true, Field: 1, Shuffle: true, Options: splice.Options{Workers: 2}}, []int{52, 51}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			var parts []splice.Part
			for k, share := range test.shares {
				parts = append(parts, splice.Part{Path: filepath.Join(dir, fmt.Sprint(k)), Share: share})
			}
			var last ffcv.Progress
			test.opts.Progress = func(p ffcv.Progress) { last = p }
			stats, err := splice.Split(context.Background(), f, parts, &test.opts)
			if err != nil {
				t.Fatal(err)
			}
			at := func(i int) int { return i }
			if test.opts.Shuffle {
				at = ffcv.Shuffled(n, test.opts.Seed)
			}
			for k, list := range divide(n, at, test.shares, test.opts.ByClass) {
				if stats[k].Samples != len(list) || len(list) != test.sizes[k] {
					t.Errorf("part %d has %d samples, the model %d, want %d", k, stats[k].Samples, len(list), test.sizes[k])
				}
				check(t, parts[k].Path, pick(f, list...))
				fresh := readFile(t, d.write(t, ffcv.Options{}, &ffcv.DatasetOptions{Indices: list}))
				if !bytes.Equal(readFile(t, parts[k].Path), fresh) {
					t.Errorf("part %d differs from a fresh file", k)
				}
			}
			if last.Done != n || last.Total != n {
				t.Errorf("the last progress was %+v", last)
			}
		})
	}
}

// divide is the plain model of how samples are dealt out.
func divide(n int, at func(int) int, shares []float64, byClass bool) [][]int {
	groups := map[int][]int{}
	for i := range n {
		g := 0
		if byClass {
			g = at(i) % 4
		}
		groups[g] = append(groups[g], at(i))
	}
	part := map[int]int{}
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	for _, list := range groups {
		from, upTo := 0, 0.0
		for k, s := range shares {
			upTo += s
			end := int(float64(len(list))*(upTo/sum) + 0.5)
			for _, i := range list[from:end] {
				part[i] = k
			}
			from = end
		}
	}
	out := make([][]int, len(shares))
	for i := range n {
		k := part[at(i)]
		out[k] = append(out[k], at(i))
	}
	return out
}

func TestSplitRefuses(t *testing.T) {
	f := everyKind{20, 0}.make(t, ffcv.Options{}, nil)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		parts []splice.Part
		opts  splice.SplitOptions
		want  string
	}{
		{nil, splice.SplitOptions{}, "no parts"},
		{[]splice.Part{{path("a"), 0}}, splice.SplitOptions{}, "share 0"},
		{[]splice.Part{{path("a"), 1}, {path("a"), 1}}, splice.SplitOptions{}, "two parts"},
		{[]splice.Part{{path("a"), 1}, {path("b"), 0.001}}, splice.SplitOptions{}, "gets none of the 20 samples"},
		{[]splice.Part{{path("a"), 1}}, splice.SplitOptions{ByClass: true}, "want an int field"},
		{[]splice.Part{{path("a"), 1}, {path("no/b"), 1}}, splice.SplitOptions{}, "no"},
		{[]splice.Part{{path("a"), 1}, {path("taken"), 1}}, splice.SplitOptions{}, "exists"},
	} {
		if err := os.WriteFile(path("taken"), []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := splice.Split(context.Background(), f, test.parts, &test.opts)
		wantError(t, err, test.want)
		alone(t, dir, "taken")
	}
}

// A value that is broken in one part ends all parts.
func TestSplitAllOrNone(t *testing.T) {
	path := everyKind{60, 0}.write(t, ffcv.Options{}, nil)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	off := int64(ffcv.HeaderSize + 7*ffcv.DescriptorSize + 59*f.RowSize() + f.Fields()[2].Offset)
	f.Close()
	poke(t, path, off, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
	if f, err = ffcv.Open(path, nil); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	_, err = splice.Split(context.Background(), f, []splice.Part{{filepath.Join(dir, "a"), 1}, {filepath.Join(dir, "b"), 1}}, nil)
	wantError(t, err, path, "sample 59", `field "data"`, "pointer 9223372036854775807")
	alone(t, dir)
}

func poke(t testing.TB, path string, off int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

package splice_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/splice"
)

// randomFile writes a file of random fields and samples. The fields depend on
// the first seed alone.
func randomFile(t testing.TB, kinds, seed uint64, n int) *ffcv.File {
	r := rand.New(rand.NewPCG(kinds, 1))
	var specs []ffcv.FieldSpec
	for k := range 1 + r.IntN(5) {
		list := []fields.Field{fields.Int{}, fields.Bytes{}, fields.Float{}, fields.JSON{},
			fields.NDArray{DType: array.Float32, Shape: []int{1 + r.IntN(4)}}, fields.Bytes{}}
		specs = append(specs, ffcv.FieldSpec{Name: fmt.Sprintf("f%d", k), Field: list[r.IntN(len(list))]})
	}
	r = rand.New(rand.NewPCG(seed, 2))
	widest := []int{3, 300, 300_000}[r.IntN(3)]
	return ffcvtest.Map(t, ffcvtest.Write(t, specs, n, func(i int) []any {
		values := make([]any, len(specs))
		for k, s := range specs {
			switch f := s.Field.(type) {
			case fields.Int:
				values[k] = r.IntN(5)
			case fields.Float:
				values[k] = r.Float64()
			case fields.JSON:
				values[k] = map[string]any{"i": i, "x": r.IntN(100)}
			case fields.Bytes:
				b := make([]byte, r.IntN(widest))
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				values[k] = b
			case fields.NDArray:
				b := make([]byte, 4*f.Shape[0])
				for j := range b {
					b[j] = byte(r.IntN(100))
				}
				values[k] = array.Array{Spec: array.Spec{DType: f.DType, Shape: f.Shape}, Data: b}
			}
		}
		return values
	}, &ffcv.Options{PageSize: 2 * mib, Plain: r.IntN(2) == 0}), nil)
}

// FuzzSplice merges, narrows, divides and merges again random files, and
// compares all values with those of the files one by one.
func FuzzSplice(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint8(5), uint8(9), false)
	f.Add(uint64(7), uint64(3), uint8(0), uint8(1), true)
	f.Add(uint64(9), uint64(9), uint8(40), uint8(30), false)
	f.Fuzz(func(t *testing.T, kinds, seed uint64, n, m uint8, repack bool) {
		ctx := context.Background()
		a, b := randomFile(t, kinds, seed, int(n%50)), randomFile(t, kinds, seed+1, int(m%50))
		dir := t.TempDir()
		path := func(name string) string { return filepath.Join(dir, name) }
		opts := splice.Options{Repack: repack, Workers: 2}
		if _, err := splice.Merge(ctx, path("m"), []*ffcv.File{a, b, a}, &opts); err != nil {
			t.Fatal(err)
		}
		merged := check(t, path("m"), whole(a, b, a))
		total := merged.Len()
		if total < 2 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 3))
		list := make([]int, r.IntN(2*total))
		for i := range list {
			list[i] = r.IntN(total)
		}
		if _, err := splice.Subset(ctx, path("s"), merged, splice.Selection{Indices: list}, &opts); err != nil {
			t.Fatal(err)
		}
		check(t, path("s"), pick(merged, list...))

		parts := []splice.Part{{path("p"), 1}, {path("q"), 1}}
		split := &splice.SplitOptions{Options: opts, Shuffle: true, Seed: seed}
		if _, err := splice.Split(ctx, merged, parts, split); err != nil {
			t.Fatal(err)
		}
		order, at := []int{}, ffcv.Shuffled(total, seed)
		for i := range total {
			order = append(order, at(i))
		}
		if _, err := splice.Merge(ctx, path("again"), []*ffcv.File{open(t, path("p")), open(t, path("q"))}, &opts); err != nil {
			t.Fatal(err)
		}
		check(t, path("again"), pick(merged, order...))
	})
}

// FuzzDamaged lets a file with any bytes changed be merged and narrowed: an
// error, or a file that can be opened, but no panic and nothing partial.
func FuzzDamaged(f *testing.F) {
	whole := readFile(f, everyKind{12, 0}.write(f, ffcv.Options{}, nil))
	rows := ffcv.HeaderSize + len(kindSpecs)*ffcv.DescriptorSize
	f.Add(uint32(8), []byte{0xff})
	f.Add(uint32(rows+5), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(uint32(rows+100), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add(uint32(len(whole)-40), []byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		b := append([]byte(nil), whole...)
		// Most bytes are pixels: aim at the others.
		off := int(at) % (rows + 2000)
		if int(at) > rows+2000 {
			off = len(b) - 1 - int(at)%3000
		}
		copy(b[off:], change)
		files := map[string]*ffcv.File{}
		for name, borrow := range map[string]bool{"lends": true, "reads": false} {
			src := ffcvtest.Lend(b)
			if !borrow {
				src = ffcv.ReaderAtSource("reader", src, int64(len(b)))
			}
			if file, err := ffcv.New(src, nil); err == nil {
				files[name] = file
			}
		}
		for _, file := range files {
			if file.Header().PageSize > 64*mib {
				continue // a file of a page or more
			}
			for _, repack := range []bool{false, true} {
				dir := t.TempDir()
				_, err := splice.Merge(context.Background(), filepath.Join(dir, "x"), []*ffcv.File{file, file}, &splice.Options{Repack: repack})
				if err != nil {
					alone(t, dir)
					continue
				}
				open(t, filepath.Join(dir, "x"))
			}
		}
	})
}

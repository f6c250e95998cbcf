package dataset_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	photoset "github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

// TestCompositeResumes: chosen samples of three files of photographs with vectors
// beside them, in a mixture, mapped and through a cache: an epoch that is stopped
// goes on, with as many ranks and with others, from a state that was a file
// meanwhile, and every row is what it would have been.
func TestCompositeResumes(t *testing.T) {
	names, err := fs.Glob(photoset.FS, path.Join("*", "*.jpg"))
	if err != nil || len(names) < 40 {
		t.Fatalf("%d photos, %v", len(names), err)
	}
	paths := []string{photos(t, true, names[:20]), photos(t, false, names[20:25]), photos(t, true, names[25:])}
	vectors := numbers(t, "v", fields.NDArray{DType: array.Int32, Shape: []int{2}}, len(names), func(i int) any { return []int32{int32(i), int32(-i)} })
	for _, memory := range []int64{0, 1 << 20} {
		all, err := dataset.Open(paths, cached(memory))
		if err != nil {
			t.Fatal(err)
		}
		defer all.Close()
		both, err := dataset.NewJoin(all, vectors)
		if err != nil {
			t.Fatal(err)
		}
		chosen, err := dataset.NewSubset(both, slices.Concat(backwards(len(names)-1, 22), backwards(18, 0)))
		if err != nil {
			t.Fatal(err)
		}
		run := func(s *loader.State, rank, world, stop int, rows map[string]int) *loader.State {
			t.Helper()
			opts := &loader.Options{BatchSize: 3 + world, Seed: 5, Workers: 1 + rank%2, Rank: rank, WorldSize: world, ExactlyOnce: true,
				Order: dataset.Mixture{Weights: []float64{2, 3, 1}, Length: 101},
				Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 20, Height: 16},
					Ops: []any{transform.HorizontalFlip{}, transform.ColorJitter{Brightness: 0.3}}}}}
			l, err := loader.New(chosen, opts)
			if s != nil {
				l, err = loader.Resume(chosen, opts, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			n := 0
			for b, err := range l.Epoch(t.Context(), 4) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					rows[fmt.Sprint(id, crc32.ChecksumIEEE(b.Output("image").Value(i)), int32(binary.LittleEndian.Uint32(b.Output("v").Value(i))))]++
				}
				b.Release()
				if n++; n == stop {
					break
				}
			}
			if s, err = l.State(); err != nil {
				t.Fatal(err)
			}
			return s
		}
		want := map[string]int{}
		run(nil, 0, 1, -1, want)
		total := 0
		for _, n := range want {
			total += n
		}
		if total != 101 || len(want) < 60 {
			t.Fatalf("%d rows, %d of them differ", total, len(want))
		}
		for _, c := range [][]int{{1, 1, 1}, {2, 2, 2}, {3, 1, 4}, {1, 5, 2}, {8, 3, 1}} {
			got, s := map[string]int{}, (*loader.State)(nil)
			for k, world := range c {
				var next *loader.State
				for rank := range world {
					next = run(s, rank, world, []int{1, 2, -1}[k], got)
				}
				file := filepath.Join(t.TempDir(), "state.json")
				if err := next.Save(file); err != nil {
					t.Fatal(err)
				}
				if s, err = loader.ReadState(file); err != nil {
					t.Fatal(err)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("memory %d, ranks %v: other rows: %d, want %d", memory, c, len(got), len(want))
			}
		}
	}
}

// backwards counts from hi down to lo.
func backwards(hi, lo int) (list []int) {
	for i := hi; i >= lo; i-- {
		list = append(list, i)
	}
	return list
}

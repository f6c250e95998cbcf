package loader_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	photoset "github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

// TestReplay holds replayed rows to those of epochs, for every kind of output.
func TestReplay(t *testing.T) {
	defer leak.Watch(t)()
	own := opFunc(func(b []byte, rng *rand.Rand) error { b[rng.IntN(len(b))]++; return nil })
	crop := transform.RandomResizedCrop{Width: 40, Height: 36}
	for name, f := range scenes(t, 20, nil) {
		opts := &loader.Options{BatchSize: 6, Workers: 2, Seed: 77, Order: loader.Random, Indices: []int{0, 3, 5, 7, 8, 9, 13, 19}}
		opts.Outputs = append([]loader.Output{
			{Name: "image", Decoder: crop, Ops: []any{transform.HorizontalFlip{}, transform.Translate{Padding: 4}}},
			{Name: "other", Field: "image", Decoder: crop, Ops: []any{own, transform.ToCHW{}}},
			{Name: "stored", Field: "image", Decoder: loader.Raw{}},
			{Name: "rgba", Decoder: transform.RandomCrop{Width: 30, Height: 30}},
			{Name: "bytes", Field: "list"},
		}, following("image")...)
		l := newLoader(t, f, opts)
		for n := range 2 {
			for b, err := range l.Epoch(t.Context(), n) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					r, err := l.Replay(id, n)
					if err != nil {
						t.Fatal(err)
					}
					for k, c := range b.Outputs() {
						o := r.Outputs[k]
						if o.Output != c.Name || !bytes.Equal(o.Value.Data, c.Value(i)) || o.Value.DType != c.DType || o.Partial {
							t.Fatalf("%s: epoch %d, sample %d: output %q is not replayed", name, n, id, c.Name)
						}
						if c.Lengths == nil && !slices.Equal(o.Shape, c.Shape[1:]) {
							t.Errorf("%s: shape %d, want %d", c.Name, o.Shape, c.Shape[1:])
						}
					}
				}
				b.Release()
			}
		}
		if _, err := l.Replay(1, 0); err != nil { // not selected
			t.Error(err)
		}
		for _, bad := range [][2]int{{-1, 0}, {20, 0}, {0, -1}} {
			if r, err := l.Replay(bad[0], bad[1]); r != nil || err == nil {
				t.Errorf("sample %d of epoch %d: no error", bad[0], bad[1])
			}
		}
	}
}

// TestReplayTells: what is said of a row is what was done.
func TestReplayTells(t *testing.T) {
	name := filepath.Join(t.TempDir(), "photos.beton")
	w, err := ffcv.Create(name, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	names, err := fs.Glob(photoset.FS, path.Join("*", "*.jpg"))
	if err != nil || len(names) < 5 {
		t.Fatalf("%d photos, %v", len(names), err)
	}
	names = names[:5]
	err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i, name := range names {
			data, err := photoset.FS.ReadFile(name)
			if !yield(ffcv.Sample{Key: name, Values: []any{data, i}}, err) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	crop := transform.RandomResizedCrop{Width: 40, Height: 36, Exact: true}
	l := newLoader(t, f, &loader.Options{Seed: 5, BatchSize: 2, Outputs: []loader.Output{
		{Name: "image", Decoder: crop, Ops: []any{transform.HorizontalFlip{}}},
		{Name: "moved", Field: "image", Decoder: crop, Ops: []any{transform.HorizontalFlip{}, transform.Translate{Padding: 3}, transform.ToCHW{}, transform.ImageMixup{}, transform.Convert{DType: array.Float32}}},
	}})
	flips := 0
	for sample := range names {
		r, err := l.Replay(sample, 4)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sample != sample || r.Epoch != 4 || r.Seed != 5 || r.StreamVersion != loader.StreamVersion || r.Source != names[sample] {
			t.Errorf("%+v", r)
		}
		src, err := f.Image(sample, 0)
		if err != nil {
			t.Fatal(err)
		}
		// The picture again, from what is said of it.
		o := r.Outputs[0]
		var s rgb.Scratch
		dst := make([]byte, 3*40*36)
		target := rgb.Target{Width: 40, Height: 36, Exact: true}
		if err := s.Render(dst, src, rgb.Rect(*o.Crop), *o.Flip, &target); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(dst, o.Value.Data) {
			t.Errorf("sample %d: crop %v, flip %v is another picture", sample, *o.Crop, *o.Flip)
		}
		if *o.Stored != (loader.StoredSize{Width: src.Width, Height: src.Height}) || o.Decoder != "transform.RandomResizedCrop" ||
			o.Drawn["x"] != o.Crop.X || o.Drawn["width"] != o.Crop.W || o.Ops[0].Op != "transform.HorizontalFlip" || o.Ops[0].Drawn["flip"] != *o.Flip {
			t.Errorf("sample %d: %+v", sample, o)
		}
		if *o.Flip {
			flips++
		}
		place := rgb.Place(src.Width, src.Height)
		place.Crop(rgb.Rect(*o.Crop), 40, 36)
		if *o.Flip {
			place.FlipX()
		}
		if p := o.Placement; p.Width != 40 || p.Height != 36 || rgb.Axis(p.X) != place.X || rgb.Axis(p.Y) != place.Y {
			t.Errorf("sample %d: placement %+v, want %+v", sample, *p, place)
		}
		moved := r.Outputs[2]
		var applied []bool
		for _, op := range moved.Ops {
			applied = append(applied, op.Applied)
		}
		if !moved.Partial || !slices.Equal(applied, []bool{true, true, true, false, false}) || !slices.Equal(moved.Shape, []int{3, 36, 40}) {
			t.Errorf("sample %d: partial %v, applied %v, shape %d", sample, moved.Partial, applied, moved.Shape)
		}
		at := moved.Ops[1].Drawn
		dx, dy := at["x"].(int), at["y"].(int)
		if x := moved.Placement.X; dx < -3 || dx > 3 || dy < -3 || dy > 3 || dx > 0 && x.Lo < float64(dx) {
			t.Errorf("sample %d: drawn %v, placement %+v", sample, at, moved.Placement)
		}
		checkJSON(t, r)
	}
	if flips == 0 || flips == len(names) {
		t.Errorf("%d flips of %d", flips, len(names))
	}
}

// checkJSON holds what is written as JSON to what is read back.
func checkJSON(t *testing.T, r *loader.Replayed) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back loader.Replayed
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("%v\n%s\n%s", err, b, again)
	}
	for _, key := range []string{`"sample":`, `"stream_version":1`, `"source":"`, `"crop":{"x":`, `"placement":{"width":40`, `"applied":false`, `"partial":true`} {
		if !bytes.Contains(b, []byte(key)) {
			t.Errorf("no %s in %s", key, b)
		}
	}
}

// TestReplaySchedule: an epoch's own outputs are replayed, in any order, also
// while another epoch runs.
func TestReplaySchedule(t *testing.T) {
	f := scenes(t, 9, nil)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 4, Seed: 2, OutputsAt: func(epoch int) []loader.Output {
		return []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 8 + epoch, Height: 9}}, {Name: "rgba", Disabled: true}, {Name: "mask", Disabled: true}, {Name: "depth", Disabled: true}}
	}})
	want := make([]*loader.Replayed, 4)
	for n := range want {
		for b, err := range l.Epoch(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			for k := range want {
				r, err := l.Replay(8, k)
				if err != nil {
					t.Fatal(err)
				}
				if want[k] == nil {
					want[k] = r
				}
				if !reflect.DeepEqual(r, want[k]) || r.Outputs[0].Shape[1] != 8+k {
					t.Fatalf("during epoch %d, epoch %d is replayed as %v", n, k, r.Outputs[0].Shape)
				}
			}
			for i, id := range b.Samples() {
				if id == 8 && !bytes.Equal(b.Output("image").Value(i), want[n].Outputs[0].Value.Data) {
					t.Errorf("epoch %d is replayed otherwise", n)
				}
			}
			b.Release()
		}
	}
}

// TestReplayFails: what an epoch fails with, Replay does.
func TestReplayFails(t *testing.T) {
	defer leak.Watch(t)()
	f := scenes(t, 5, nil)["map"]
	for _, c := range []struct {
		name string
		op   func([]byte, *rand.Rand) error
		want string
	}{
		{"error", func([]byte, *rand.Rand) error { return errors.New("refused") }, `sample 3: output "label": operation 0: refused`},
		{"panic", func([]byte, *rand.Rand) error { panic("at once") }, `sample 3: output "label": panic: at once`},
		{"end", func([]byte, *rand.Rand) error { runtime.Goexit(); return nil }, "ended its goroutine"},
	} {
		l := newLoader(t, f, &loader.Options{Outputs: append([]loader.Output{{Name: "label", Ops: []any{opFunc(c.op)}}}, loader.Output{Name: "image", Disabled: true},
			loader.Output{Name: "mask", Disabled: true}, loader.Output{Name: "depth", Disabled: true}, loader.Output{Name: "rgba", Disabled: true})})
		if r, err := l.Replay(3, 0); r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestReplayRow holds replayed rows to those of batches, in every order, of samples
// that come several times too, of ranks and of resumed epochs.
func TestReplayRow(t *testing.T) {
	ds := newLabelled(t, 90)
	for _, o := range everyOrder() {
		t.Run(o.name, func(t *testing.T) {
			opts := loader.Options{Order: fit(o.order), Seed: 5, BatchSize: 7, Workers: 2, Rank: 1, WorldSize: 2, Outputs: rowsOf}
			l := newLoader(t, ds, &opts)
			s, err := l.StateAt(3, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []*loader.Loader{l, resume(t, ds, opts, s)} {
				rows := 0
				for b, err := range l.Epoch(t.Context(), 3) {
					if err != nil {
						t.Fatal(err)
					}
					for i, id := range b.Samples() {
						if rows++; rows > 40 && i > 0 {
							continue
						}
						r, err := l.ReplayRow(3, b.Index(), i)
						if err != nil {
							t.Fatal(err)
						}
						if r.Sample != id || r.Epoch != 3 {
							t.Fatalf("batch %d, row %d: sample %d of epoch %d, want %d", b.Index(), i, r.Sample, r.Epoch, id)
						}
						for k, c := range b.Outputs() {
							if !bytes.Equal(r.Outputs[k].Value.Data, c.Value(i)) {
								t.Errorf("batch %d, row %d, sample %d, time %d: output %q is not replayed", b.Index(), i, id, r.Repeat, c.Name)
							}
						}
					}
					b.Release()
				}
				if rows == 0 {
					t.Error("no rows")
				}
			}
			for _, at := range [][3]int{{-1, 0, 0}, {3, -1, 0}, {3, l.Len(), 0}, {3, 0, -1}, {3, 0, 7}} {
				if r, err := l.ReplayRow(at[0], at[1], at[2]); err == nil || r != nil {
					t.Errorf("epoch %d, batch %d, row %d: no error", at[0], at[1], at[2])
				}
			}
			if _, err := resume(t, ds, opts, s).ReplayRow(3, 1, 0); err == nil {
				t.Error("a batch before those of a resumed epoch: no error")
			}
		})
	}
}

// TestReplayCopies: the copies of a repeated sample are told apart, the first of
// them is what Replay gives.
func TestReplayCopies(t *testing.T) {
	ds := newLabelled(t, 30)
	l := newLoader(t, ds, &loader.Options{Order: loader.Repeated{Times: 3}, Seed: 5, BatchSize: 9, Outputs: rowsOf})
	first, err := l.ReplayRow(0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := l.Replay(first.Sample, 0)
	if err != nil || !reflect.DeepEqual(plain, first) {
		t.Errorf("%+v, %v, want %+v", plain, err, first)
	}
	seen := map[string]bool{}
	for row := range 3 {
		r, err := l.ReplayRow(0, 1, row)
		if err != nil || r.Sample != first.Sample || r.Repeat != uint64(row) {
			t.Fatalf("row %d: %+v, %v", row, r, err)
		}
		last := r.Outputs[len(r.Outputs)-1]
		seen[string(last.Value.Data)] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d different copies, want 3", len(seen))
	}
}

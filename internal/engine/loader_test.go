//go:build linux || darwin

package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

// write makes a file with a field of every kind, n samples.
func write(tb testing.TB, n int) (path string) {
	tb.Helper()
	specs := []ffcv.FieldSpec{
		{Name: "label", Field: fields.Int{}}, {Name: "weight", Field: fields.Float{}},
		{Name: "vector", Field: fields.NDArray{DType: array.Float32, Shape: []int{3, 2}}},
		{Name: "text", Field: fields.Bytes{}}, {Name: "json", Field: fields.JSON{}},
		{Name: "image", Field: fields.RGBImage{}},
	}
	pictures := pictures(tb)
	return ffcvtest.Write(tb, specs, n, func(i int) []any {
		v, err := array.Of([]float32{float32(i), 1, 2, 3, 4, 5}, 3, 2)
		if err != nil {
			tb.Fatal(err)
		}
		return []any{int64(i % 7), float64(i%5 + 1), v, bytes.Repeat([]byte{byte(i)}, i%13*4), json.RawMessage(fmt.Sprintf(`{"i":%d}`, i)),
			pictures[i%len(pictures)]}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
}

// pictures are some JPEGs.
func pictures(tb testing.TB) (list [][]byte) {
	tb.Helper()
	err := fs.WalkDir(photos.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || len(list) == 8 || !strings.HasSuffix(path, ".jpg") {
			return err
		}
		b, err := fs.ReadFile(photos.FS, path)
		list = append(list, b)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return list
}

// crop is an image output, in Go and for the engine.
var (
	crop = loader.Output{Name: "image", Decoder: transform.RandomResizedCrop{Width: 32, Height: 24, Scale: [2]float64{0.2, 1}},
		Ops: []any{transform.HorizontalFlip{}, transform.Cutout{Size: 4, Fill: []uint8{1, 2, 3}}, transform.Normalize{Mean: [3]float64{1, 2, 3}, Std: [3]float64{4, 5, 6}, DType: array.Float16}, transform.ToCHW{}}}
	cropOp = object{"name": "image", "decoder": object{"op": "RandomResizedCrop", "width": 32, "height": 24, "scale": []float64{0.2, 1}},
		"ops": []object{{"op": "HorizontalFlip"}, {"op": "Cutout", "Size": 4, "fill": []int{1, 2, 3}},
			{"op": "Normalize", "Mean": []int{1, 2, 3}, "Std": []int{4, 5, 6}, "dtype": "float16"}, {"op": "ToCHW"}}}
)

func open(tb testing.TB, path string) *ffcv.File { return ffcvtest.Map(tb, path, nil) }

func newLoader(tb testing.TB, ds loader.Dataset, opts *loader.Options) *loader.Loader {
	tb.Helper()
	l, err := loader.New(ds, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

func TestEveryKindOfField(t *testing.T) {
	path := write(t, 100)
	f := open(t, path)
	s := serve(t)
	for _, test := range []struct {
		name    string
		opts    loader.Options
		request object
	}{
		{"padded", loader.Options{BatchSize: 16, Outputs: []loader.Output{crop}}, object{"batch_size": 16, "outputs": []object{cropOp}}},
		{"ragged", loader.Options{BatchSize: 33, DropLast: true, Outputs: []loader.Output{
			{Name: "image", Decoder: loader.Raw{}, Ragged: true}, {Name: "json", Ragged: true},
			{Name: "text", Ragged: true, Item: array.Spec{DType: array.Uint16, Shape: []int{2}}}, {Name: "weight", Disabled: true}}},
			object{"batch_size": 33, "drop_last": true, "outputs": []object{
				{"name": "image", "decoder": object{"op": "Raw"}, "ragged": true}, {"name": "json", "ragged": true},
				{"name": "text", "ragged": true, "item": object{"dtype": "<u2", "shape": []int{2}}}, {"name": "weight", "disabled": true}}}},
		{"items", loader.Options{BatchSize: 1000, Outputs: []loader.Output{{Name: "image", Disabled: true},
			{Name: "text", Item: array.Spec{DType: array.Int32}}}},
			object{"batch_size": 1000, "outputs": []object{{"name": "image", "disabled": true}, {"name": "text", "item": object{"dtype": "int32"}}}}},
		{"nothing", loader.Options{BatchSize: 7, Outputs: disabled()}, object{"batch_size": 7, "outputs": disabledOps()}},
		{"ranks", loader.Options{BatchSize: 16, Rank: 2, WorldSize: 3, ExactlyOnce: true, Seed: 1 << 63, Workers: 1, Outputs: []loader.Output{crop}, Order: loader.Random},
			object{"batch_size": 16, "rank": 2, "world": 3, "exactly_once": true, "seed": uint64(1 << 63), "workers": 1, "outputs": []object{cropOp}, "order": object{"name": "random"}}},
		{"indices", loader.Options{BatchSize: 2, Indices: []int{9, 1, 50}, Outputs: []loader.Output{crop}, BatchesAhead: 7},
			object{"batch_size": 2, "indices": 3, "outputs": []object{cropOp}, "batches_ahead": 7}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var payload []byte
			if test.opts.Indices != nil {
				payload = int64s(test.opts.Indices...)
			}
			c := s.connect()
			v := c.loader(with(test.request, object{"paths": []string{path}}), payload)
			l := newLoader(t, f, &test.opts)
			for epoch := range 3 {
				end := v.all(nil, nil, epoch, l)
				if end["stopped"] != false || end["stats"].(object)["batches"] != float64(v.batches) || end["report"].(object)["batches"] != float64(v.batches) {
					t.Errorf("epoch %d ends with %v", epoch, end)
				}
			}
			c.sock.Close()
		})
	}
}

func disabled() (list []loader.Output) {
	for _, name := range []string{"label", "weight", "vector", "text", "json", "image"} {
		list = append(list, loader.Output{Name: name, Disabled: true})
	}
	return list
}

func disabledOps() (list []object) {
	for _, o := range disabled() {
		list = append(list, object{"name": o.Name, "disabled": true})
	}
	return list
}

func TestOrders(t *testing.T) {
	path := write(t, 300)
	s := serve(t)
	weights := make([]float64, 300)
	for i := range weights {
		weights[i] = float64(i % 3)
	}
	var bits []int
	for _, w := range weights {
		bits = append(bits, int(math.Float64bits(w)))
	}
	for _, test := range []struct {
		order   loader.Order
		request object
		payload []byte
	}{
		{loader.Sequential, nil, nil},
		{loader.Sequential, object{"name": "sequential"}, nil},
		{loader.Random, object{"name": "random"}, nil},
		{loader.QuasiRandom, object{"name": "quasi_random"}, nil},
		{loader.Keyed, object{"name": "keyed"}, nil},
		{loader.PageShuffle{Window: 2}, object{"name": "page_shuffle", "window": 2}, nil},
		{loader.BlockShuffle{Block: 8, Window: 3}, object{"name": "block_shuffle", "Block": 8, "Window": 3}, nil},
		{loader.Weighted{Field: "weight", Replacement: true, Samples: 70}, object{"name": "weighted", "field": "weight", "replacement": true, "samples": 70}, nil},
		{loader.Weighted{Weights: weights}, object{"name": "weighted", "weights": weights}, nil},
		{loader.Weighted{Weights: weights}, object{"name": "weighted", "weights": len(weights)}, int64s(bits...)},
		{loader.ClassBalanced{Field: "label"}, object{"name": "class_balanced", "field": "label"}, nil},
		{loader.Repeated{Times: 2, Order: loader.Keyed}, object{"name": "repeated", "times": 2, "order": object{"name": "keyed"}}, nil},
		{loader.Repeated{}, object{"name": "repeated"}, nil},
	} {
		for _, memory := range []int{0, 1 << 20, -1} {
			if memory != 0 && test.payload != nil {
				continue
			}
			c := s.connect()
			v := c.loader(object{"paths": []string{path}, "batch_size": 32, "seed": 5, "outputs": disabledOps(), "order": test.request, "memory": memory}, test.payload)
			v.all(nil, nil, 1, newLoader(t, open(t, path), &loader.Options{BatchSize: 32, Seed: 5, Outputs: disabled(), Order: test.order}))
			c.sock.Close()
		}
	}
}

func TestSeveralFiles(t *testing.T) {
	folder := t.TempDir()
	for i, n := range []int{20, 30} {
		if err := os.Rename(write(t, n), filepath.Join(folder, fmt.Sprint("part-", i, ".beton"))); err != nil {
			t.Fatal(err)
		}
	}
	pattern := filepath.Join(folder, "part-*.beton")
	ds, err := dataset.Open([]string{pattern}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	s := serve(t)
	for name, test := range map[string]struct {
		order   loader.Order
		request object
	}{
		"keyed":   {loader.Keyed, object{"name": "keyed"}},
		"mixture": {dataset.Mixture{Weights: []float64{3, 1}}, object{"name": "mixture", "weights": []int{3, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, memory := range []int{0, 1 << 20} {
				c := s.connect()
				v := c.loader(object{"paths": []string{pattern}, "batch_size": 8, "outputs": []object{cropOp}, "order": test.request, "memory": memory}, nil)
				v.all(nil, nil, 0, newLoader(t, ds, &loader.Options{BatchSize: 8, Outputs: []loader.Output{crop}, Order: test.order}))
				c.sock.Close()
			}
		})
	}
}

func TestGiven(t *testing.T) {
	path := write(t, 20)
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": disabledOps(), "order": object{"name": "given"}}, nil)
	epoch := func(n int, samples ...int) {
		t.Helper()
		var got []int
		_, err := v.epoch(object{"epoch": n, "order": len(samples)}, int64s(samples...), func(_ int, b *view) error {
			got = append(got, b.ids...)
			v.back = append(v.back, b.seq)
			return nil
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(samples) {
			t.Fatalf("got %v, %v, want %v", got, err, samples)
		}
	}
	epoch(0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19)
	epoch(1, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	epoch(2, 5, 5, 5) // another length
	epoch(3)
	if _, err := v.epoch(object{"order": 1}, int64s(20), nil); err == nil || !strings.Contains(err.Error(), "20") {
		t.Errorf("a sample that there isn't: %v", err)
	}
	if _, err := v.epoch(object{"order": 2}, int64s(1), nil); err == nil {
		t.Errorf("fewer samples than told: no error")
	}
}

// TestStatsFile: it is there with the loader, and whole with an epoch's end.
func TestStatsFile(t *testing.T) {
	path, file := write(t, 20), filepath.Join(t.TempDir(), "stats.json")
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": disabledOps(), "stats_file": file}, nil)
	s, err := loader.ReadSnapshot(file)
	if err != nil || s.Epoch.Epoch != -1 || s.Batches != 5 {
		t.Fatalf("before the epoch: %+v, %v", s, err)
	}
	end, err := v.epoch(nil, nil, func(int, *view) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s, err = loader.ReadSnapshot(file)
	if err != nil || s.Epoch.Batches != 5 || s.Epoch.Running || s.Epoch.Verdict != end["stats"].(object)["verdict"] {
		t.Errorf("after it: %+v, %v; its end told %v", s, err, end["stats"])
	}
	serve(t).connect().fails("option", object{"do": "loader", "paths": []string{path}, "outputs": disabledOps(), "stats_file": path}, nil)
}

func TestOutputsChange(t *testing.T) {
	path := write(t, 64)
	side := func(n int) []loader.Output {
		return []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: n, Height: n}}}
	}
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 8, "outputs": []object{{"name": "image", "decoder": object{"op": "CenterCrop", "width": 8, "height": 8}}}}, nil)
	l := newLoader(t, open(t, path), &loader.Options{BatchSize: 8, OutputsAt: func(epoch int) []loader.Output { return side(8 << epoch) }})
	v.all(nil, nil, 0, l)
	for epoch := 1; epoch < 4; epoch++ {
		v.all(object{"outputs": []object{{"name": "image", "decoder": object{"op": "CenterCrop", "width": 8 << epoch, "height": 8 << epoch}}}}, nil, epoch, l)
		if got := v.specs[len(v.specs)-1].Shape; got[0] != 8<<epoch {
			t.Errorf("epoch %d: shape %v", epoch, got)
		}
	}
	v.fails("option", object{"do": "epoch", "epoch": 4, "outputs": []object{{"name": "picture", "field": "image", "decoder": object{"op": "Raw"}}}}, nil)
	v.fails("option", object{"do": "epoch", "epoch": 4, "outputs": []object{{"name": "image", "decoder": object{"op": "CenterCrop", "width": -1}}}}, nil)
	v.all(nil, nil, 3, l) // goes on
}

// TestKeptBatches: what a client doesn't release never changes, however many
// there are, and all of it comes back in the end.
func TestKeptBatches(t *testing.T) {
	path := write(t, 80)
	big := loader.Output{Name: "image", Decoder: transform.RandomResizedCrop{Width: 256, Height: 256}}
	bigOp := object{"name": "image", "decoder": object{"op": "RandomResizedCrop", "width": 256, "height": 256}}
	opts := &loader.Options{BatchSize: 4, Outputs: []loader.Output{big}, Order: loader.Random}
	want := batches(t, newLoader(t, open(t, path), opts), 0)
	c := serve(t).connect()
	v := c.loader(object{"paths": []string{path}, "batch_size": 4, "outputs": []object{bigOp}, "order": object{"name": "random"}}, nil)
	var kept []*view
	check := func() {
		t.Helper()
		for i, b := range kept {
			if err := want[i].same(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := v.epoch(nil, nil, func(_ int, b *view) error { kept = append(kept, b); return nil }); err != nil {
		t.Fatal(err)
	}
	check()
	most := len(v.segments)
	l := newLoader(t, open(t, path), opts)
	v.all(nil, nil, 1, l)
	check()
	for _, b := range kept {
		v.back = append(v.back, b.seq)
	}
	for epoch := range 3 {
		v.all(nil, nil, 2+epoch, l)
	}
	if n := len(v.segments); n > most/2 && !debugging {
		t.Errorf("%d segments when all is released, %d when all was kept", n, most)
	}
}

func TestCredit(t *testing.T) {
	path := write(t, 64)
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": disabledOps()}, nil)
	v.ask(object{"do": "epoch", "epoch": 0}, nil)
	for range 2 {
		if b, _, err := v.next(); b == nil || err != nil {
			t.Fatal(b, err)
		}
	}
	v.send(object{"do": "state", "epoch": 0, "batches": 1}, nil) // comes next: no further batch is sent
	if b, o, err := v.next(); b != nil || o["state"] == nil || err != nil {
		t.Fatal(b, o, err)
	}
	v.credit(1)
	if b, _, err := v.next(); b == nil || err != nil {
		t.Fatal(b, err)
	}
	v.send(object{"do": "stats"}, nil)
	if b, o, err := v.next(); b != nil || err != nil || o["stats"].(object)["batches"].(float64) < 3 {
		t.Fatal(b, o, err)
	}
	v.send(object{"do": "stop"}, nil)
	for {
		b, o, err := v.next()
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			if o["end"] != true || o["stopped"] != true {
				t.Fatal(o)
			}
			break
		}
	}
	v.send(object{"do": "stop"}, nil) // of an epoch that has ended: nothing
	for seq := range v.live {
		v.back = append(v.back, seq)
	}
	v.credit(3) // a count of an epoch that has ended: nothing
	v.all(nil, nil, 1, newLoader(t, open(t, path), &loader.Options{BatchSize: 4, Outputs: disabled()}))
}

func TestResume(t *testing.T) {
	path := write(t, 100)
	request := object{"paths": []string{path}, "batch_size": 8, "seed": 3, "outputs": []object{cropOp}, "order": object{"name": "random"}}
	opts := &loader.Options{BatchSize: 8, Seed: 3, Outputs: []loader.Output{crop}, Order: loader.Random}
	want := batches(t, newLoader(t, open(t, path), opts), 2)
	s := serve(t)
	v := s.connect().loader(request, nil)
	for _, k := range []int{0, 1, 5, 12, 13} {
		v.send(object{"do": "state", "epoch": 2, "batches": k}, nil)
		r, err := v.recv()
		if err != nil {
			t.Fatal(err)
		}
		c := s.connect()
		w := c.loader(with(request, object{"state": r.object["state"]}), nil)
		n := k
		if _, err := w.epoch(object{"epoch": 2}, nil, func(_ int, b *view) error {
			w.back = append(w.back, b.seq)
			n++
			return want[n-1].same(b)
		}); err != nil {
			t.Fatal(err)
		}
		if n != len(want) || w.batches != n-k {
			t.Errorf("after %d batches: %d came, %d are told, want %d", k, n-k, w.batches, len(want)-k)
		}
		c.sock.Close()
	}
	v.send(object{"do": "state", "epoch": 2, "batches": 14}, nil)
	r, err := v.recv()
	if err == nil || r.object["do"] != "state" {
		t.Errorf("a state after more batches than there are: %v, %v", r.object, err)
	}
	v.send(object{"do": "state", "epoch": 2, "batches": 4}, nil)
	r, _ = v.recv()
	state := r.object["state"].(object)
	for name, change := range map[string]object{
		"another seed":    {"seed": 4},
		"another stream":  {"state": with(state, object{"stream_version": 99})},
		"another version": {"state": with(state, object{"version": 99})},
		"no state":        {"state": "x"},
	} {
		c := s.connect()
		f := c.fails("state", with(with(request, object{"do": "loader", "state": state}), change), nil)
		if name == "another stream" && !(strings.Contains(f.Error(), "99") && strings.Contains(f.Error(), "1")) {
			t.Errorf("%s: %v", name, f)
		}
	}
}

func TestGetAndReplay(t *testing.T) {
	path := write(t, 50)
	opts := &loader.Options{BatchSize: 8, Outputs: []loader.Output{crop}}
	l := newLoader(t, open(t, path), opts)
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 8, "outputs": []object{cropOp}}, nil)
	for _, ids := range [][]int{{3}, {}, {49, 0, 0, 7, 8, 9, 10, 11, 12, 13}} {
		b, err := l.Get(t.Context(), 4, ids)
		if err != nil {
			t.Fatal(err)
		}
		want := copied(b)
		b.Release()
		for range 3 {
			v.send(object{"do": "get", "ids": len(ids), "epoch": 4}, int64s(ids...))
			got, _, err := v.next()
			if err != nil {
				t.Fatal(err)
			}
			if err := want.same(got); err != nil {
				t.Fatal(err)
			}
			v.back = append(v.back, got.seq)
			v.credit(0)
		}
	}
	ok, _ := v.ask(object{"do": "replay", "epoch": 4, "sample": 3}, nil)
	if b, _, err := v.next(); err != nil || b.ids[0] != 3 || ok["sample"] != 3. {
		t.Error(b, err, ok)
	}
	v.fails("option", object{"do": "replay", "epoch": 4, "sample": 50}, nil)
	v.fails("option", object{"do": "get", "ids": 1, "epoch": 4}, int64s(50))
	if n := len(v.segments); n > 4 {
		t.Errorf("%d segments after single samples", n)
	}
	ok, pixels := v.ask(object{"do": "images", "path": path, "field": "image", "ids": 3}, int64s(0, 1, 8))
	total := 0
	for _, p := range ok["images"].([]any) {
		var size [4]int
		again(t, p, &size)
		total += size[0] * size[1] * size[2] * size[3]
	}
	if len(pixels) != total || total == 0 {
		t.Errorf("%d bytes of pixels, want %d", len(pixels), total)
	}
	for range 2 { // not mapped: opened for it, and again
		if _, same := v.ask(object{"do": "images", "path": path, "field": "image", "ids": 3, "cached": true}, int64s(0, 1, 8)); !bytes.Equal(same, pixels) {
			t.Error("other pixels from a file that is not mapped")
		}
	}
	v.fails("option", object{"do": "images", "path": path, "field": "label", "ids": 1}, int64s(0))
	v.fails("option", object{"do": "images", "path": path, "field": "imag", "ids": 1}, int64s(0))
	v.fails("option", object{"do": "images", "path": path, "field": "image", "ids": 1}, int64s(50))
	v.fails("notfound", object{"do": "images", "path": path + "x", "field": "image", "ids": 1}, int64s(50))
}

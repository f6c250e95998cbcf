//go:build linux || darwin

package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// TestWrongSettings: each names what is wrong, and what may have been meant.
func TestWrongSettings(t *testing.T) {
	path := write(t, 20)
	foreign := filepath.Join(t.TempDir(), "foreign.beton")
	if err := os.WriteFile(foreign, []byte("this is no dataset, but has some bytes"), 0o666); err != nil {
		t.Fatal(err)
	}
	image := func(decoder object, ops ...object) object {
		return object{"outputs": []object{{"name": "image", "decoder": decoder, "ops": ops}}}
	}
	s := serve(t)
	c := s.connect()
	for _, test := range []struct {
		kind    string
		request object
		want    []string
	}{
		{"notfound", object{"paths": []string{path + "x"}}, []string{path + "x"}},
		{"notfound", object{"paths": []string{path + "x", path}}, []string{path + "x"}},
		{"format", object{"paths": []string{foreign}}, []string{foreign}},
		{"option", object{"paths": []string{}}, []string{"no paths"}},
		{"option", object{"paths": 1}, []string{"paths", "number"}},
		{"option", object{"batchsize": 1}, []string{"batchsize", `"batch_size"`}},
		{"option", object{"batch_size": -1}, []string{"-1"}},
		{"option", object{"batch_size": 1.5}, []string{"batch_size", "1.5"}},
		{"option", object{"seed": -1}, []string{"seed"}},
		{"option", object{"rank": 3, "world": 2}, []string{"3", "2"}},
		{"option", object{"memory": -2}, []string{"-2"}},
		{"option", object{"order": object{"name": "radnom"}}, []string{"radnom", `"random"`}},
		{"option", object{"order": object{"name": "random", "window": 1}}, []string{"window", "none"}},
		{"option", object{"order": object{"name": "page_shuffle", "windw": 1}}, []string{"windw", `"Window"`}},
		{"option", object{"order": object{"name": "weighted", "field": "wieght"}}, []string{"wieght"}},
		{"option", object{"order": "random"}, []string{"object"}},
		{"option", object{"order": object{"name": "repeated", "order": object{"name": "kyed"}}}, []string{"kyed", `"keyed"`}},
		{"protocol", object{"indices": 5}, []string{"5", "0 bytes"}},
		{"option", object{"on_error": object{"policy": "skp"}}, []string{"skp", `"skip"`}},
		{"option", object{"verify": "first_raed"}, []string{"verify", "first_raed", `"first_read"`}},
		{"option", object{"verify": true}, []string{"verify", "bool"}},
		{"option", object{"outputs": []object{{"name": "imge"}}}, []string{"imge"}},
		{"option", object{"outputs": []object{{"name": "image", "decodr": nil}}}, []string{"decodr", `"decoder"`}},
		{"option", image(object{"op": "RandomResizeCrop"}), []string{`"image"`, "RandomResizeCrop", `"RandomResizedCrop"`}},
		{"option", image(object{"op": "CenterCrop", "widht": 3}), []string{"CenterCrop", "widht", `"Width"`}},
		{"option", image(object{"op": "CenterCrop", "width": "a"}), []string{"CenterCrop", "Width", `"a"`, "int"}},
		{"option", image(object{"op": "RandomResizedCrop", "width": 8, "height": 8, "scale": []int{1}}), []string{"Scale", "1 values, want 2"}},
		{"option", image(object{"op": "CenterCrop", "filter": "areal"}), []string{"areal", `"area"`}},
		{"option", image(object{"op": "CenterCrop", "ondamage": 3}), []string{"OnDamage", "function"}},
		{"option", image(object{"op": "CenterCrop", "width": 8, "height": 8}, object{"op": "Cutout", "size": 2, "fill": []int{256}}), []string{"operation 0", "Fill", "256"}},
		{"option", image(object{"op": "CenterCrop", "width": 8, "height": 8}, object{"op": "Convert", "dtype": "floot32"}), []string{"DType", "floot32"}},
		{"option", image(object{"op": "CenterCrop", "width": 8, "height": 8}, object{"op": "Normalize"}, object{"op": "Cutout", "size": 2}), []string{"image"}},
		{"option", image(object{"op": "CenterCrop", "width": 8, "height": 8}, nil), []string{"operation 0"}},
		{"option", image(object{"width": 8}), []string{`"op"`}},
		{"option", object{}, []string{"image", "decoder"}},
	} {
		request := with(object{"do": "loader", "paths": []string{path}}, test.request)
		f := c.fails(test.kind, request, nil)
		for _, want := range test.want {
			if !strings.Contains(f.Error(), want) {
				t.Errorf("%v: %v; it does not tell %q", test.request, f, want)
			}
		}
		if test.kind == "protocol" {
			c.closed()
			c = s.connect()
		}
	}
	c.fails("state", object{"do": "epoch"}, nil)
	c.fails("state", object{"do": "state"}, nil)
	c.fails("state", object{"do": "get"}, nil)
	v := c.loader(object{"paths": []string{path}, "outputs": disabledOps()}, nil) // goes on
	v.fails("state", object{"do": "loader", "paths": []string{path}}, nil)
	v.fails("option", object{"do": "epoch", "epoch": -1}, nil)
	v.fails("option", object{"do": "epoch", "order": 0}, nil)
}

// TestSettings: those that JSON would read otherwise come as they are meant.
func TestSettings(t *testing.T) {
	path := write(t, 20)
	v := serve(t).connect().loader(object{"paths": []string{path}, "batch_size": 4, "quarantine": []int{3}, "outputs": []object{{
		"name": "image", "decoder": object{"op": "ResizeCenterCrop", "Size": 40, "width": 32, "height": 32, "filter": "bilinear", "ondamage": true},
		"ops": []object{{"op": "Poison", "mask": make([]float64, 32*32*3), "alpha": make([]float64, 32*32), "indices": []int{1}, "clamp": []int{3, 200}},
			{"op": "Convert", "dtype": "bfloat16"}}}}}, nil)
	if got := v.specs[len(v.specs)-1]; got.DType != transform.BFloat16.String() || len(got.Shape) != 3 {
		t.Errorf("got %v", got)
	}
	end, err := v.epoch(nil, nil, func(i int, b *view) error {
		if i == 0 && (len(b.skipped) != 1 || b.skipped[0].(object)["kind"] != "quarantine" || b.skipped[0].(object)["sample"] != 3.) {
			t.Errorf("skipped: %v", b.skipped)
		}
		return nil
	})
	if err != nil || end["report"].(object)["quarantined"] != 1. {
		t.Error(end, err)
	}
}

// TestPolicies with a sample that can't be loaded.
func TestPolicies(t *testing.T) {
	bad := pictures(t)[0][:300]
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.Bytes{}}, {Name: "n", Field: fields.Int{}}}, 20, func(i int) []any {
		return []any{bad[:4*(i%3)], int64(i)}
	}, nil)
	item := func(request object) object {
		return with(object{"paths": []string{path}, "batch_size": 5, "outputs": []object{{"name": "image", "item": object{"dtype": "<i8"}}}}, request)
	}
	s := serve(t)
	v := s.connect().loader(item(nil), nil)
	_, err := v.epoch(nil, nil, nil)
	f, ok := err.(failure)
	if !ok || f.kind() != "sample" || f.object["sample"] != 1. || f.object["field"] != "image" || f.object["file"] != path {
		t.Errorf("fail: %v", f.object)
	}
	for policy, by := range map[string]object{"skip": nil, "substitute": {"sample": 0}, "substitute ": nil} {
		v := s.connect().loader(item(object{"on_error": with(object{"policy": strings.TrimSpace(policy)}, by)}), nil)
		end, err := v.epoch(nil, nil, func(_ int, b *view) error { return nil })
		if err != nil || end["report"].(object)["failed"] != 7. {
			t.Errorf("%s: %v, %v", policy, end["report"], err)
		}
	}
	v = s.connect().loader(item(object{"on_error": object{"policy": "skip"}, "max_failures": 1}), nil)
	if _, err := v.epoch(nil, nil, func(_ int, b *view) error { return nil }); err == nil {
		t.Error("too many failures: no error")
	}
}

// TestMarks: a side file of checkpoints is made and used.
func TestMarks(t *testing.T) {
	path := write(t, 20)
	plain := filepath.Join(t.TempDir(), "plain.beton")
	f := open(t, path)
	w, err := ffcv.Create(plain, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}}, &ffcv.Options{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i := range f.Len() {
			e, err := f.Image(i, f.FieldIndex("image"))
			if !yield(ffcv.Sample{Values: []any{e.Data}}, err) {
				return
			}
		}
	}, nil); err != nil {
		t.Fatal(err)
	}
	marks := plain + ".marks"
	v := serve(t).connect().loader(object{"paths": []string{plain}, "marks_file": marks, "outputs": []object{cropOp}}, nil)
	v.all(nil, nil, 0, newLoader(t, open(t, plain), &loader.Options{Outputs: []loader.Output{crop}}))
	if _, err := os.Stat(marks); err != nil {
		t.Error(err)
	}
}

// TestSharedFiles: files that several connections have are opened once, and
// closed with the last.
func TestSharedFiles(t *testing.T) {
	path := write(t, 20)
	mapped := func(tb testing.TB) int {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			tb.Skip("no /proc")
		}
		return strings.Count(string(b), path)
	}
	s := serve(t)
	var list []*viewer
	for range 3 {
		list = append(list, s.connect().loader(object{"paths": []string{path}, "outputs": []object{cropOp}}, nil))
	}
	if n := mapped(t); n != 1 {
		t.Errorf("%d maps of the file, want 1", n)
	}
	// Another file takes its place: who comes later gets that.
	if err := os.Rename(write(t, 30), path); err != nil {
		t.Fatal(err)
	}
	v := s.connect().loader(object{"paths": []string{path}, "batch_size": 30, "outputs": []object{cropOp}}, nil)
	n := 0
	if _, err := v.epoch(nil, nil, func(_ int, b *view) error { n += len(b.ids); return nil }); err != nil || n != 30 {
		t.Errorf("%d samples, %v, want 30", n, err)
	}
	for _, v := range append(list, v) {
		v.sock.Close()
	}
	eventually(t, "maps of the file", 0, mapped)
}

// TestCustomFields: a file's field that only the client knows comes as it is
// stored, when its size is told.
func TestCustomFields(t *testing.T) {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "own", Field: fields.Opaque{DType: "<u4,|u1"}}, {Name: "n", Field: fields.Int{}}}, 10,
		func(i int) []any { return []any{[]byte{byte(i), 0, 0, 0, 9}, int64(i)} }, &ffcv.Options{Plain: true})
	s := serve(t)
	request := object{"do": "loader", "paths": []string{path}, "batch_size": 4}
	c := s.connect()
	custom := object{"custom": object{"own": object{"size": 5, "align": 1}}}
	v := c.loader(with(request, custom), nil)
	if _, err := v.epoch(nil, nil, func(i int, b *view) error {
		if own := b.columns[0]; i == 1 && (own.data[0] != 4 || own.data[4] != 9 || own.data[5] != 5) {
			t.Errorf("got %v", own.data[:10])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []object{{"size": -1, "align": 1}, {"size": 5, "align": 3}, {"size": 1 << 30, "align": 1}} {
		s.connect().fails("option", with(request, object{"custom": object{"own": q}}), nil)
	}
}

// TestNothing: files without samples, and figures before there are any.
func TestNothing(t *testing.T) {
	path := write(t, 0)
	v := serve(t).connect().loader(object{"paths": []string{path}, "outputs": disabledOps()}, nil)
	for range 2 {
		v.send(object{"do": "stats"}, nil)
		if r, err := v.recv(); err != nil || r.object["stats"].(object)["totals"] == nil {
			t.Fatal(r.object, err)
		}
		end, err := v.epoch(nil, nil, func(int, *view) error { t.Error("a batch"); return nil })
		if err != nil || v.batches != 0 || end["stopped"] != false {
			t.Fatal(end, err)
		}
	}
	v.ask(object{"do": "epoch", "epoch": 0}, nil)
	if _, o, err := v.next(); err != nil || o["end"] != true {
		t.Fatal(o, err)
	}
}

// TestCutShort: a file that is cut under its map is an error, and the engine goes
// on.
func TestCutShort(t *testing.T) {
	path := write(t, 60)
	c := serve(t).connect()
	v := c.loader(object{"paths": []string{path}, "batch_size": 8, "outputs": []object{cropOp}}, nil)
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := v.epoch(nil, nil, func(int, *view) error { return nil }); err == nil {
		t.Error("no error")
	}
	if _, _, err := v.try(object{"do": "images", "path": path, "field": "image", "ids": 1}, int64s(5)); err == nil {
		t.Error("images: no error")
	}
	v.ask(object{"do": "hello", "protocol": 1}, nil)
}

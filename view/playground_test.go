package view_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
	"github.com/betongo/betongo/view"
)

// asker asks a server of a dataset.
type asker struct {
	t testing.TB
	s *view.Server
}

func ask(t testing.TB, ds loader.Dataset) *asker {
	t.Helper()
	s, err := view.New(ds, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &asker{t, s}
}

func (a *asker) do(method, path, body string) *httptest.ResponseRecorder {
	a.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+a.s.Token())
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.s.Handler().ServeHTTP(w, r)
	return w
}

// get decodes an answer of 200.
func (a *asker) get(path string, into any) {
	a.t.Helper()
	w := a.do("GET", path, "")
	if w.Code != http.StatusOK {
		a.t.Fatalf("%s: %d: %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		a.t.Fatalf("%s: %s: %v", path, w.Body, err)
	}
}

// refused is the answer to what is refused.
type refused struct {
	Error, Param string
	At           *int
}

func (a *asker) fails(method, path, body string, status int) (f refused) {
	a.t.Helper()
	w := a.do(method, path, body)
	if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil || w.Code != status || f.Error == "" {
		a.t.Fatalf("%s %.300s %.300s: got %d, %.300q (%v); want %d and an error", method, path, body, w.Code, w.Body.String(), err, status)
	}
	return f
}

// photoFile writes 64 samples of 8 photographs of several sizes.
func photoFile(tb testing.TB) (path string) { tb.Helper(); return photosFile(tb, 64) }

func photosFile(tb testing.TB, n int) (path string) {
	tb.Helper()
	var list [][]byte
	paths, err := fs.Glob(photos.FS, "*/*.jpg")
	for _, path := range paths[:8] {
		b, e := fs.ReadFile(photos.FS, path)
		list, err = append(list, b), errors.Join(err, e)
	}
	if err != nil {
		tb.Fatal(err)
	}
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}}
	return ffcvtest.Write(tb, specs, n, func(i int) []any {
		return []any{list[i%len(list)], int64(i % 10), []byte(strings.Repeat("x", i))}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
}

// drawnAnswer is what X-Drawn tells.
type drawnAnswer struct {
	Sample int
	Seed   string
	Crop   *loader.Box
	Flip   *bool
	Steps  []struct {
		Op    string
		Drawn map[string]any
	}
	Batch  []int
	Shape  []int
	DType  string
	Mapped string
	Cut    bool
}

// play asks for a picture, and gives its pixels without alpha.
func (a *asker) play(sample int, seed uint64, pipeline string) ([]byte, drawnAnswer) {
	a.t.Helper()
	w := a.do("GET", playPath(sample, seed, pipeline), "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/png" {
		a.t.Fatalf("%s: %d: %s", pipeline, w.Code, w.Body)
	}
	var d drawnAnswer
	if err := json.Unmarshal([]byte(w.Header().Get("X-Drawn")), &d); err != nil {
		a.t.Fatalf("X-Drawn: %q: %v", w.Header().Get("X-Drawn"), err)
	}
	img, err := png.Decode(w.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return pixels(img), d
}

func playPath(sample int, seed uint64, pipeline string) string {
	return fmt.Sprintf("/api/playground/image?sample=%d&field=image&seed=%d&pipeline=%s", sample, seed, url.QueryEscape(pipeline))
}

func pixels(img image.Image) (pix []byte) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, l, _ := img.At(x, y).RGBA()
			pix = append(pix, byte(r>>8), byte(g>>8), byte(l>>8))
		}
	}
	return pix
}

// epoch gives a sample's row in epoch 0 of a loader as a training has it.
func epoch(t testing.TB, f loader.Dataset, opts loader.Options, sample int, decoder any, ops ...any) loader.Column {
	t.Helper()
	opts.Outputs = []loader.Output{{Name: "image", Decoder: decoder, Ops: ops}}
	l, err := loader.New(f, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if row := slices.Index(b.Samples(), sample); row >= 0 {
			return b.Output("image").Slice(row, row+1)
		}
		b.Release()
	}
	t.Fatalf("sample %d did not come", sample)
	return loader.Column{}
}

func TestPlayedIsWhatAnEpochGives(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	for _, test := range []struct {
		pipeline string
		decoder  any
		ops      []any
	}{
		{`[{"op":"CenterCrop","args":{"Width":32,"Height":48,"Ratio":1}}]`, transform.CenterCrop{Width: 32, Height: 48, Ratio: 1}, nil},
		{`[{"op":"RandomResizedCrop","args":{"Width":64,"height":64,"Filter":"bilinear"}},{"op":"HorizontalFlip"}]`,
			transform.RandomResizedCrop{Width: 64, Height: 64, Filter: rgb.Bilinear}, []any{transform.HorizontalFlip{}}},
		{`[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip","args":{"P":0.25}},{"op":"ColorJitter"},{"op":"RandomErasing","args":{"P":1}}]`,
			transform.RandomResizedCrop{Width: 224, Height: 224},
			[]any{transform.HorizontalFlip{P: 0.25}, transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1}, transform.RandomErasing{P: 1}}},
		{`[{"op":"RandomCrop","args":{"Width":40,"Height":40}},{"op":"Translate","args":{"Padding":3}},{"op":"Cutout","args":{"Size":9,"Fill":[9,8,7]}},{"op":"VerticalFlip"}]`,
			transform.RandomCrop{Width: 40, Height: 40, PadIfNeeded: true},
			[]any{transform.Translate{Padding: 3}, transform.Cutout{Size: 9, Fill: []uint8{9, 8, 7}}, transform.VerticalFlip{}}},
		{`[{"op":"ResizeCenterCrop","args":{"Exact":true}},{"op":"GaussianBlur"},{"op":"Solarize"}]`,
			transform.ResizeCenterCrop{Size: 256, Width: 224, Height: 224, Exact: true}, []any{transform.GaussianBlur{Size: 7}, transform.Solarize{}}},
	} {
		for seed := range uint64(3) {
			got, drawn := a.play(5, seed, test.pipeline)
			row := epoch(t, f, loader.Options{BatchSize: 7, Workers: 2, Order: loader.Random, Seed: seed}, 5, test.decoder, test.ops...)
			if !bytes.Equal(got, row.Value(0)) {
				t.Errorf("%s under seed %d: other pixels than an epoch's", test.pipeline, seed)
			}
			if drawn.Sample != 5 || drawn.Seed != fmt.Sprint(seed) || !slices.Equal(drawn.Shape, row.Shape[1:]) || len(drawn.Steps) != 1+len(test.ops) || drawn.Mapped != "" {
				t.Errorf("%s under seed %d: X-Drawn is %+v", test.pipeline, seed, drawn)
			}
		}
	}
	again, _ := a.play(5, 1, `[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip"}]`)
	kept, drawn := a.play(5, 1, `[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip"}]`)
	if !bytes.Equal(again, kept) || drawn.Crop == nil || drawn.Flip == nil {
		t.Errorf("a kept picture differs, or lost what was drawn: %+v", drawn)
	}
}

// TestPlayedFloats: what Normalize and ToCHW did is undone for the eye, for every
// type.
func TestPlayedFloats(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	const crop = `{"op":"RandomResizedCrop","args":{"Width":60,"Height":50}},{"op":"HorizontalFlip"}`
	want, _ := a.play(3, 9, "["+crop+"]")
	for _, test := range []struct {
		more, mapped string
		off          int
	}{
		{`{"op":"Normalize"}`, "Normalize", 0},
		{`{"op":"Normalize"},{"op":"ToCHW"}`, "channels are last again", 0},
		{`{"op":"ToCHW"},{"op":"Normalize"}`, "Normalize", 0},
		{`{"op":"Normalize","args":{"DType":"<f2"}},{"op":"ToCHW"}`, "Normalize", 1},
		{`{"op":"Normalize","args":{"DType":"bfloat16","Std":[200,100,50]}}`, "Normalize", 2},
		{`{"op":"ToCHW"}`, "channels are last again", 0},
		{`{"op":"Convert","args":{"DType":"bfloat16"}}`, "held", 0},
		{`{"op":"Convert","args":{"DType":">f8"}}`, "held", 0},
		{`{"op":"Convert","args":{"DType":"<u2"}}`, "held", 0},
		{`{"op":"Convert","args":{"DType":"<i8"}}`, "held", 0},
	} {
		if strings.HasPrefix(test.more, `{"op":"ToCHW"},`) {
			continue // the loader refuses it, as TestPlaygroundRefuses has it
		}
		got, drawn := a.play(3, 9, "["+crop+","+test.more+"]")
		if !strings.Contains(drawn.Mapped, test.mapped) || len(got) != len(want) {
			t.Errorf("%s: %+v, %d bytes", test.more, drawn, len(got))
			continue
		}
		for i := range got {
			if d := int(got[i]) - int(want[i]); d > test.off || d < -test.off {
				t.Errorf("%s: byte %d is %d, want %d", test.more, i, got[i], want[i])
				break
			}
		}
	}
}

// TestPlayedBatch: operations on batches mix the samples of the batch that a loader
// in the file's order has.
func TestPlayedBatch(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	for _, o := range []struct {
		name string
		op   any
	}{{"ImageMixup", transform.ImageMixup{}}, {"ImageCutMix", transform.ImageCutMix{Alpha: 0.7, SameLambda: true}}} {
		settings, _ := json.Marshal(o.op)
		pipeline := fmt.Sprintf(`[{"op":"RandomResizedCrop","args":{"Width":32,"Height":32}},{"op":%q,"args":%s},{"op":"Normalize"}]`, o.name, settings)
		plain := fmt.Sprintf(`[{"op":"RandomResizedCrop","args":{"Width":32,"Height":32}},{"op":%q,"args":%s}]`, o.name, settings)
		for _, sample := range []int{0, 13, 63} {
			got, drawn := a.play(sample, 4, plain)
			row := epoch(t, f, loader.Options{BatchSize: 8, Seed: 4}, sample, transform.RandomResizedCrop{Width: 32, Height: 32}, o.op)
			if !bytes.Equal(got, row.Value(0)) {
				t.Errorf("%s, sample %d: other pixels than an epoch's", o.name, sample)
			}
			if len(drawn.Batch) != 8 || !slices.Contains(drawn.Batch, sample) {
				t.Errorf("%s, sample %d: batch %v", o.name, sample, drawn.Batch)
			}
			if floats, _ := a.play(sample, 4, pipeline); !bytes.Equal(floats, got) {
				t.Errorf("%s, sample %d: with Normalize it looks otherwise", o.name, sample)
			}
		}
	}
}

// TestPlayedRasters: rasters of one channel, of 16 bits and with alpha are shown too.
func TestPlayedRasters(t *testing.T) {
	specs := []ffcv.FieldSpec{{Name: "rgb", Field: fields.RGBImage{}}, {Name: "image", Field: fields.Image{Channels: 1, DType: array.Uint16}}, {Name: "four", Field: fields.Image{Channels: 4}}}
	path := ffcvtest.Write(t, specs, 3, func(i int) []any {
		deep := rgb.Raster{Width: 10, Height: 8, Channels: 1, Depth: 2, Pix: bytes.Repeat([]byte{0x00, byte(0x40 * i)}, 80)}
		four := rgb.Raster{Width: 5 + i, Height: 8, Channels: 4, Depth: 1, Pix: bytes.Repeat([]byte{10, 20, 30, 255}, (5+i)*8)}
		return []any{rgb.Image{Width: 9, Height: 9 + i, Pix: make([]byte, 3*9*(9+i))}, deep, four}
	}, nil)
	a := ask(t, ffcvtest.Map(t, path, nil))
	got, drawn := a.play(2, 0, "[]")
	if drawn.DType != "<u2" || len(got) != 3*80 || got[0] != 0x80 || got[1] != 0x80 || !strings.Contains(drawn.Mapped, "65535") {
		t.Errorf("of 16 bits: %v, %+v", got[:6], drawn)
	}
	w := a.do("GET", strings.Replace(playPath(1, 0, `[{"op":"Resize","args":{"Width":4,"Height":4}}]`), "field=image", "field=four", 1), "")
	if img, err := png.Decode(w.Body); err != nil || !slices.Equal(pixels(img)[:3], []byte{10, 20, 30}) {
		t.Errorf("of four channels: %d, %v", w.Code, err)
	}
}

func TestPlaygroundAnswer(t *testing.T) {
	a := ask(t, ffcvtest.Map(t, photoFile(t), nil))
	w := a.do("POST", "/api/playground", `{"pipeline":[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip"},{"op":"Normalize"},{"op":"ToCHW"}],"field":"image","sample":1,"seed":5}`)
	var got struct {
		Shape                    []int
		DType, Fused, Go, Python string
		Field                    string
		Notes                    []string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if !slices.Equal(got.Shape, []int{3, 224, 224}) || got.DType != "<f4" || got.Field != "image" || !strings.Contains(got.Fused, "RandomResizedCrop") || got.Notes != nil {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{"Seed:", "transform.RandomResizedCrop{Width: 224, Height: 224}", "transform.ToCHW{}"} {
		if !strings.Contains(got.Go, want) {
			t.Errorf("Go has no %q:\n%s", want, got.Go)
		}
	}
	for _, want := range []string{"RandomResizedCropRGBImageDecoder((224, 224), scale=(0.08, 1), ratio=(0.75, 1.3333333333333333))", "seed=5", "ToTorchImage(channels_last=False)"} {
		if !strings.Contains(got.Python, want) {
			t.Errorf("Python has no %q:\n%s", want, got.Python)
		}
	}
}

// TestPlaygroundRefuses: what is wrong is said, and at which step and setting.
func TestPlaygroundRefuses(t *testing.T) {
	a := ask(t, ffcvtest.Map(t, photoFile(t), nil))
	const none, mostOfAddress = -1, 70_000 // spaces: a body's would be left out
	for _, test := range []struct {
		pipeline string
		status   int
		at       int
		param    string
		want     string
	}{
		{``, 400, none, "", "EOF"},
		{`{`, 400, none, "", "expected a list"},
		{`{}`, 400, none, "", "expected a list"},
		{`[{"op":"ToCHW","x":1}]`, 400, none, "", `"x"`},
		{`[] []`, 400, none, "", "behind"},
		{`[` + strings.Repeat(`{"op":"ToCHW"},`, 32) + `{"op":"ToCHW"}]`, 400, none, "", "33 steps"},
		{`[` + strings.Repeat(" ", 70_000) + `]`, 400, none, "", "bytes"},
		{`[]`, 422, none, "", "different sizes"},
		{`[{"op":"Simple"}]`, 422, 0, "", "theirs differ"},
		{`[{"op":"CenterCorp"}]`, 422, 0, "", `"CenterCrop"`},
		{`[{"op":"CenterCrop","args":{"Ratio":3}}]`, 422, 0, "Ratio", "Ratio 3"},
		{`[{"op":"CenterCrop","args":{"Widht":3}}]`, 422, 0, "Widht", `"Width"`},
		{`[{"op":"CenterCrop","args":{"Width":"a"}}]`, 422, 0, "Width", "want int"},
		{`[{"op":"CenterCrop","args":{"Width":0}}]`, 422, 0, "", ""},
		{`[{"op":"CenterCrop","args":{"Width":100000}}]`, 422, 0, "Width", "8192"},
		{`[{"op":"CenterCrop","args":{"Width":8000,"Height":8000}}]`, 422, 0, "Height", "8000x8000"},
		{`[{"op":"CenterCrop"},{"op":"Cutout","args":{"Size":300}}]`, 422, 1, "", "300"},
		{`[{"op":"CenterCrop"},{"op":"HorizontalFlip"},{"op":"Cutout","args":{"Fill":[1]}}]`, 422, 2, "Fill", "Fill"},
		{`[{"op":"CenterCrop"},{"op":"Normalize"},{"op":"HorizontalFlip"},{"op":"Hue"}]`, 422, 3, "", "Normalize"},
		{`[{"op":"CenterCrop"},{"op":"ToCHW"},{"op":"ToCHW"}]`, 422, 2, "", "front already"},
		{`[{"op":"CenterCrop"},{"op":"CenterCrop"}]`, 422, 1, "", "decoder"},
		{`[{"op":"CenterCrop"},{"op":"LabelMixup"}]`, 422, 1, "", "LabelMixup"},
		{`[{"op":"Raw"}]`, 422, 0, "", "stored"},
		{`[{"op":"Mask"}]`, 422, 0, "", "another output"},
	} {
		body, _ := json.Marshal(map[string]any{"sample": 0, "pipeline": json.RawMessage("null")})
		paths := []string{"GET " + playPath(0, 0, test.pipeline)}
		if json.Valid([]byte(test.pipeline)) && len(test.pipeline) < mostOfAddress {
			paths = append(paths, "POST /api/playground")
			body, _ = json.Marshal(map[string]any{"sample": 0, "pipeline": json.RawMessage(test.pipeline)})
		}
		for _, path := range paths {
			method, path, _ := strings.Cut(path, " ")
			f := a.fails(method, path, string(body), test.status)
			at := none
			if f.At != nil {
				at = *f.At
			}
			if at != test.at || f.Param != test.param || !strings.Contains(f.Error, test.want) {
				t.Errorf("%s %.200s: got %q at %d, %q; want %q at %d, %q", method, test.pipeline, f.Error, at, f.Param, test.want, test.at, test.param)
			}
		}
	}
	for _, test := range []struct {
		query  string
		status int
	}{
		{"sample=64&pipeline=[]", 404}, {"sample=-1&pipeline=[]", 404}, {"sample=x&pipeline=[]", 400}, {"pipeline=[]", 400},
		{"sample=0&seed=-1&pipeline=[]", 400}, {"sample=0&field=label&pipeline=[]", 400}, {"sample=0&field=nothing&pipeline=[]", 400},
	} {
		a.fails("GET", "/api/playground/image?"+test.query, "", test.status)
	}
	a.fails("POST", "/api/playground", `{"pipeline":[{"op":"CenterCrop"},{"op":"View","args":{"DType":"<u2"}}],"sample":0}`, 422)
	f := a.fails("GET", playPath(0, 0, `[{"op":"CenterCrop"},{"op":"Convert","args":{"DType":"<u8"}},{"op":"View","args":{"DType":"<u1"}}]`), "", 422)
	if !strings.Contains(f.Error, "no picture") {
		t.Errorf("24 channels: %q", f.Error)
	}
}

// TestPlaygroundWithoutPictures, and of a damaged one.
func TestPlaygroundDamage(t *testing.T) {
	a := ask(t, ffcvtest.Golden(t, "ints_floats")["map"])
	a.fails("GET", "/api/playground/image?sample=0&pipeline=[]", "", 422)
	b := ask(t, ffcvtest.Map(t, broken(t, photoFile(t), 2), nil))
	f := b.fails("GET", playPath(2, 0, `[{"op":"CenterCrop"},{"op":"HorizontalFlip"}]`), "", 422)
	if f.At != nil || !strings.Contains(f.Error, "sample 2") {
		t.Errorf("a damaged picture: %+v", f)
	}
	b.play(1, 0, `[{"op":"CenterCrop"}]`)
}

// broken spoils the head of a sample's JPEG.
func broken(t testing.TB, path string, sample int) string {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	row, err := f.Metadata(sample)
	if err != nil {
		t.Fatal(err)
	}
	at := f.Fields()[0].Offset + 5 // where an image's pointer stands
	off := int64(binary.LittleEndian.Uint64(row[at:]))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.WriteAt(make([]byte, 64), off); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// opsTold is what GET /api/ops tells.
type opsTold struct {
	Ops []struct {
		Name, Kind, Doc string
		Also            bool
		Params          []struct {
			Name, Type, Doc string
			Default         json.RawMessage
			Values          []string
			Count           int
		}
	}
	Presets []struct {
		Name     string
		Pipeline json.RawMessage
	}
}

// TestOps: everything is described, and works as it is described; presets work.
func TestOps(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	var told opsTold
	a.get("/api/ops", &told)
	for _, o := range told.Ops {
		kind := op.Type(o.Name)
		if kind == nil || o.Doc == "" || !slices.Contains([]string{"decoder", "image", "batch"}, o.Kind) {
			t.Errorf("%+v", o)
			continue
		}
		if len(o.Params) != kind.NumField() {
			t.Errorf("%s: %d settings, want %d", o.Name, len(o.Params), kind.NumField())
		}
		all := map[string]json.RawMessage{}
		for _, p := range o.Params {
			if p.Type == "enum" && len(p.Values) < 2 || p.Type == "text" || p.Type == "" {
				t.Errorf("%s: %+v", o.Name, p)
			}
			all[p.Name] = p.Default
		}
		text, _ := json.Marshal(all)
		decoder := `{"op":"RandomResizedCrop"},`
		if o.Kind == "decoder" {
			decoder = ""
		}
		if o.Name == "Simple" {
			continue // of pictures of one size
		}
		// What is left out is the default that is told.
		plain, _ := a.play(1, 3, fmt.Sprintf(`[%s{"op":%q}]`, decoder, o.Name))
		said, _ := a.play(1, 3, fmt.Sprintf(`[%s{"op":%q,"args":%s}]`, decoder, o.Name, text))
		if !bytes.Equal(plain, said) {
			t.Errorf("%s: with its defaults said it gives other pixels: %s", o.Name, text)
		}
	}
	for _, p := range told.Presets {
		if !bytes.Contains(p.Pipeline, []byte("Simple")) && string(p.Pipeline) != "[]" {
			a.play(0, 0, string(p.Pipeline))
		}
	}
	if len(told.Ops) < 20 || len(told.Presets) < 5 {
		t.Errorf("%d operations, %d presets", len(told.Ops), len(told.Presets))
	}
}

// TestDefaultsAreTheCodes: what a form tells for a setting left out of the code, where
// that takes 0, is what the code does then.
func TestDefaultsAreTheCodes(t *testing.T) {
	for name, settings := range view.StandsFor {
		v := reflect.New(op.Type(name)).Elem()
		given := map[string]json.RawMessage{}
		for k, x := range view.ToBegin[name] {
			given[k], _ = json.Marshal(x)
		}
		zero, err := op.New(name, given)
		if err != nil {
			t.Fatal(err)
		}
		for k, x := range settings {
			if given[k], err = json.Marshal(x); err != nil || !v.FieldByName(k).IsValid() {
				t.Fatalf("%s has no %s, or %v", name, k, err)
			}
		}
		said, err := op.New(name, given)
		if err != nil {
			t.Fatal(err)
		}
		f := ffcvtest.Map(t, photoFile(t), nil)
		for seed := range uint64(6) {
			var rows [2][]byte
			for i, o := range []any{zero, said} {
				decoder, ops := any(transform.CenterCrop{Width: 64, Height: 64}), []any{o}
				if _, ok := o.(loader.Op); !ok {
					if _, ok := o.(loader.BatchOp); !ok {
						decoder, ops = o, nil
					}
				}
				rows[i] = epoch(t, f, loader.Options{Seed: seed, BatchSize: 4}, 2, decoder, ops...).Value(0)
			}
			if !bytes.Equal(rows[0], rows[1]) {
				t.Errorf("%s under seed %d: %+v and %+v give other values", name, seed, zero, said)
			}
		}
	}
}

// TestSixteenSeeds: sixteen pictures of 224 pixels are there at once.
func TestSixteenSeeds(t *testing.T) {
	a := ask(t, ffcvtest.Map(t, photoFile(t), nil))
	began := time.Now()
	for seed := range uint64(16) {
		a.do("GET", playPath(0, seed, `[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip"},{"op":"ColorJitter"},{"op":"Normalize"},{"op":"ToCHW"}]`), "")
	}
	took := time.Since(began)
	t.Logf("16 pictures one after another: %v", took)
	if took > 4*time.Second { // a tenth of that on an idle machine
		t.Errorf("16 pictures took %v", took)
	}
}

func BenchmarkPlayed(b *testing.B) {
	a := ask(b, ffcvtest.Map(b, photoFile(b), nil))
	seed := uint64(0)
	for b.Loop() {
		seed++
		if w := a.do("GET", playPath(0, seed, `[{"op":"RandomResizedCrop"},{"op":"HorizontalFlip"},{"op":"Normalize"},{"op":"ToCHW"}]`), ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// FuzzPipeline: whatever a page sends is a pipeline or an error with a place.
func FuzzPipeline(f *testing.F) {
	for _, seed := range []string{
		`[]`, `null`, `[{"op":"RandomResizedCrop","args":{"Width":8,"Height":8,"Scale":[0.1,1]}},{"op":"HorizontalFlip"}]`,
		`[{"op":"CenterCrop","args":{"width":4,"WIDTH":5,"Height":3,"Filter":"bilinear","OnDamage":true}},{"op":"Normalize","args":{"DType":"bfloat16"}},{"op":"ToCHW"}]`,
		`[{"op":"RandomErasing","args":{"Noise":[1,2,3],"Count":3}}]`, `[{"op":"Poison","args":{"Mask":[1],"Indices":[0]}}]`, `[{"op":1}]`, `[{"op":"Cutout","args":null}]`,
		`[{"op":"Convert","args":{"DType":">f8"}},{"op":"ImageMixup"}]`,
	} {
		f.Add([]byte(seed))
	}
	s := view.NewOfPictures(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		golang, python, status := view.PlayText(s, text)
		if status == 0 && (golang == "" || python == "") || status != 0 && status != 400 && status != 422 {
			t.Fatalf("status %d, %d and %d bytes of code", status, len(golang), len(python))
		}
	})
}

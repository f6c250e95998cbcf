package stats_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/stats"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/testdata/photos"
)

// pictures returns the photographs for tests.
func pictures(t testing.TB) (list [][]byte) {
	t.Helper()
	err := fs.WalkDir(photos.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := photos.FS.ReadFile(path)
		list = append(list, b)
		return err
	})
	if err != nil || len(list) < 20 {
		t.Fatalf("%d photographs, %v", len(list), err)
	}
	return list[:race.Fewer(len(list), 17)]
}

func write(t testing.TB, specs []ffcv.FieldSpec, n int, at func(i int) []any) string {
	t.Helper()
	return ffcvtest.Write(t, specs, n, at, &ffcv.Options{Plain: true})
}

// changed is a copy of a file with other bytes at a place.
func changed(t testing.TB, path string, at int, bytes ...byte) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[at:], bytes)
	path = filepath.Join(t.TempDir(), "changed.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func survey(t testing.TB, ds dataset.Dataset, opts *stats.Options) *stats.Report {
	t.Helper()
	r, err := stats.Survey(context.Background(), ds, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func field(t testing.TB, r *stats.Report, name string) *stats.Field {
	t.Helper()
	at := slices.IndexFunc(r.Fields, func(f stats.Field) bool { return f.Name == name })
	if at < 0 {
		t.Fatalf("no field %q", name)
	}
	return &r.Fields[at]
}

func near(got, want, most float64) bool { return math.Abs(got-want) <= most*(1+math.Abs(want)) }

// plain is the mean and deviation of numbers, the long way round.
func plain(list []float64) (mean, std float64) {
	for _, v := range list {
		mean += v / float64(len(list))
	}
	for _, v := range list {
		std += (v - mean) * (v - mean) / float64(len(list))
	}
	return mean, math.Sqrt(std)
}

func TestPictures(t *testing.T) {
	defer leak.Watch(t)()
	list := pictures(t)
	grey := rgb.Image{Width: 9, Height: 7, Pix: bytes.Repeat([]byte{40}, 9*7*3)}
	path := write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{Mode: fields.ModeSmart, SmartThreshold: 400}}}, len(list)+1,
		func(i int) []any {
			if i < len(list) {
				return []any{list[i]}
			}
			return []any{grey}
		})
	f := ffcvtest.Map(t, path, nil)
	var want [3][]float64
	var widths []float64
	for i := range f.Len() {
		e, err := f.Image(i, 0)
		if err != nil {
			t.Fatal(err)
		}
		var img rgb.Image
		if err := new(rgb.Scratch).Load(&img, e); err != nil {
			t.Fatal(err)
		}
		for k, v := range img.Pix {
			want[k%3] = append(want[k%3], float64(v))
		}
		widths = append(widths, float64(img.Width))
	}
	r := survey(t, f, nil)
	v := field(t, r, "image").Image
	for k, c := range v.Channels {
		mean, std := plain(want[k])
		if !near(c.Mean, mean, 1e-9) || !near(c.Std, std, 1e-9) || !near(c.MeanUnit, mean/255, 1e-9) || c.Pixels != uint64(len(want[k])) {
			t.Errorf("channel %d: got %+v, want mean %v, std %v of %d", k, c, mean, std, len(want[k]))
		}
	}
	if len(v.Channels) != 3 || v.JPEG != len(list) || v.Raw != 1 || v.Gray < 1 || v.Looked != "full" || r.Broken != 0 {
		t.Errorf("got %+v", v)
	}
	slices.Sort(widths)
	if m, _ := v.Width.At(0.5); m != widths[(len(widths)-1)/2] || float64(v.Width.Max) != widths[len(widths)-1] || !v.Width.Exact {
		t.Errorf("widths %+v, median %v", v.Width, widths[(len(widths)-1)/2])
	}
	scaled := field(t, survey(t, f, &stats.Options{Pixels: stats.PixelsScaled}), "image").Image
	for k, c := range scaled.Channels {
		if math.Abs(c.Mean-v.Channels[k].Mean) > 1 || c.Std > v.Channels[k].Std || scaled.Gray != -1 {
			t.Errorf("scaled: %+v, full %+v", c, v.Channels[k])
		}
	}
	if none := field(t, survey(t, f, &stats.Options{Pixels: stats.PixelsNone}), "image").Image; len(none.Channels) != 0 || none.JPEG != v.JPEG {
		t.Errorf("none: %+v", none)
	}
	if r.Pages == nil || r.Pages.Count < 1 || r.Pages.Bytes != field(t, r, "image").Bytes {
		t.Errorf("pages %+v, bytes %d", r.Pages, field(t, r, "image").Bytes)
	}
}

// smaller is a picture at another size.
func smaller(t testing.TB, data []byte, num, den int) rgb.Image {
	t.Helper()
	var img, out rgb.Image
	if err := rgb.Decode(&img, data); err != nil {
		t.Fatal(err)
	}
	rgb.ResizeArea(&out, img, rgb.Rect{W: img.Width, H: img.Height}, max(1, img.Width*num/den), max(1, img.Height*num/den))
	return out
}

// planted are photographs, then copies of the first of them: the same, encoded
// anew, smaller and larger.
func planted(t testing.TB) (values []any, same, alike [][2]int) {
	list := pictures(t)
	for _, p := range list {
		values = append(values, p)
	}
	for i := range 8 {
		same = append(same, [2]int{i, len(values)})
		values = append(values, list[i])
		for _, make := range []func() rgb.Image{
			func() rgb.Image { return smaller(t, list[8+i], 1, 1) },
			func() rgb.Image { return smaller(t, list[8+i], 1, 2) },
			func() rgb.Image { return smaller(t, list[8+i], 3, 2) },
		} {
			jpg, err := rgb.EncodeJPEG(nil, make(), 60+i*4)
			if err != nil {
				t.Fatal(err)
			}
			alike = append(alike, [2]int{8 + i, len(values)})
			values = append(values, jpg)
		}
	}
	return values, same, alike
}

func TestTwins(t *testing.T) {
	values, same, alike := planted(t)
	path := write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}}, len(values), func(i int) []any { return []any{values[i]} })
	f := ffcvtest.Map(t, path, nil)
	r := field(t, survey(t, f, &stats.Options{Near: true, Limit: 1000}), "image")
	if r.Duplicates.Groups != len(same) || r.Duplicates.Extra != len(same) || r.Duplicates.Values != 2*len(same) {
		t.Errorf("got %+v, want %d pairs", r.Duplicates, len(same))
	}
	for k, p := range same {
		if got := r.Duplicates.List[k].Samples; !slices.Equal(got, p[:]) {
			t.Errorf("got %v, want %v", got, p)
		}
	}
	found := map[[2]int]bool{}
	for _, p := range r.Near.List {
		found[[2]int{p.A, p.B}] = true
	}
	for _, p := range alike {
		if !found[p] {
			t.Errorf("%v not found", p)
		}
	}
	// Of each photograph there are three copies: six pairs. No other is alike.
	if want := 6 * len(alike) / 3; r.Near.Pairs != want || r.Near.Pictures != 4*len(alike)/3 || r.Near.More {
		t.Errorf("%d pairs of %d pictures, want %d: %+v", r.Near.Pairs, r.Near.Pictures, want, r.Near.List)
	}
}

func TestOverlap(t *testing.T) {
	defer leak.Watch(t)()
	values, same, alike := planted(t)
	n := len(pictures(t))
	spec := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "text", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}
	text := func(i int) []byte { return fmt.Appendf(nil, "text %d", i%50) }
	train := ffcvtest.Map(t, write(t, spec, n, func(i int) []any { return []any{values[i], text(i), i % 3} }), nil)
	val := ffcvtest.Map(t, write(t, spec, len(values)-n, func(i int) []any { return []any{values[n+i], text(100 + i), 0} }), nil)
	var last int
	r, err := stats.Overlap(context.Background(), train, val, &stats.Options{Near: true, Limit: 1000, Progress: func(done, _ int) { last = done }})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Shared() || len(r.Fields) != 2 || last != len(values) || r.Broken != 0 {
		t.Fatalf("got %+v, progress %d of %d", r, last, len(values))
	}
	v := r.Fields[0]
	if v.Values != len(same) || v.InA != len(same) || v.InB != len(same) || len(v.List) != len(same) {
		t.Errorf("got %+v, want %d", v, len(same))
	}
	for k, p := range same {
		if c := v.List[k]; c.A[0] != p[0] || c.B[0] != p[1]-n {
			t.Errorf("got %+v, want %v", c, p)
		}
	}
	if v.Near.Pairs != len(alike) {
		t.Errorf("%d pairs, want %d", v.Near.Pairs, len(alike))
	}
	for k, p := range v.Near.List {
		if p.A != alike[k][0] || p.B != alike[k][1]-n {
			t.Errorf("got %+v, want %v", p, alike[k])
		}
	}
	if x := r.Fields[1]; x.Values != min(50, len(values)-n, n) {
		t.Errorf("texts: %+v", x)
	}
	other := ffcvtest.Map(t, write(t, spec[2:], 3, func(i int) []any { return []any{i} }), nil)
	if _, err := stats.Overlap(context.Background(), train, other, nil); err == nil || !strings.Contains(err.Error(), "no field of one name") {
		t.Errorf("got %v", err)
	}
	if _, err := stats.Overlap(context.Background(), train, val, &stats.Options{Fields: []string{"label"}}); err == nil || !strings.Contains(err.Error(), "can't be compared") {
		t.Errorf("got %v", err)
	}
	if _, err := stats.Overlap(context.Background(), train, val, &stats.Options{Fields: []string{"none"}}); err == nil {
		t.Error("no error")
	}
}

func TestNumbers(t *testing.T) {
	const n = 1000
	spec := array.Spec{DType: array.Float32, Shape: []int{3}}
	vec := func(i int) array.Array {
		v := []float32{float32(i), float32(i % 7), 1}
		switch i {
		case 10:
			v[0] = float32(math.NaN())
		case 20:
			v[0], v[1] = float32(math.Inf(1)), float32(math.Inf(-1))
		}
		a, err := array.Of(v, 3)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	path := write(t, []ffcv.FieldSpec{
		{Name: "label", Field: fields.Int{}}, {Name: "score", Field: fields.Float{}},
		{Name: "vec", Field: fields.NDArray{DType: spec.DType, Shape: spec.Shape}},
		{Name: "doc", Field: fields.LZ4{Of: fields.JSON{}}},
		{Name: "mask", Field: fields.Image{}},
	}, n, func(i int) []any {
		score := float64(i) / 3
		if i == 5 {
			score = math.NaN()
		}
		return []any{i % 5 * (i % 2), score, vec(i), map[string]any{"n": i / 2, "text": strings.Repeat("a", 100)},
			rgb.Raster{Width: 8, Height: 4, Channels: 1, Depth: 1, Pix: bytes.Repeat([]byte{byte(i % 3)}, 32)}}
	})
	f := ffcvtest.Map(t, path, nil)
	r := survey(t, f, nil)
	l := field(t, r, "label").Labels
	var got []int64
	for _, c := range l.Classes {
		got = append(got, c.Label, c.Count)
	}
	if want := []int64{0, 600, 1, 100, 2, 100, 3, 100, 4, 100}; !slices.Equal(got, want) || l.Imbalance != 6 || l.Named {
		t.Errorf("labels %v, want %v; %+v", got, want, l)
	}
	s := field(t, r, "score").Numbers
	var list []float64
	for i := range n {
		if i != 5 {
			list = append(list, float64(i)/3)
		}
	}
	mean, std := plain(list)
	if s.NaN != 1 || s.Count != n-1 || !near(float64(s.Mean), mean, 1e-12) || !near(float64(s.Std), std, 1e-12) || s.Max != 333 {
		t.Errorf("scores %+v, want %v %v", s, mean, std)
	}
	for _, q := range s.Quantiles {
		if want := list[int(math.Ceil(q.P*float64(len(list))))-1]; float64(q.Value) != want {
			t.Errorf("quantile %v is %v, want %v", q.P, q.Value, want)
		}
	}
	a := field(t, r, "vec").Array
	if a.NaN != 1 || a.PosInf != 1 || a.NegInf != 1 || a.Affected != 2 || a.All.Count != 3*n-3 || len(a.Elements) != 3 || a.Elements[2].Std != 0 || a.Elements[0].Max != 999 {
		t.Errorf("array %+v %+v", a, a.All)
	}
	if d := field(t, r, "doc").Duplicates; d.Groups != n/2 || d.Extra != n/2 || !slices.Equal(d.List[3].Samples, []int{6, 7}) {
		t.Errorf("documents: %+v", d)
	}
	m := field(t, r, "mask")
	if v := m.Image; v.Levels[0] != 334*32 || v.Levels[2] != 333*32 || len(v.Channels) != 1 || v.Channels[0].Pixels != n*32 || m.Duplicates.Groups != 3 {
		t.Errorf("masks: %+v %+v", v, m.Duplicates)
	}

	// A look at some, and at some fields.
	some := survey(t, f, &stats.Options{Samples: 10, Fields: []string{"score"}, NoDuplicates: true})
	if some.Surveyed != 10 || some.Samples != n || len(some.Fields) != 1 || some.Fields[0].Numbers.Max < 300 {
		t.Errorf("some: %+v %+v", some, some.Fields[0].Numbers)
	}
	if _, err := stats.Survey(context.Background(), f, &stats.Options{Fields: []string{"none"}}); err == nil {
		t.Error("a field that is not there: no error")
	}
}

// TestWorkers: no number depends on how many there are, or on where hashes are.
func TestWorkers(t *testing.T) {
	values, _, _ := planted(t)
	f := ffcvtest.Map(t, write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "x", Field: fields.Float{}}}, len(values),
		func(i int) []any { return []any{values[i], math.Sin(float64(i))} }), nil)
	var first []byte
	for _, o := range []stats.Options{{Workers: 1}, {Workers: 3}, {Workers: 2, Memory: 1}} {
		o.Near = true
		b, err := json.Marshal(survey(t, f, &o))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%+v: %s\nwant %s", o, b, first)
		}
	}
}

func TestBroken(t *testing.T) {
	list := pictures(t)[:12]
	good := write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}, len(list),
		func(i int) []any { return []any{list[i], i % 2} })
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	offset := bytes.Index(whole, list[5])
	path := changed(t, good, offset, 0, 0)
	f := ffcvtest.Map(t, path, nil)
	r := survey(t, f, nil)
	if r.Broken != 1 || len(r.BrokenList) != 1 || field(t, r, "image").Values != len(list)-1 || field(t, r, "label").Values != len(list) {
		t.Fatalf("got %+v", r)
	}
	b := r.BrokenList[0]
	if b.File != path || b.Sample != 5 || b.Field != "image" || b.What == "" || b.Offset != int64(offset) {
		t.Errorf("got %+v, damage at %d", b, offset)
	}
	// A pointer beyond the file: the loader can't load the sample, its label counts.
	row := ffcv.HeaderSize + 2*ffcv.DescriptorSize + 3*f.RowSize()
	broken := ffcvtest.Map(t, changed(t, good, row+5, 1, 2, 3, 4, 5, 6, 7, 0), nil)
	r = survey(t, broken, &stats.Options{Near: true})
	if r.Broken != 1 || r.BrokenList[0].Sample != 3 || field(t, r, "label").Values != len(list) || field(t, r, "image").Broken != 1 {
		t.Errorf("got %+v", r)
	}
	// Of several files as one the place is that of the file.
	both, err := dataset.NewConcat(ffcvtest.Map(t, good, nil), f)
	if err != nil {
		t.Fatal(err)
	}
	r = survey(t, both, nil)
	if b := r.BrokenList[0]; r.Broken != 1 || b.File != path || b.Sample != 5 || b.Index != len(list)+5 {
		t.Errorf("got %+v", b)
	}
	if d := field(t, r, "image").Duplicates; d.Groups != len(list)-1 {
		t.Errorf("%d groups, want %d", d.Groups, len(list)-1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := stats.Survey(ctx, f, nil); err == nil {
		t.Error("canceled: no error")
	}
}

// TestGolden surveys FFCV's own files.
func TestGolden(t *testing.T) {
	n := 0
	for _, g := range golden.Each() {
		if g.Name == "ndarray_zero_dim" {
			continue // FFCV wrote arrays without a pointer, which nothing can read
		}
		f, err := ffcv.Open(ffcvtest.Unpack(t, g.Name), ffcvtest.Options(g))
		if err != nil {
			continue // one that is not to be opened
		}
		r, err := stats.Survey(context.Background(), f, nil)
		if err != nil {
			if !strings.Contains(err.Error(), "field") {
				t.Errorf("%s: %v", g.Name, err)
			}
		} else if r.Broken != 0 || r.Samples != f.Len() {
			t.Errorf("%s: %+v", g.Name, r.BrokenList)
		} else {
			n++
		}
		f.Close()
	}
	if n < 20 {
		t.Errorf("only %d files were surveyed", n)
	}
}

// TestHostile: whatever stands in a file, there is a report or an error.
func TestHostile(t *testing.T) {
	defer leak.Watch(t)()
	rng := rand.New(rand.NewPCG(3, 9))
	reports, each := 0, race.Fewer(60, 10)
	for _, name := range []string{"rgb_jpg", "ndarray", "json", "bytes_all_empty", "ints_3_fields"} {
		whole := golden.Bytes(name)
		rows := ffcv.HeaderSize + int(ffcv.HeaderAt(whole).NumFields)*ffcv.DescriptorSize
		for range each {
			b := bytes.Clone(whole)
			for range 1 + rng.IntN(4) {
				at := rng.IntN(len(b))
				if rng.IntN(3) > 0 {
					at = min(rows+rng.IntN(400), len(b)-1) // where pointers and sizes are
				}
				b[at] = byte(rng.Uint32())
			}
			if rng.IntN(5) == 0 {
				b = b[:rng.IntN(len(b))]
			}
			f, err := ffcv.New(ffcvtest.Lend(b), nil)
			if err != nil {
				continue
			}
			r, err := stats.Survey(context.Background(), f, &stats.Options{Near: true})
			if err == nil {
				reports++
				if _, err := json.Marshal(r); err != nil {
					t.Error(err)
				}
				if _, err := stats.Overlap(context.Background(), f, f, nil); err != nil && !strings.Contains(err.Error(), "no field of one name") {
					t.Error(err)
				}
			}
			f.Close()
		}
	}
	if reports < 2*each {
		t.Errorf("only %d reports", reports)
	}
}

func ExampleSurvey() {
	white := rgb.Image{Width: 2, Height: 1, Pix: []byte{255, 255, 255, 55, 255, 0}}
	path := filepath.Join(os.TempDir(), "stats-example.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}}}, &ffcv.Options{Overwrite: true})
	if err != nil {
		panic(err)
	}
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for range 2 {
			if !yield(ffcv.Sample{Values: []any{white}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		panic(err)
	}
	defer os.Remove(path)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	r, err := stats.Survey(context.Background(), f, nil)
	if err != nil {
		panic(err)
	}
	for _, c := range r.Fields[0].Image.Channels {
		fmt.Println(c.Mean, c.Std)
	}
	fmt.Println(r.Fields[0].Duplicates.List[0].Samples)
	// Output:
	// 155 100
	// 255 0
	// 127.5 127.5
	// [0 1]
}

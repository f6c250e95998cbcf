package export_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
)

// samples is a dataset of values that are given.
type samples struct {
	keys   []string
	values [][]any
}

func (s *samples) Len() int { return len(s.values) }
func (s *samples) Sample(_ context.Context, i int) ([]any, string, error) {
	if s.keys == nil {
		return s.values[i], "", nil
	}
	return s.values[i], s.keys[i], nil
}

// build writes a file of samples and opens it.
func build(t *testing.T, specs []ffcv.FieldSpec, s *samples, opts *ffcv.Options) *ffcv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.beton")
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pictures returns n photographs.
func pictures(t *testing.T, n int) [][]byte {
	t.Helper()
	var list [][]byte
	err := fs.WalkDir(photos.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".jpg") && len(list) < n {
			b, err := photos.FS.ReadFile(name)
			list = append(list, b)
			return err
		}
		return err
	})
	if err != nil || len(list) < n {
		t.Fatalf("%d photographs, want %d: %v", len(list), n, err)
	}
	return list
}

var imageLabel = []ffcv.FieldSpec{{Name: "image", Field: &fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}

// tree returns the sums of a folder's files by their names.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		sum := sha256.Sum256(b)
		rel, _ := filepath.Rel(dir, name)
		sums[filepath.ToSlash(rel)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

func names(sums map[string]string) []string {
	var list []string
	for name := range sums {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFolder(t *testing.T) {
	jpegs := pictures(t, 4)
	f := build(t, imageLabel, &samples{
		keys:   []string{"cat/a.JPEG", "dog/x/b.jpg", "old/cat/c.jpeg", "cat/d.png"},
		values: [][]any{{jpegs[0], 0}, {jpegs[1], 1}, {jpegs[2], 0}, {jpegs[3], 0}},
	}, &ffcv.Options{Classes: []string{"cat", "dog", "eel"}})
	out := filepath.Join(t.TempDir(), "out")
	stats, err := export.Write(t.Context(), f, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".betongo-export.json", "cat/a.JPEG", "cat/d.jpg", "cat/old/cat/c.jpeg", "classes.txt", "dog/x/b.jpg"}
	if got := names(tree(t, out)); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if stats.Samples != 4 || stats.Files != 5 || stats.Skipped != 0 || stats.Shards != 0 {
		t.Errorf("stats %+v", stats)
	}
	if got := string(read(t, out, "classes.txt")); got != "cat\ndog\neel\n" {
		t.Errorf("classes %q", got)
	}
	if !bytes.Equal(read(t, out, "cat", "old", "cat", "c.jpeg"), jpegs[2]) {
		t.Error("a JPEG's bytes differ")
	}
}

// everything is a file with a field of each kind.
func everything(t *testing.T, n int) *ffcv.File {
	t.Helper()
	jpegs := pictures(t, n)
	specs := []ffcv.FieldSpec{
		{Name: "image", Field: &fields.RGBImage{}},
		{Name: "mask", Field: fields.Image{}},
		{Name: "depth", Field: fields.Image{Channels: 2, DType: array.Uint16}},
		{Name: "label", Field: fields.Int{}},
		{Name: "count", Field: fields.Int{}},
		{Name: "score", Field: fields.Float{}},
		{Name: "about", Field: fields.JSON{}},
		{Name: "Caption", Field: fields.LZ4{Of: fields.Bytes{}}},
		{Name: "emb", Field: fields.NDArray{DType: array.Float32, Shape: []int{2, 3}}},
		{Name: "sound", Field: fields.Audio{}},
	}
	s := &samples{}
	for i := range n {
		var emb [6]float32
		emb[0] = float32(i)
		about := fmt.Sprintf("{\"a\":\n [%d, null]}", i)
		if i == 3 {
			about = `[NaN]`
		}
		s.keys = append(s.keys, fmt.Sprintf("c%d/p.%d.jpg", i%2, i))
		s.values = append(s.values, []any{
			jpegs[i],
			rgb.Raster{Width: 2, Height: 3, Channels: 1, Depth: 1, Pix: []byte{1, 2, 3, 4, 5, byte(i)}},
			rgb.Raster{Width: 1, Height: 2, Channels: 2, Depth: 2, Pix: []byte{1, 2, 3, 4, 5, 6, 7, byte(i)}},
			i % 2, i * 10, float64(i) / 3, fields.JSONText(about),
			bytes.Repeat([]byte("text "), 100+i), emb[:],
			fields.AudioClip{SampleRate: 8000, Channels: 1, DurationMS: 1, Encoding: fields.AudioPCM, Data: []byte{1, 2, 3, 4}},
		})
	}
	return build(t, specs, s, nil)
}

func TestFolderOfEverything(t *testing.T) {
	f := everything(t, 3)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := export.Write(t.Context(), f, out, &export.Options{Ext: map[string]string{"Caption": "txt"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"image/0/c0/p.0.jpg", "mask/1/c1/p.1.png", "depth/0/c0/p.2.png", "Caption/0/c0/p.0.txt", "emb/0/c0/p.2.npy", "sound/0/c0/p.2.wav"} {
		if len(read(t, out, filepath.FromSlash(want))) == 0 {
			t.Errorf("%s is empty", want)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(read(t, out, "metadata.jsonl"))), "\n")
	want := `{"file_name": "image/1/c1/p.1.jpg", "mask_file_name": "mask/1/c1/p.1.png", "depth_file_name": "depth/1/c1/p.1.png", ` +
		`"Caption_path": "Caption/1/c1/p.1.txt", "emb_path": "emb/1/c1/p.1.npy", "sound_path": "sound/1/c1/p.1.wav", ` +
		`"label": 1, "count": 10, "score": 0.3333333333333333, "about": {"a":  [1, null]}}`
	if len(lines) != 3 || lines[1] != want {
		t.Errorf("line\n%s, want\n%s", lines[1], want)
	}
	a, err := npy.Parse(read(t, out, "emb", "0", "c0", "p.2.npy"))
	if v, _ := array.Values[float32](a); err != nil || !slices.Equal(v, []float32{2, 0, 0, 0, 0, 0}) {
		t.Errorf("array %v, %v", v, err)
	}
	for _, field := range []string{"mask", "depth"} {
		b := read(t, out, field, "1", "c1", "p.1.png")
		if _, err := png.Decode(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// TestSomeKeys: keys are written also when the first sample has none.
func TestSomeKeys(t *testing.T) {
	specs := []ffcv.FieldSpec{{Name: "n", Field: fields.Int{}}}
	without := build(t, specs, &samples{values: [][]any{{1}}}, nil)
	with := build(t, specs, &samples{values: [][]any{{2}}, keys: []string{"a/key-of-mine.jpg"}}, nil)
	both, err := dataset.NewConcat(without, with)
	if err != nil {
		t.Fatal(err)
	}
	for format, file := range map[export.Format]string{export.MDS: "shard.00000.mds", export.Parquet: "data-00000.parquet"} {
		out := filepath.Join(t.TempDir(), "out")
		if _, err := export.Write(t.Context(), both, out, &export.Options{Format: format}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(read(t, out, file), []byte("key-of-mine.jpg")) {
			t.Errorf("%s: the key is not there", format)
		}
	}
}

// TestMembers: a field is not hidden by the path of another one's file.
func TestMembers(t *testing.T) {
	for _, name := range []string{"file_name", "z_path", "image_path"} {
		specs := []ffcv.FieldSpec{{Name: "image", Field: &fields.RGBImage{}}, {Name: name, Field: fields.Int{}}, {Name: "z", Field: fields.Bytes{}}}
		f := build(t, specs, &samples{values: [][]any{{pictures(t, 1)[0], 3, []byte("z")}}}, nil)
		out := filepath.Join(t.TempDir(), "out")
		_, err := export.Write(t.Context(), f, out, &export.Options{KeyFrom: export.KeyIndex})
		if clash := name != "image_path"; clash != (err != nil) || clash && !strings.Contains(err.Error(), name) {
			t.Errorf("a field %q: error %v", name, err)
		}
		if _, err := export.Write(t.Context(), f, out+"2", &export.Options{Fields: []string{"image", name}, Label: name}); err != nil {
			t.Errorf("a field %q as the label: %v", name, err)
		}
	}
}

// TestWorkers: what is written depends neither on the workers nor on the source.
func TestWorkers(t *testing.T) {
	f := everything(t, 12)
	for _, format := range export.Formats() {
		var first map[string]string
		for _, workers := range []int{1, 2, 7} {
			out := filepath.Join(t.TempDir(), "out")
			if _, err := export.Write(t.Context(), f, out, &export.Options{Format: format, Workers: workers, ShardSize: 200_000, OnError: nanInParquet(format)}); err != nil {
				t.Fatal(err)
			}
			got := tree(t, out)
			if first == nil {
				first = got
			}
			if !reflect.DeepEqual(got, first) {
				t.Errorf("%s with %d workers differs", format, workers)
			}
		}
	}
}

// nanInParquet lets pass what Parquet has not.
func nanInParquet(f export.Format) func(*export.SampleError) error {
	if f != export.Parquet {
		return nil
	}
	return func(e *export.SampleError) error {
		if e.Field == "about" && e.Sample == 3 {
			return nil
		}
		return e
	}
}

// TestSources: the same comes from a file that does not lend its bytes.
func TestSources(t *testing.T) {
	f := everything(t, 5)
	mapped := filepath.Join(t.TempDir(), "out")
	if _, err := export.Write(t.Context(), f, mapped, nil); err != nil {
		t.Fatal(err)
	}
	cached, err := ffcv.Open(f.Name(), &ffcv.OpenOptions{Memory: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer cached.Close()
	half, err := dataset.NewRange(f, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := dataset.NewRange(f, 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	both, err := dataset.NewConcat(half, rest)
	if err != nil {
		t.Fatal(err)
	}
	for name, ds := range map[string]export.Dataset{"cached": cached, "concat": both} {
		out := filepath.Join(t.TempDir(), "out")
		if _, err := export.Write(t.Context(), ds, out, nil); err != nil {
			t.Fatal(err)
		}
		if got := tree(t, out); !reflect.DeepEqual(got, tree(t, mapped)) {
			t.Errorf("%s: differs: %q", name, names(got))
		}
	}
}

func TestKeys(t *testing.T) {
	specs := []ffcv.FieldSpec{{Name: "id", Field: fields.JSON{}}, {Name: "data", Field: fields.Bytes{}}}
	at := func(id, data string) []any { return []any{id, []byte(data)} }
	for _, c := range []struct {
		about, from string
		keys        []string
		values      [][]any
		want        string // files of data, or of an error
	}{
		{"numbers", "", nil, [][]any{at("a", "x"), at("b", "y")}, "00000000.bin 00000001.bin"},
		{"paths", "", []string{"a.b", "c/d.txt"}, [][]any{at("a", "x"), at("b", "y")}, "a.b.bin c/d.bin"},
		{"some without", "", []string{"", "c/d.txt"}, [][]any{at("a", "x"), at("b", "y")}, "00000000.bin c/d.bin"},
		{"all must have one", "path", []string{"k", ""}, [][]any{at("a", "x"), at("b", "y")}, "error: no key"},
		{"numbers asked for", "index", []string{"k", "l"}, [][]any{at("a", "x"), at("b", "y")}, "00000000.bin 00000001.bin"},
		{"a field", "id", nil, [][]any{at("one.txt", "x"), at("two", "y")}, "one.txt.bin two.bin"},
		{"a field, empty", "id", nil, [][]any{at("one", "x"), at("", "y")}, "error: empty"},
		{"a field, nothing left", "id", nil, [][]any{at("one", "x"), at("/./", "y")}, "error: nothing to call"},
		{"twice", "", []string{"k", "k"}, [][]any{at("a", "x"), at("b", "y")}, `error: its name "data/k.bin" is that of sample 0`},
		{"twice by its extension", "", []string{"k.txt", "k.bin"}, [][]any{at("a", "x"), at("b", "y")}, `error: is that of sample 0`},
		{"twice, a field", "id", nil, [][]any{at("a", "x"), at("a", "y")}, `error: two samples of one name`},
		{"climbing", "", []string{"../../etc/passwd", "/abs"}, [][]any{at("a", "x"), at("b", "y")}, "%2E%2E/%2E%2E/etc/passwd.bin abs.bin"},
		{"no such field", "nothing", nil, [][]any{at("a", "x")}, `error: one of the fields "id", "data"`},
		{"too long", "id", nil, [][]any{at(strings.Repeat("abc/", 300), "x")}, "error: at most 1000"},
		{"long", "id", nil, [][]any{at(strings.Repeat("x", 300), "x")}, strings.Repeat("x", 183) + "~e78ddf9f1ba85555.bin"},
	} {
		f := build(t, specs, &samples{keys: c.keys, values: c.values}, nil)
		out := filepath.Join(t.TempDir(), "out")
		_, err := export.Write(t.Context(), f, out, &export.Options{KeyFrom: c.from})
		if what, ok := strings.CutPrefix(c.want, "error: "); ok {
			if err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: error %v, want one with %q", c.about, err, what)
			}
			if list, _ := os.ReadDir(filepath.Dir(out)); len(list) > 0 {
				t.Errorf("%s: left %v", c.about, list)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
			continue
		}
		var got []string
		for _, name := range names(tree(t, out)) {
			if name, ok := strings.CutPrefix(name, "data/"); ok {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: files %q, want %q", c.about, got, c.want)
		}
	}
}

// TestOutput: what is there already stays, unless it is an export's.
func TestOutput(t *testing.T) {
	f := build(t, imageLabel, &samples{values: [][]any{{pictures(t, 1)[0], 3}}}, nil)
	out := filepath.Join(t.TempDir(), "out")
	write := func(force bool) error {
		_, err := export.Write(t.Context(), f, out, &export.Options{Overwrite: force})
		return err
	}
	for _, step := range []struct {
		about string
		do    func() error
		force bool
		want  error
	}{
		{"nothing there", nil, false, nil},
		{"there", nil, false, fs.ErrExist},
		{"replaced", nil, true, nil},
		{"a file more", func() error { return os.WriteFile(filepath.Join(out, "3", "mine"), nil, 0o666) }, true, export.ErrForeign},
		{"renamed", func() error { return os.Rename(filepath.Join(out, "3", "mine"), filepath.Join(out, "mine")) }, true, export.ErrForeign},
		{"removed again", func() error { return os.Remove(filepath.Join(out, "mine")) }, true, nil},
		{"one less", func() error { return os.Remove(filepath.Join(out, "classes.txt")) }, true, export.ErrForeign},
		{"no receipt", func() error { return os.Remove(filepath.Join(out, ".betongo-export.json")) }, true, export.ErrForeign},
		{"nothing", func() error { return errors.Join(os.RemoveAll(out), os.Mkdir(out, 0o777)) }, false, nil},
	} {
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(step.force); !errors.Is(err, step.want) {
			t.Errorf("%s: error %v, want %v", step.about, err, step.want)
		}
		if list, _ := os.ReadDir(filepath.Dir(out)); len(list) != 1 {
			t.Errorf("%s: %v is left", step.about, list)
		}
	}
}

// TestDamage: a broken sample is named, or left out.
func TestDamage(t *testing.T) {
	defer leak.Watch(t)()
	specs := []ffcv.FieldSpec{{Name: "about", Field: fields.JSON{}}, {Name: "label", Field: fields.Int{}}}
	good := build(t, specs, &samples{
		keys:   []string{"a", "b", "c"},
		values: [][]any{{fields.JSONText(`"first"`), 0}, {fields.JSONText(`"second"`), 1}, {fields.JSONText(`"third"`), 2}},
	}, &ffcv.Options{Plain: true})
	b := read(t, good.Name())
	at := bytes.Index(b, []byte(`"second"`))
	b[at] = 'x'
	path := filepath.Join(t.TempDir(), "broken.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, format := range export.Formats() {
		out := filepath.Join(t.TempDir(), "out")
		_, err = export.Write(t.Context(), f, out, &export.Options{Format: format})
		var bad *export.SampleError
		if !errors.As(err, &bad) || bad.Sample != 1 || bad.Field != "about" {
			t.Errorf("%s: error %v, want one of sample 1", format, err)
		}
		if list, _ := os.ReadDir(filepath.Dir(out)); len(list) > 0 {
			t.Errorf("%s: left %v", format, list)
		}
		var skipped []int
		stats, err := export.Write(t.Context(), f, out, &export.Options{Format: format, OnError: func(e *export.SampleError) error {
			skipped = append(skipped, e.Sample)
			return nil
		}})
		if err != nil || stats.Samples != 2 || stats.Skipped != 1 || !slices.Equal(skipped, []int{1}) {
			t.Errorf("%s: %+v, skipped %v: %v", format, stats, skipped, err)
		}
	}
}

// TestCancel: an export that is stopped leaves nothing.
func TestCancel(t *testing.T) {
	defer leak.Watch(t)()
	f := everything(t, 12)
	for _, format := range export.Formats() {
		ctx, cancel := context.WithCancel(t.Context())
		out := filepath.Join(t.TempDir(), "out")
		_, err := export.Write(ctx, f, out, &export.Options{Format: format, OnError: nanInParquet(format), Progress: func(done, all int) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", format, err)
		}
		if list, _ := os.ReadDir(filepath.Dir(out)); len(list) > 0 {
			t.Errorf("%s: left %v", format, list)
		}
		cancel()
	}
}

// TestReceipt: its members are a contract.
func TestReceipt(t *testing.T) {
	f := build(t, imageLabel, &samples{values: [][]any{{pictures(t, 1)[0], 3}}}, nil)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := export.Write(t.Context(), f, out, nil); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(read(t, out, ".betongo-export.json"), &got); err != nil {
		t.Fatal(err)
	}
	if got["betongo_export"] != 1.0 || got["format"] != "folder" || got["samples"] != 1.0 || got["files"] != 2.0 {
		t.Errorf("receipt %v", got)
	}
}

func TestLabels(t *testing.T) {
	jpegs := pictures(t, 3)
	write := func(labels [3]int, classes []string) (list []string, warned []string, err error) {
		f := build(t, imageLabel, &samples{values: [][]any{{jpegs[0], labels[0]}, {jpegs[1], labels[1]}, {jpegs[2], labels[2]}}}, &ffcv.Options{Classes: classes})
		out := filepath.Join(t.TempDir(), "out")
		if _, err = export.Write(t.Context(), f, out, &export.Options{Warn: func(s string) { warned = append(warned, s) }}); err != nil {
			return nil, nil, err
		}
		for _, name := range names(tree(t, out)) {
			if dir, _, ok := strings.Cut(name, "/"); ok {
				list = append(list, dir)
			}
		}
		return list, warned, nil
	}
	for _, c := range []struct {
		labels  [3]int
		classes []string
		want    string
		warn    string
	}{
		{[3]int{0, 1, 2}, nil, "0 1 2", ""},
		{[3]int{0, 1, 10}, nil, "00 01 10", "numbers the class folders"},
		{[3]int{-1, 0, 1}, nil, "-1 0 1", "3 labels, -1 to 1, have no class"},
		{[3]int{0, 1, 1}, []string{"b", "a"}, "a a b", "numbers the class folders"},
		{[3]int{0, 1, 2}, []string{"a", "b"}, "2 a b", "label 2 has no class"},
		{[3]int{0, 1, 2}, []string{"a", "2"}, "", `its folder "2" is that of class 1`},
		{[3]int{0, 1, 1}, []string{"a/b", ".."}, "%2E%2E %2E%2E a%2Fb", "numbers the class folders"},
		{[3]int{0, 1, 1}, []string{"x", "x"}, "", "folder of that name is there"},
	} {
		got, warned, err := write(c.labels, c.classes)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), c.warn) {
				t.Errorf("%v %q: error %v, want %q", c.labels, c.classes, err, c.warn)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%v %q: folders %q, want %q: %v", c.labels, c.classes, got, c.want, err)
		}
		if all := strings.Join(warned, "; "); (c.warn == "") != (all == "") || !strings.Contains(all, c.warn) {
			t.Errorf("%v %q: warned %q, want %q", c.labels, c.classes, all, c.warn)
		}
	}
}

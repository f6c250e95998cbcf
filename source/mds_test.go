package source_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/mds"
	"github.com/betongo/betongo/source"
)

const mdsDir = "../testdata/records/mds"

func openMDS(t testing.TB, specs []source.Spec, opts *source.MDSOptions, dirs ...string) *source.MDS {
	t.Helper()
	m, err := source.OpenMDS(t.Context(), dirs, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// A dataset is the same raw and by each compression, on the disk and in a store,
// fetched whole or read by ranges.
func TestMDS(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	bare := t.TempDir() // without hashes, so that samples are read by ranges
	if err := os.CopyFS(bare, os.DirFS(filepath.Join(mdsDir, "photos"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(bare, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte(`"sha1":`), []byte(`"none":`)), []byte(`"xxh3_64":`), []byte(`"other":`))
	if err := os.WriteFile(filepath.Join(bare, "index.json"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	want := samples(t, openMDS(t, nil, nil, mdsDir+"/photos"))
	if len(want) != 20 || !strings.HasPrefix(want[4], `"b/004.jpg" ["\xff\xd8`) {
		t.Fatalf("got %d samples, the fifth %.40s", len(want), want[4])
	}
	far := &source.MDSOptions{Store: shelf{mdsDir}}
	for _, test := range []struct {
		dir  string
		opts *source.MDSOptions
	}{
		{mdsDir + "/photos/index.json", nil},
		{mdsDir + "/photos_zstd", nil},
		{mdsDir + "/photos_gz/", nil},
		{mdsDir + "/photos_br", nil},
		{mdsDir + "/photos_bz2", nil},
		{mdsDir + "/photos_snappy", nil},
		{"mem:///photos", far},
		{"mem:///photos/index.json", far},
		{"mem:///photos_zstd", far},
		{"mem:///photos_snappy/", far},
		{"mem:///", &source.MDSOptions{Store: shelf{bare}}},
		{bare, nil},
	} {
		m := openMDS(t, nil, test.opts, test.dir)
		if got := samples(t, m); !slices.Equal(got, want) {
			t.Errorf("%s: got other samples, %d of them", test.dir, len(got))
		}
		// Again, from the last one on, when their shards were given up.
		for i := m.Len() - 1; i >= 0; i-- {
			values, key, err := m.Sample(t.Context(), i)
			if got := fmt.Sprintf("%q %q", key, values); err != nil || got != want[i] {
				t.Errorf("%s: sample %d again: got %.60s, %v", test.dir, i, got, err)
			}
		}
		for i := range m.Len() {
			if n, err := m.SampleSize(t.Context(), i); err != nil || n < 600 || n > 900 {
				t.Errorf("%s: sample %d: SampleSize %d, %v", test.dir, i, n, err)
			}
		}
		var names []string
		for _, f := range m.Fields() {
			names = append(names, fmt.Sprintf("%s %T", f.Name, f.Field))
		}
		if want := []string{"image fields.RGBImage", "label fields.Int", "split fields.Bytes"}; !slices.Equal(names, want) {
			t.Errorf("%s: fields %q, want %q", test.dir, names, want)
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := m.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: closed: got %v", test.dir, err)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	two := openMDS(t, nil, nil, mdsDir+"/photos", mdsDir+"/photos_br")
	if got := samples(t, two); !slices.Equal(got, slices.Concat(want, want)) {
		t.Errorf("two datasets: got %d other samples", len(got))
	}
}

func TestMDSTraits(t *testing.T) {
	bare := openMDS(t, nil, nil, mdsDir+"/photos")
	far := openMDS(t, nil, &source.MDSOptions{Store: shelf{mdsDir}}, "mem:///photos")
	other := openMDS(t, nil, nil, mdsDir+"/photos_zstd")
	told := func(m *source.MDS) string {
		a, err := m.Traits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Files(t.Context(), 3, func(k int) int { return k })
		if err != nil {
			t.Fatal(err)
		}
		if id, err := m.Identity(t.Context()); err != nil || len(id) != len(a) {
			t.Errorf("identity %v, %v", id, err)
		}
		return fmt.Sprint(a, b)
	}
	if told(bare) != told(far) || told(bare) == told(other) {
		t.Errorf("got %s,\n%s and\n%s", told(bare), told(far), told(other))
	}
}

// Every encoding makes a field, and every field that suits reads it.
func TestMDSEncodings(t *testing.T) {
	dir := t.TempDir()
	var rgb, mask bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, 2, 1))
	img.SetGray(1, 0, color.Gray{7})
	if err := errors.Join(png.Encode(&mask, img), png.Encode(&rgb, image.NewRGBA(image.Rect(0, 0, 2, 1)))); err != nil {
		t.Fatal(err)
	}
	var columns []mds.Column
	for _, text := range []string{"mask png", "photo jpeg", "key str", "n uint16", "f float32", "j json", "text str", "a ndarray", "b ndarray:int16:2",
		"views jpegarray", "digits str_int", "ratio str_float", "price str_decimal", "label str"} {
		name, encoding, _ := strings.Cut(text, " ")
		columns = append(columns, mds.Column{Name: name, Encoding: encoding})
	}
	var b bytes.Buffer
	w, err := mds.NewWriter(&b, columns)
	if err != nil {
		t.Fatal(err)
	}
	a := array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{1, 2}}, Data: make([]byte, 8)}
	c := array.Array{Spec: array.Spec{DType: array.Int16, Shape: []int{2}}, Data: []byte{1, 0, 2, 0}}
	for i, name := range []string{"x/0", "x/1"} {
		if i == 1 {
			a.Shape = []int{2, 1}
		}
		var cells [][]byte
		for k, v := range []any{mask.Bytes(), rgb.Bytes(), name, 65535, 0.5, json.RawMessage(`{"a": NaN}`), "hé", a, c, [][]byte{{1}, {2}}, -3, 0.25, "1.10", "dog"} {
			cell, err := mds.AppendValue(nil, columns[k].Encoding, v)
			if err != nil {
				t.Fatal(err)
			}
			cells = append(cells, cell)
		}
		if err := w.Write(cells); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	info.Name = "s.mds"
	index, err := mds.Index([]mds.ShardInfo{info})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "s.mds"), b.Bytes(), 0o666), os.WriteFile(filepath.Join(dir, "index.json"), index, 0o666)); err != nil {
		t.Fatal(err)
	}
	m := openMDS(t, nil, nil, dir)
	values, key, err := m.Sample(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for k, f := range m.Fields() {
		got += fmt.Sprintf("%s %T %v\n", f.Name, f.Field, values[k])
	}
	want := fmt.Sprintf(`mask fields.Image %v
photo fields.RGBImage %v
n fields.Int 65535
f fields.Float 0.5
j fields.JSON %v
text fields.Bytes %v
a fields.NDArray %v
b fields.NDArray %v
views fields.Bytes %v
digits fields.Int -3
ratio fields.Float 0.25
price fields.Bytes %v
label fields.Bytes %v
`, mask.Bytes(), rgb.Bytes(), []byte(`{"a": NaN}`), []byte("hé"), array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{1, 2}}, Data: make([]byte, 8)}, c,
		[]byte{2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 2}, []byte("1.10"), []byte("dog"))
	if got != want || key != "x/0" {
		t.Errorf("key %q, got\n%swant\n%s", key, got, want)
	}
	if _, key, err := m.Sample(t.Context(), 1); err == nil || key != "x/1" || !strings.Contains(err.Error(), `s.mds: sample 1 ("x/1"): column "a": array <f4 (2, 1); the field holds <f4 (1, 2)`) {
		t.Errorf("another shape: got %q, %v", key, err)
	}
	m = openMDS(t, specs(t, "n=float", "i=int:column=f", "label=int", "x=torch:column=b,lz4=true", "raw=bytes:column=n", "t=json:column=j"), &source.MDSOptions{Classes: []string{"cat", "dog"}}, dir)
	values, _, err = m.Sample(t.Context(), 0)
	if err == nil || !strings.Contains(err.Error(), `column "f": 0.5 is no whole number`) {
		t.Errorf("half a number: got %v, %v", values, err)
	}
	m = openMDS(t, specs(t, "n=float", "label=int", "x=torch:column=b,lz4=true", "raw=bytes:column=n"), &source.MDSOptions{Classes: []string{"cat", "dog"}}, dir)
	values, _, err = m.Sample(t.Context(), 1)
	if err != nil || fmt.Sprint(values) != fmt.Sprint([]any{65535.0, int64(1), c, []byte{255, 255}}) {
		t.Errorf("got %v, %v", values, err)
	}
	m = openMDS(t, specs(t, "label=int:column=n"), &source.MDSOptions{Classes: []string{"cat", "dog"}}, dir)
	if _, _, err = m.Sample(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "label 65535") {
		t.Errorf("label 65535 of 2 classes: got %v", err)
	}
}

// The pixels of PIL's pictures become images, and what else there is reads too.
func TestMDSAll(t *testing.T) {
	m := openMDS(t, nil, nil, mdsDir+"/all")
	for i := range m.Len() {
		values, key, err := m.Sample(t.Context(), i)
		if i > 0 { // arrays of other shapes
			if err == nil || !strings.Contains(err.Error(), `"h_nd"`) {
				t.Errorf("sample %d: got %v", i, err)
			}
			continue
		}
		if err != nil || key != fmt.Sprintf("shard.00000.mds:%d", i) || len(values) != 29 {
			t.Errorf("sample %d: got %q, %d values, %v", i, key, len(values), err)
		}
	}
	for _, text := range []string{"p=rgb:column=f_pil", "p=image:column=f_pil,channels=3"} {
		m := openMDS(t, specs(t, text), nil, mdsDir+"/all")
		for i := range m.Len() {
			values, _, err := m.Sample(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			a := values[0].(array.Array)
			want := 3
			if strings.Contains(text, "image") {
				want = []int{3, 1, 4}[i]
			}
			if !slices.Equal(a.Shape, []int{16, 24, want}) || len(a.Data) != 16*24*want {
				t.Errorf("%s: sample %d: array %v", text, i, a.Spec)
			}
		}
	}
}

func TestOpenMDSRefuses(t *testing.T) {
	dir := t.TempDir()
	copied := func(name string, change func(dir string)) string {
		to := filepath.Join(dir, name)
		if err := os.CopyFS(to, os.DirFS(filepath.Join(mdsDir, "photos"))); err != nil {
			t.Fatal(err)
		}
		change(to)
		return to
	}
	edit := func(name, old, new string) string {
		return copied(name, func(dir string) {
			path := filepath.Join(dir, "index.json")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(b), old, new, 1)
			if text == string(b) {
				t.Fatalf("no %q in the index", old)
			}
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		})
	}
	photos := mdsDir + "/photos"
	for _, test := range []struct {
		dirs  []string
		specs []source.Spec
		opts  *source.MDSOptions
		want  []string
	}{
		{nil, nil, nil, []string{"no folders"}},
		{[]string{filepath.Join(dir, "missing")}, nil, nil, []string{"missing", "index.json"}},
		{[]string{"s3://bucket/x"}, nil, nil, []string{"s3://bucket/x/index.json", "no store"}},
		{[]string{mdsDir + "/pickled"}, nil, nil, []string{`field "extra"`, "encoding pkl", "runs whatever"}},
		{[]string{mdsDir + "/pickled"}, specs(t, "extra=bytes"), nil, []string{"encoding pkl"}},
		{[]string{mdsDir + "/empty"}, nil, nil, []string{"no shards"}},
		{[]string{mdsDir + "/empty"}, specs(t, "a=ndarray"), nil, []string{"no dtype"}},
		{[]string{photos, mdsDir + "/pickled"}, nil, nil, []string{"mixed columns", "pickled"}},
		{[]string{photos, photos}, nil, nil, []string{"photos", "given twice"}},
		{[]string{photos}, specs(t, "a=int"), nil, []string{`no column "a"`, "label (int)"}},
		{[]string{photos}, specs(t, "image=int"), nil, []string{"encoding jpeg", "fields.Int"}},
		{[]string{photos}, specs(t, "label=rgb"), nil, []string{"encoding int"}},
		{[]string{photos}, specs(t, "label=ndarray"), nil, []string{"encoding int"}},
		{[]string{photos}, specs(t, "a=int:file=x"), nil, []string{"column="}},
		{[]string{photos}, specs(t, "a=bytes:inline=true"), nil, []string{"inline="}},
		{[]string{photos}, specs(t, "image=rgb"), &source.MDSOptions{Classes: []string{"a"}}, []string{"no field of whole numbers"}},
		{[]string{edit("json", `"version"`, `"versio`)}, nil, nil, []string{"index.json"}},
		{[]string{edit("up", "shard.00001.mds", "../shard.mds")}, nil, nil, []string{"beside the index"}},
		{[]string{copied("cut", func(dir string) {
			if err := os.Truncate(filepath.Join(dir, "shard.00001.mds"), 1000); err != nil {
				t.Fatal(err)
			}
		})}, nil, nil, []string{"shard.00001.mds", "1000 bytes", "the index says"}},
		{[]string{copied("gone", func(dir string) {
			if err := os.Remove(filepath.Join(dir, "shard.00001.mds")); err != nil {
				t.Fatal(err)
			}
		})}, nil, nil, []string{"shard.00001.mds"}},
	} {
		m, err := source.OpenMDS(t.Context(), test.dirs, test.specs, test.opts)
		if err == nil || m != nil {
			t.Errorf("%v: got %v, %v", test.dirs, m, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %q, want it to tell of %q", test.dirs, err, want)
			}
		}
	}
	// The pickled column is left aside where others are asked for.
	m := openMDS(t, specs(t, "image=rgb"), nil, mdsDir+"/pickled")
	if _, _, err := m.Sample(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

// Bytes that changed are found by the hash, on the disk and far, raw and compressed.
func TestMDSHash(t *testing.T) {
	for _, name := range []string{"photos", "photos_br"} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(mdsDir, name))); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "shard.00001.*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-1] ^= 1
		if err := os.WriteFile(files[0], b, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{dir, "mem:///"} {
			m := openMDS(t, nil, &source.MDSOptions{Store: shelf{dir}}, from)
			bad := 0
			for i := range m.Len() {
				if _, _, err := m.Sample(t.Context(), i); err != nil {
					bad++
					if !strings.Contains(err.Error(), "shard.00001.mds") || name == "photos" && !strings.Contains(err.Error(), "the index says") {
						t.Errorf("%s: sample %d: got %v", name, i, err)
					}
				}
			}
			if bad != 7 {
				t.Errorf("%s: %d samples are told of, want the 7 of the shard", name, bad)
			}
		}
	}
}

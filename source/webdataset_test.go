package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/record/webdataset"
	"github.com/betongo/betongo/source"
)

const tars = "../testdata/records/webdataset"

func openTars(t testing.TB, specs []source.Spec, opts *source.WebDatasetOptions, names ...string) *source.WebDataset {
	t.Helper()
	w, err := source.OpenWebDataset(t.Context(), names, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

type told struct {
	Key     string
	Members map[string]string
}

func toldBy(t testing.TB) map[string][]told {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tars, "told.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]told
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Shards, plain and compressed, near and far, have the samples and bytes that
// WebDataset reads, and the fields that its convention tells.
func TestWebDataset(t *testing.T) {
	all := toldBy(t)
	far := &source.WebDatasetOptions{Store: shelf{tars}}
	for _, test := range []struct {
		name  string
		opts  *source.WebDatasetOptions
		files []string
	}{
		{tars + "/shard-{000000..000002}.tar", nil, []string{"shard-000000.tar", "shard-000001.tar", "shard-000002.tar"}},
		{tars + "/shard-*.tar", nil, []string{"shard-000000.tar", "shard-000001.tar", "shard-000002.tar"}},
		{"mem://shard-*.tar", far, nil}, // a bucket's name is no pattern
		{"mem:///shard-*.tar", far, []string{"shard-000000.tar", "shard-000001.tar", "shard-000002.tar"}},
		{tars + "/packed.tar.gz", nil, []string{"packed.tar.gz"}},
		{tars + "/packed.tar.bz2", nil, []string{"packed.tar.bz2"}},
		{"mem:///packed.tar.gz", far, []string{"packed.tar.gz"}},
	} {
		if test.files == nil {
			continue
		}
		w := openTars(t, nil, test.opts, test.name)
		var names []string
		for _, f := range w.Fields() {
			names = append(names, fmt.Sprintf("%s %T", f.Name, f.Field))
		}
		want := []string{"image fields.RGBImage", "label fields.Int", "bin fields.Bytes", "json fields.JSON", "npy fields.NDArray", "seg fields.Image", "txt fields.Bytes"}
		if !slices.Equal(names, want) {
			t.Errorf("%s: fields %q, want %q", test.name, names, want)
		}
		if f := w.Fields()[4].Field.(fields.NDArray); f.DType != array.Float32 || !slices.Equal(f.Shape, []int{4}) {
			t.Errorf("%s: array field %+v", test.name, f)
		}
		i := 0
		for _, file := range test.files {
			for _, s := range all[file] {
				values, key, err := w.Sample(t.Context(), i)
				if err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				if want := s.Key + ".jpg"; key != want {
					t.Errorf("%s: key %q, want %q", test.name, key, want)
				}
				for k, ext := range map[int]string{0: "jpg", 2: "bin", 3: "json", 5: "seg.png", 6: "txt"} {
					b, ok := values[k].([]byte)
					if raw, is := values[k].(json.RawMessage); is {
						b, ok = raw, true
					}
					if got := fmt.Sprintf("%x", sha256.Sum256(b)); !ok || got != s.Members[ext] {
						t.Errorf("%s: sample %d: .%s has SHA-256 %s, want %s", test.name, i, ext, got, s.Members[ext])
					}
				}
				if got := values[1].(int64); got != int64(i%3) {
					t.Errorf("%s: sample %d: label %d", test.name, i, got)
				}
				if a := values[4].(array.Array); len(a.Data) != 16 {
					t.Errorf("%s: sample %d: array %v", test.name, i, a.Spec)
				}
				if n, err := w.SampleSize(t.Context(), i); err != nil || n < 600 || n > 5000 {
					t.Errorf("%s: sample %d: SampleSize %d, %v", test.name, i, n, err)
				}
				i++
			}
		}
		if i != w.Len() || i == 0 {
			t.Errorf("%s: %d samples, want %d", test.name, w.Len(), i)
		}
	}
}

// The same shards, near, far and compressed, have the same traits as far as members
// go; other samples have others.
func TestWebDatasetTraits(t *testing.T) {
	near := openTars(t, nil, nil, tars+"/shard-*.tar")
	far := openTars(t, nil, &source.WebDatasetOptions{Store: shelf{tars}}, "mem:///shard-*.tar")
	less := openTars(t, nil, nil, tars+"/shard-00000[01].tar")
	traits := func(w *source.WebDataset) string {
		list, err := w.Traits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	if traits(near) != traits(far) {
		t.Errorf("got %s\nand %s", traits(near), traits(far))
	}
	if traits(near) == traits(less) {
		t.Error("other shards, the same traits")
	}
	for _, w := range []*source.WebDataset{near, far} {
		a, err := w.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.Identity(t.Context())
		if err != nil || !slices.Equal(a, b) || len(a) != 8 {
			t.Errorf("got %v, then %v, %v", a, b, err)
		}
	}
}

func TestWebDatasetSpecs(t *testing.T) {
	w := openTars(t, specs(t, "picture=rgb:column=png;jpg", "label=int:column=cls", "x=ndarray:column=npy", "half=torch:column=npy,dtype=<f4,shape=4", "y=float:column=cls", "meta=json:lz4=true,column=JSON"),
		&source.WebDatasetOptions{Classes: []string{"a", "b", "c"}}, tars+"/shard-000000.tar", tars+"/shard-000002.tar")
	if got := w.Classes(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("classes %q", got)
	}
	values, key, err := w.Sample(t.Context(), 6)
	if err != nil {
		t.Fatal(err)
	}
	if key != "c/0011.jpg" || values[1] != int64(2) || values[4] != 2.0 || len(values) != 6 {
		t.Errorf("got %q, %v", key, values)
	}
	if f := w.Fields()[2].Field.(fields.NDArray); f.DType != array.Float32 || !slices.Equal(f.Shape, []int{4}) {
		t.Errorf("array field %+v", f)
	}
}

// shard writes an archive of samples, given as "key ext=text ext=text".
func shard(t testing.TB, path string, samples ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := webdataset.NewWriter(&b)
	for _, s := range samples {
		words := strings.Fields(s)
		var members []webdataset.Member
		for _, m := range words[1:] {
			ext, text, _ := strings.Cut(m, "=")
			members = append(members, webdataset.Member{Ext: ext, Data: []byte(text)})
		}
		if err := w.Write(words[0], members); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is wrong with a sample is an error of that sample, which names shard, key and
// place; others are read.
func TestWebDatasetSampleErrors(t *testing.T) {
	dir := t.TempDir()
	name := shard(t, filepath.Join(dir, "s.tar"),
		"a/0 jpg=x cls=1", "a/1 png=x cls=2", "a/2 jpg=x", "a/3 jpg=x cls=1 txt=more", "a/4 jpg=x cls=one", "a/5 jpg=x cls=7", "a/6 jpg=x png=y cls=1", "a/7 cls=0 jpeg=x")
	for _, opts := range []*source.WebDatasetOptions{nil, {Store: shelf{dir}}} {
		name := name
		if opts != nil {
			name = "mem:///s.tar"
		}
		w := openTars(t, nil, opts, name)
		for i, want := range map[int]string{
			2: `no member .cls for field "label"; it has .jpg`,
			3: `mixed fields: it has the members .jpg, .cls, .txt; those of the first sample make the fields image, label`,
			4: `member .cls at byte 9728, field "label": expected a whole number of 64 bits, found "one"`,
			6: `mixed fields: it has the members .jpg, .png, .cls`,
			0: "", 1: "", 5: "", 7: "",
		} {
			values, key, err := w.Sample(t.Context(), i)
			if want == "" {
				if err != nil || len(values) != 2 || string(values[0].([]byte)) != "x" {
					t.Errorf("sample %d: got %v, %v", i, values, err)
				}
				continue
			}
			if err == nil || values != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf(`s.tar: sample "a/%d" at byte `, i)) {
				t.Errorf("sample %d: got %v, %v, want %q", i, values, err, want)
			}
			if key != fmt.Sprintf("a/%d.jpg", i) {
				t.Errorf("sample %d: key %q", i, key)
			}
		}
		w = openTars(t, nil, &source.WebDatasetOptions{Classes: []string{"zero", "one"}, Store: shelf{dir}}, name)
		if values, _, err := w.Sample(t.Context(), 4); err != nil || values[1] != int64(1) {
			t.Errorf("a class by its name: got %v, %v", values, err)
		}
		if _, _, err := w.Sample(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "label 7") {
			t.Errorf("label 7 of 2 classes: got %v", err)
		}
	}
	w := openTars(t, specs(t, "n=ndarray:column=cls,dtype=<f4,shape=2"), nil, name)
	if _, _, err := w.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "npy") {
		t.Errorf("no .npy: got %v", err)
	}
	for _, i := range []int{-1, w.Len()} {
		if _, _, err := w.Sample(t.Context(), i); err == nil {
			t.Errorf("sample %d: no error", i)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := w.Sample(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
	if _, err := w.Identity(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

func TestOpenWebDatasetRefuses(t *testing.T) {
	dir := t.TempDir()
	good := shard(t, filepath.Join(dir, "good.tar"), "a jpg=x cls=1")
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := write("cut.tar", raw[:1536])
	var up bytes.Buffer
	x := tar.NewWriter(&up)
	if err := errors.Join(x.WriteHeader(&tar.Header{Name: "../../a.jpg"}), x.Close()); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(tars, "packed.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(packed)
	broken[len(broken)-5] ^= 1
	pack := specs(t, "label=int:column=cls")
	for _, test := range []struct {
		name  string
		specs []source.Spec
		opts  *source.WebDatasetOptions
		want  []string
	}{
		{cut, nil, nil, []string{"cut.tar", `"a.cls" at byte 1024`, "unexpected EOF"}},
		{"{" + good + "," + cut + "}", nil, nil, []string{"cut.tar"}},
		{write("up.tar", up.Bytes()), nil, nil, []string{"up.tar", "climbs out", "../../a.jpg"}},
		{write("text.tar", []byte("hello")), nil, nil, []string{"text.tar", "no tar archive"}},
		{write("none.tar", nil), nil, nil, []string{"none.tar", "no tar archive"}},
		{tars + "/empty.tar", nil, nil, []string{"no samples"}},
		{tars + "/packed.tar.xz", nil, nil, []string{"packed.tar.xz", "xz", "unpack it first"}},
		{write("cut.tar.gz", packed[:len(packed)-9]), nil, nil, []string{"cut.tar.gz", "unexpected EOF"}},
		{write("half.tar.gz", packed[:len(packed)/2]), nil, nil, []string{"half.tar.gz", "unexpected EOF"}},
		{write("broken.tar.gz", broken), nil, nil, []string{"broken.tar.gz", "checksum"}},
		{"pipe:cat x", nil, nil, []string{"programs are not run"}},
		{filepath.Join(dir, "missing.tar"), nil, nil, []string{"missing.tar"}},
		{dir, nil, nil, []string{"a folder; expected shards, such as", "*.tar"}},
		{"s3://bucket/a.tar", nil, nil, []string{"no store"}},
		{good, specs(t, "a=int:file=x.npy"), nil, []string{"column="}},
		{good, specs(t, "a=bytes:inline=true"), nil, []string{"inline="}},
		{good, specs(t, "a=int:column=;"), nil, []string{"extensions such as"}},
		{good, specs(t, "a=ndarray:column=npy"), nil, []string{"no dtype or no shape"}},
		{good, specs(t, "a=rgb:column=jpg"), &source.WebDatasetOptions{Classes: []string{"a"}}, []string{"no field of whole numbers"}},
		{good, pack, &source.WebDatasetOptions{Classes: []string{"a", "b", "a"}}, []string{`"a" is named twice`}},
	} {
		w, err := source.OpenWebDataset(t.Context(), []string{test.name}, test.specs, test.opts)
		if err == nil || w != nil {
			t.Errorf("%s: got %v, %v", test.name, w, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want it to tell of %q", test.name, err, want)
			}
		}
	}
	if _, err := source.OpenWebDataset(t.Context(), []string{filepath.Join(dir, "missing.tar")}, nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	var spec *source.SpecError
	if _, err := source.OpenWebDataset(t.Context(), []string{good}, specs(t, "a=int:file=x.npy"), nil); !errors.As(err, &spec) {
		t.Errorf("got %v, want a SpecError", err)
	}
}

// Samples of compressed shards can be read in any order, again, and at the same time.
func TestWebDatasetPacked(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	w := openTars(t, nil, nil, tars+"/packed.tar.gz", tars+"/packed.tar.bz2")
	want := map[int]string{}
	done := make(chan map[int]string)
	for range 4 {
		go func() {
			got := map[int]string{}
			for _, i := range []int{5, 0, 3, 0, 1, 2, 4, 5, 5} {
				values, key, err := w.Sample(t.Context(), i)
				if err != nil {
					t.Error(err)
				}
				got[i] = fmt.Sprintf("%s %x", key, values)
			}
			done <- got
		}()
	}
	for i := range 4 {
		got := <-done
		if i == 0 {
			want = got
		}
		if !maps.Equal(got, want) || len(got) != 6 {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for i := range 3 {
		if want[i] != want[i+3] {
			t.Errorf("sample %d by gzip is %s, by bzip2 %s", i, want[i], want[i+3])
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What belongs to no sample is told.
func TestWebDatasetSkipped(t *testing.T) {
	w := openTars(t, specs(t, "x=bytes:column=jpg"), nil, tars+"/odd.tar")
	var got []string
	for _, s := range w.Skipped() {
		got = append(got, s.Path)
	}
	if want := []string{"odd.tar/__meta__", "odd.tar/__meta__/x.jpg", "odd.tar/__meta__/deep/x.jpg", "odd.tar/README"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Members without bytes are read from a compressed shard as from another.
func TestWebDatasetPackedEmpty(t *testing.T) {
	var plain, packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := webdataset.NewWriter(io.MultiWriter(&plain, z))
	for i := range 40 { // of which most begin behind the end of the compressed file
		if err := w.Write(fmt.Sprintf("k%02d", i), []webdataset.Member{{Ext: "txt"}, {Ext: "bin", Data: make([]byte, i%2)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	names := []string{filepath.Join(dir, "a.tar"), filepath.Join(dir, "b.tar.gz")}
	for i, b := range [][]byte{plain.Bytes(), packed.Bytes()} {
		if err := os.WriteFile(names[i], b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	d := openTars(t, nil, nil, names...)
	for i := range d.Len() {
		values, _, err := d.Sample(t.Context(), i)
		if err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
		if a, b := values[0].([]byte), values[1].([]byte); len(a) != 0 || len(b) != i%2 {
			t.Errorf("sample %d: got %q, %q", i, a, b)
		}
	}
}

// Shards with other labels in files of the same size are another source.
func TestWebDatasetChanged(t *testing.T) {
	var seen []string
	for _, label := range []string{"1", "2", "3"} {
		for _, pack := range []string{"", ".gz"} {
			var buf bytes.Buffer
			out := io.WriteCloser(struct {
				io.Writer
				io.Closer
			}{&buf, io.NopCloser(nil)})
			if pack != "" {
				out = gzip.NewWriter(&buf)
			}
			w := webdataset.NewWriter(out)
			for _, key := range []string{"a", "b"} {
				if err := w.Write(key, []webdataset.Member{{Ext: "bin", Data: make([]byte, 700)}, {Ext: "cls", Data: []byte(label)}}); err != nil {
					t.Fatal(err)
				}
			}
			name := filepath.Join(t.TempDir(), "x.tar")
			err := errors.Join(w.Close(), out.Close())
			if err = errors.Join(err, os.WriteFile(name, buf.Bytes(), 0o666)); err != nil {
				t.Fatal(err)
			}
			list, err := openTars(t, nil, nil, name).Traits(t.Context())
			text := fmt.Sprint(list)
			if err != nil || slices.Contains(seen, text) != (pack != "") {
				t.Errorf("label %s, %q: %v, %s; before %s", label, pack, err, text, seen)
			}
			seen = append(seen, text)
		}
	}
}

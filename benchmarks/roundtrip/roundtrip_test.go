package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
)

// tell says all that a file holds, as ffcv dump does.
func tell(_ context.Context, name string) (string, error) {
	f, err := ffcv.Open(name, nil)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var out bytes.Buffer
	for i := range f.Len() {
		key, err := f.Key(i)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%d %s\n", i, key)
		for k, d := range f.Fields() {
			v, err := f.Value(i, k)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "  %s: %s\n", d.Name, describe(v))
		}
	}
	return out.String(), nil
}

func describe(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%016x", math.Float64bits(v))
	case []byte:
		return sum(v)
	case json.RawMessage:
		return string(v)
	case array.Array:
		return fmt.Sprintf("%v %s", v.Spec, sum(v.Data))
	case rgb.Encoded:
		return fmt.Sprintf("%v %dx%d %s", v.JPEG, v.Width, v.Height, sum(v.Data))
	case rgb.Raster:
		return fmt.Sprintf("%dx%d %d %d %s", v.Width, v.Height, v.Channels, v.Depth, sum(v.Pix))
	}
	return fmt.Sprint(v)
}

// TestRoundTrips: photographs come back from every format as they were, read by
// our own sources; the peers' libraries are the program's to ask.
func TestRoundTrips(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "from"), photos.FS); err != nil {
		t.Fatal(err)
	}
	trip := &trip{dir: dir, log: io.Discard, rounds: 1, dump: tell}
	if err := trip.begin(t.Context(), filepath.Join(dir, "from"), 20); err != nil {
		t.Fatal(err)
	}
	if len(trip.truth) != 20 || trip.truth[19].Label == 0 {
		t.Fatalf("%d photographs, the last one %+v", len(trip.truth), trip.truth[len(trip.truth)-1])
	}
	for _, f := range export.Formats() {
		if err := trip.around(t.Context(), f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	trip.print(io.Discard)
}

// everything is a file with a field of every kind that formats have.
func everything(t *testing.T, dir string) string {
	t.Helper()
	specs := []ffcv.FieldSpec{
		{Name: "image", Field: &fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "mask", Field: fields.Image{}},
		{Name: "deep", Field: fields.Image{Channels: 4, DType: array.Uint16}},
		{Name: "label", Field: fields.Int{}},
		{Name: "count", Field: fields.Int{}},
		{Name: "score", Field: fields.Float{}},
		{Name: "about", Field: fields.LZ4{Of: fields.JSON{}}},
		{Name: "text", Field: fields.Bytes{}},
		{Name: "emb", Field: fields.NDArray{DType: array.Float32, Shape: []int{2, 3}}},
	}
	path := filepath.Join(dir, "first.beton")
	w, err := ffcv.Create(path, specs, &ffcv.Options{Classes: []string{"one", "two"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(t.Context(), many{}, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// many is made-up samples.
type many struct{}

func (many) Len() int { return 30 }

func (many) Sample(_ context.Context, i int) ([]any, string, error) {
	pix := func(n int) []byte {
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(k*k + i*k>>2)
		}
		return b
	}
	w, h := 8+i%5, 6+i%3
	return []any{
		rgb.Image{Width: w, Height: h, Pix: pix(3 * w * h)},
		rgb.Raster{Width: w, Height: h, Channels: 1, Depth: 1, Pix: pix(w * h)},
		rgb.Raster{Width: w, Height: h, Channels: 4, Depth: 2, Pix: pix(8 * w * h)},
		i % 2, i*1000 - 7, math.Sqrt(float64(i)), fields.JSONText(fmt.Sprintf(`{"i": %d, "of": [1, 2]}`, i)),
		pix(i * 3), []float32{float32(i), 1, 2, 3, 4, float32(math.Inf(1))},
	}, fmt.Sprintf("dir/%02d.png", i), nil
}

// columns say what the fields of everything were, and where they are in a folder's
// metadata.jsonl and in tar.
var columns = []struct{ spec, folder, tar string }{
	{"image=rgb:mode=raw,", "file_name", "png"},
	{"mask=image:channels=1,", "mask_file_name", "mask.png"},
	{"deep=image:channels=4,dtype=<u2,", "deep_file_name", "deep.png"},
	{"label=int:", "label", "cls"},
	{"count=int:", "count", "count.cls"},
	{"score=float:", "score", "score.txt"},
	{"about=json:lz4=true,", "about", "about.json"},
	{"text=bytes:", "text_path", "text.bin"},
	{"emb=ndarray:dtype=<f4,shape=2x3,", "emb_path,inline=false", "emb.npy"},
}

// TestEveryField: values of all kinds come back from every format, where the
// import is told what they were.
func TestEveryField(t *testing.T) {
	dir := t.TempDir()
	path := everything(t, dir)
	want, err := tell(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, format := range export.Formats() {
		out := filepath.Join(dir, string(format))
		if _, err := export.Write(t.Context(), f, out, &export.Options{Format: format, ShardSize: 10_000}); err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		var r build.Recipe
		var list []string
		for _, c := range columns {
			at, ok := map[export.Format]string{export.Folder: c.folder, export.Tar: c.tar}[format]
			if !ok {
				at, _, _ = strings.Cut(c.spec, "=")
			}
			list = append(list, c.spec+"column="+at)
		}
		switch format {
		case export.Folder:
			r.Table = &build.Table{File: filepath.Join(out, "metadata.jsonl"), Fields: list}
		case export.Tar:
			r.WebDataset = &build.WebDataset{Shards: []string{filepath.Join(out, "*.tar")}, Fields: list}
		case export.Parquet:
			r.Parquet = &build.Parquet{Files: []string{out}, Fields: list}
		case export.MDS:
			r.MDS = &build.MDS{Dirs: []string{out}, Fields: list}
		}
		trip := &trip{dir: dir}
		again := filepath.Join(dir, string(format)+".beton")
		if err := trip.pack(t.Context(), r, again); err != nil {
			t.Errorf("%s imported: %v", format, err)
			continue
		}
		got, err := tell(t.Context(), again)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if format == export.Folder { // keys are where the picture was found
			got = strings.NewReplacer(" image/one/", " ", " image/two/", " ").Replace(got)
		}
		compareText(t, string(format), got, want)
	}
}

// compareText tells the first line in which two texts differ.
func compareText(t *testing.T, what, got, want string) {
	t.Helper()
	a, b := bytes.Split([]byte(got), []byte("\n")), bytes.Split([]byte(want), []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			t.Errorf("%s: line %d is\n%s, want\n%s", what, i, a[i], b[i])
			return
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s: %d lines, want %d", what, len(a), len(b))
	}
}

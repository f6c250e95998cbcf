package build_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/splice"
)

// betonOf packs what b names, and opens the file.
func betonOf(t *testing.T, r build.Recipe) (*ffcv.File, string, *fields.ImageStats) {
	t.Helper()
	r.Writer.PageSize = 2 << 20
	var stats fields.ImageStats
	s, err := r.Open(t.Context(), &build.OpenOptions{Images: &stats})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "b.beton")
	if _, err := r.Write(t.Context(), s, path, nil); err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	return f, path, &stats
}

// All of a file as it is are the same bytes, and some are what a subset of it is.
func TestBetonKept(t *testing.T) {
	from := direct(t, folder(t, nil))
	f, path, stats := betonOf(t, build.Recipe{Beton: &build.Beton{File: from}})
	if a, b := sum(t, from), sum(t, path); a != b || stats.Images() != 0 {
		t.Errorf("the copy has the SHA-256 %s, the file %s; %d images encoded", b, a, stats.Images())
	}
	subset := filepath.Join(t.TempDir(), "s.beton")
	if _, err := splice.Subset(t.Context(), subset, f, splice.Selection{Indices: []int{3, 0, 2, 0}}, nil); err != nil {
		t.Fatal(err)
	}
	_, path, _ = betonOf(t, build.Recipe{Beton: &build.Beton{File: from, Indices: "3,0,2,-" + fmt.Sprint(f.Len())}})
	if a, b := sum(t, subset), sum(t, path); a != b {
		t.Errorf("the subset has the SHA-256 %s, splice's %s", b, a)
	}
	list := filepath.Join(t.TempDir(), "i.txt")
	if err := os.WriteFile(list, []byte("3 0\n2,0\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, path, _ = betonOf(t, build.Recipe{Beton: &build.Beton{File: from, IndexFile: list}})
	if a, b := sum(t, subset), sum(t, path); a != b {
		t.Errorf("the subset by a file has the SHA-256 %s, splice's %s", b, a)
	}
}

func TestBetonEncodedAnew(t *testing.T) {
	from := direct(t, folder(t, nil))
	whole, err := ffcv.Open(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	raw, _, _ := betonOf(t, build.Recipe{Beton: &build.Beton{File: from, Fields: []string{"label", "image"}}, Image: build.Image{Mode: "raw", MaxResolution: 40}})
	if raw.Fields()[0].Name != "label" || !slices.Equal(raw.Classes(), whole.Classes()) {
		t.Errorf("fields %v, classes %v", raw.Fields(), raw.Classes())
	}
	// Raw images that are shrunk stay raw, JPEGs that fit keep their bytes.
	again, _, stats := betonOf(t, build.Recipe{Beton: &build.Beton{File: raw.Name()}, Image: build.Image{MaxResolution: 20}})
	kept, _, _ := betonOf(t, build.Recipe{Beton: &build.Beton{File: from}, Image: build.Image{MaxResolution: 60000}})
	for i := range whole.Len() {
		a, b := image(t, whole, i), image(t, kept, i)
		if b.JPEG != a.JPEG || !bytes.Equal(a.Data, b.Data) {
			t.Errorf("sample %d: a JPEG that needs no change is another one", i)
		}
		if c, d := image(t, raw, i), image(t, again, i); c.JPEG || d.JPEG || max(c.Width, c.Height) > 40 || max(d.Width, d.Height) > 20 {
			t.Errorf("sample %d: %v and %v", i, c, d)
		}
		a1, _ := whole.Key(i)
		if b1, err := again.Key(i); err != nil || a1 != b1 {
			t.Errorf("sample %d: key %q, want %q, %v", i, b1, a1, err)
		}
	}
	if n := stats.Raw.Load(); n != int64(whole.Len()) {
		t.Errorf("%d images were stored raw, want %d", n, whole.Len())
	}
}

func image(t *testing.T, f *ffcv.File, i int) rgb.Encoded {
	t.Helper()
	e, err := f.Image(i, f.FieldIndex("image"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestBetonRefuses(t *testing.T) {
	from := direct(t, folder(t, nil))
	for _, tt := range []struct {
		b    build.Beton
		want string
	}{
		{build.Beton{}, "without a file"},
		{build.Beton{File: from, Indices: "1:2:0"}, "a step of 0"},
		{build.Beton{File: from, Indices: "x"}, `"x"; expected numbers`},
		{build.Beton{File: from, Indices: "0,9999"}, "number 1 is 9999; the file has"},
		{build.Beton{File: from, Indices: "1", IndexFile: "x"}, "expected one"},
		{build.Beton{File: from, Fields: []string{"mask"}}, `"mask" is not in`},
		{build.Beton{File: from, Fields: []string{"image", "image"}}, "used twice"},
		{build.Beton{File: photos}, "photos"},
	} {
		r := build.Recipe{Beton: &tt.b}
		if s, err := r.Open(context.Background(), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v; want an error with %q", tt.b, s, err, tt.want)
		}
	}
}

func TestParseIndices(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string
	}{
		{"", "[]"}, {"0,5,7", "[0 5 7]"}, {"2:5", "[2 3 4]"}, {":2,-1", "[0 1 9]"}, {"-3:", "[7 8 9]"},
		{"::4", "[0 4 8]"}, {"::-4", "[9 5 1]"}, {"5:100", "[5 6 7 8 9]"}, {"5:2", "[]"}, {"-100:2", "[0 1]"},
		{"8::9223372036854775807", "[8]"}, {"8::-9223372036854775807", "[8]"}, {"[1, 2]", "[1 2]"},
	} {
		got, err := build.ParseIndices(tt.text, 10)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%q: %v, %v; want %s", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"a", "1:b", "1:2:3:4", "1:2:0", "1.5"} {
		if got, err := build.ParseIndices(text, 10); err == nil {
			t.Errorf("%q: %v; want an error", text, got)
		}
	}
}

// A plan has all of it in JSON, and builds the same file.
func TestBetonPlan(t *testing.T) {
	r := build.Recipe{Beton: &build.Beton{File: direct(t, folder(t, nil)), Indices: "1:9:2"}, Writer: build.Writer{PageSize: 2 << 20}}
	p := plan(t, r, 2)
	if text, err := json.Marshal(p.Recipe.Beton); err != nil || !strings.Contains(string(text), `"indices":"1:9:2"`) {
		t.Errorf("%s, %v", text, err)
	}
	buildAll(t, p, []int{1, 0})
	same(t, merge(t, p), direct(t, r))
}

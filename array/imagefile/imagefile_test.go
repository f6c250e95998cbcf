package imagefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/imagefile"
	"github.com/betongo/betongo/internal/formattest"
	"github.com/betongo/betongo/rgb"
)

func pixels(t testing.TB, dtype string, shape ...int) array.Array {
	t.Helper()
	d, err := array.ParseDType(dtype)
	if err != nil {
		t.Fatal(err)
	}
	spec := array.Spec{DType: d, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/11)
	}
	a, err := array.New(spec, b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func write(t testing.TB, path string, opts *imagefile.CreateOptions, a array.Array, names any) error {
	t.Helper()
	w, err := imagefile.Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	m := array.Member{Name: "a", Spec: a.Spec}
	if names != nil {
		m.Attrs = map[string]any{imagefile.Files: names}
	}
	s, err := w.Add(m)
	if err != nil {
		return err
	}
	if err := array.Copy(s, array.StreamOf(a.Strided(), 300), nil); err != nil {
		return err
	}
	return errors.Join(s.Close(), w.Close())
}

// read returns the one array, by Array and by Stream, which must be the same.
func read(t testing.TB, path string) (array.Member, array.Array) {
	t.Helper()
	f, err := imagefile.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := f.Members()[0]
	whole, err := f.Array(m.Name)
	if err != nil {
		t.Fatal(err)
	}
	a := whole.AsContiguous()
	for _, chunk := range []int{1, 500, 0} {
		s, err := f.Stream(m.Name, chunk)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		rows, err := s.Next()
		for ; err == nil; rows, err = s.Next() {
			got = append(got, rows.Data...)
		}
		if err != io.EOF || !bytes.Equal(got, a.Data) {
			t.Errorf("%s: a stream of %d bytes at a time differs: %v", path, chunk, err)
		}
		s.Close()
		if _, err := s.Next(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("a closed stream: %v", err)
		}
	}
	return m, a
}

// TestRoundTrip writes PNGs of every kind and reads the same values.
func TestRoundTrip(t *testing.T) {
	for _, dtype := range []string{"u1", "u2", ">u2"} {
		for _, shape := range [][]int{{20, 5, 7}, {3, 5, 7, 1}, {5, 6, 4, 3}, {5, 6, 4, 4}, {1, 1, 1}} {
			dir := filepath.Join(t.TempDir(), "out")
			a := pixels(t, dtype, shape...)
			if err := write(t, dir, nil, a, nil); err != nil {
				t.Fatal(err)
			}
			m, got := read(t, dir)
			want := a
			if dtype == ">u2" {
				want = array.SwapBytes(a)
			}
			if len(shape) == 4 && shape[3] == 1 {
				want.Shape = shape[:3] // gray has no axis of channels
			}
			if !got.Spec.Equal(want.Spec) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%s %v: %v differs", dtype, shape, got.Spec)
			}
			if names := m.Attrs[imagefile.Files].([]string); names[0] != "000000.png" || len(names) != shape[0] {
				t.Errorf("names %v", names)
			}
		}
	}
}

// TestOpaque keeps alpha that is opaque everywhere.
func TestOpaque(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	a := pixels(t, "u1", 3, 3, 4)
	for i := 3; i < len(a.Data); i += 4 {
		a.Data[i] = 255
	}
	if err := write(t, path, nil, a, nil); err != nil {
		t.Fatal(err)
	}
	m, got := read(t, path)
	if m.Name != imagefile.Single || !bytes.Equal(got.Data, a.Data) || !got.Spec.Equal(a.Spec) {
		t.Errorf("%s %v %v", m.Name, got.Spec, got.Data)
	}
}

// TestNames keeps the files' names, in folders too.
func TestNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a := pixels(t, "u1", 3, 4, 4, 3)
	if err := write(t, dir, nil, a, []any{"b.jpg", "b.png", "in/a.jpeg"}); err != nil {
		t.Fatal(err)
	}
	m, got := read(t, dir)
	if names := m.Attrs[imagefile.Files].([]string); !slices.Equal(names, []string{"b.png", "b.png.png", "in/a.png"}) || !bytes.Equal(got.Data, a.Data) {
		t.Errorf("names %v", names)
	}
	for what, names := range map[string]any{
		"too few": []string{"a", "b"}, "outside": []string{"a", "b", "../c"}, "rooted": []string{"a", "b", "/c"}, "twice": []string{"a", "b", "b"},
		"numbers": []any{1, 2, 3}, "text": "abc", "backslash": []string{"a", "b", `..\c`}, "empty": []string{"", "a", "b"},
	} {
		to := filepath.Join(t.TempDir(), "out")
		if what == "twice" {
			names = []string{"a", "b.png", "b.png"}
		}
		if err := write(t, to, nil, a, names); err == nil && what != "empty" {
			t.Errorf("%s: no error", what)
		} else if _, err := os.Stat(to); err == nil && what != "empty" {
			t.Errorf("%s: something is left", what)
		}
	}
}

// TestJPEG writes what package rgb encodes.
func TestJPEG(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	a := pixels(t, "u1", 2, 16, 16, 3)
	if err := write(t, dir, &imagefile.CreateOptions{Quality: 85}, a, nil); err != nil {
		t.Fatal(err)
	}
	want, err := rgb.EncodeJPEG(nil, rgb.Image{Width: 16, Height: 16, Pix: a.Data[768:]}, 85)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "000001.jpg"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("another file; %v", err)
	}
	if _, got := read(t, dir); !slices.Equal(got.Shape, a.Shape) {
		t.Errorf("%v", got.Spec)
	}
	gray := filepath.Join(t.TempDir(), "a.jpeg")
	if err := write(t, gray, nil, pixels(t, "u1", 9, 8), nil); err != nil {
		t.Fatal(err)
	}
	if _, got := read(t, gray); !slices.Equal(got.Shape, []int{9, 8}) {
		t.Errorf("%v", got.Spec)
	}
}

// encoded is an image in every format that can be written here.
func encoded(t testing.TB, format string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case ".png":
		err = png.Encode(&b, img)
	case ".jpg":
		err = jpeg.Encode(&b, img, nil)
	case ".gif":
		err = gif.Encode(&b, img, nil)
	case ".bmp":
		err = bmp.Encode(&b, img)
	case ".tiff":
		err = tiff.Encode(&b, img, &tiff.Options{Compression: tiff.Deflate})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFormats compares what is read with the standard library's pixels.
func TestFormats(t *testing.T) {
	box := image.Rect(0, 0, 6, 4)
	paint := func(set func(x, y int, c color.Color)) {
		for y := range 4 {
			for x := range 6 {
				set(x, y, color.NRGBA64{uint16(x * 9999), uint16(y * 9999), uint16(x * y * 999), uint16(0xffff - x*4000)})
			}
		}
	}
	opaque, gray, gray16 := image.NewRGBA(box), image.NewGray(box), image.NewGray16(box)
	alpha, alpha16, deep := image.NewNRGBA(box), image.NewNRGBA64(box), image.NewRGBA64(box)
	paint(func(x, y int, c color.Color) {
		n := c.(color.NRGBA64)
		alpha.Set(x, y, c)
		alpha16.Set(x, y, c)
		n.A = 0xffff
		opaque.Set(x, y, n)
		deep.Set(x, y, n)
		gray.Set(x, y, n)
		gray16.Set(x, y, n)
	})
	for _, c := range []struct {
		format, name string
		img          image.Image
		channels     int
		size         int
	}{
		{".png", "rgb", opaque, 3, 1}, {".png", "gray", gray, 1, 1}, {".png", "gray16", gray16, 1, 2}, {".png", "alpha", alpha, 4, 1},
		{".png", "alpha16", alpha16, 4, 2}, {".png", "rgb16", deep, 3, 2}, {".bmp", "rgb", opaque, 3, 1}, {".gif", "rgb", opaque, 3, 1},
		{".tiff", "rgb", opaque, 3, 1}, {".tiff", "gray", gray, 1, 1}, {".tiff", "gray16", gray16, 1, 2}, {".tiff", "alpha", alpha, 4, 1},
		{".jpg", "rgb", opaque, 3, 1}, {".jpg", "gray", gray, 1, 1},
	} {
		path := filepath.Join(t.TempDir(), "a"+c.format)
		data := encoded(t, c.format, c.img)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, got := read(t, path)
		want := []int{4, 6, c.channels}
		if c.channels == 1 {
			want = want[:2]
		}
		if !slices.Equal(got.Shape, want) || got.DType.ItemSize() != c.size {
			t.Errorf("%s of %s: %v, want %v of %d bytes", c.format, c.name, got.Spec, want, c.size)
			continue
		}
		if c.format == ".jpg" || c.format == ".gif" {
			continue
		}
		for y := range 4 {
			for x := range 6 {
				p := color.NRGBA64Model.Convert(c.img.At(x, y)).(color.NRGBA64)
				for i, v := range []uint16{p.R, p.G, p.B, p.A}[:c.channels] {
					at := ((y*6+x)*c.channels + i) * c.size
					if g := uint16(got.Data[at]); c.size == 1 && g != v>>8 {
						t.Fatalf("%s of %s: pixel %d, %d: %d, want %d", c.format, c.name, x, y, g, v>>8)
					} else if c.size == 2 && g|uint16(got.Data[at+1])<<8 != v {
						t.Fatalf("%s of %s: pixel %d, %d: %d, want %d", c.format, c.name, x, y, g, v)
					}
				}
			}
		}
	}
}

// folder writes images of one size and kind by name.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMixed makes gray images coloured, gives alpha, and names what can't be
// one array.
func TestMixed(t *testing.T) {
	gray := encoded(t, ".png", image.NewGray(image.Rect(0, 0, 3, 2)))
	rgba := encoded(t, ".png", image.NewNRGBA(image.Rect(0, 0, 3, 2)))
	wide := encoded(t, ".png", image.NewGray(image.Rect(0, 0, 4, 2)))
	deep := encoded(t, ".png", image.NewGray16(image.Rect(0, 0, 3, 2)))
	dir := folder(t, map[string][]byte{"a.png": gray, "b/c.png": rgba, "notes.txt": []byte("x"), ".hidden.png": wide, ".git/x.png": wide})
	f, err := imagefile.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Skipped(); len(got) != 3 {
		t.Errorf("left aside: %v", got)
	}
	_, a := read(t, dir)
	if !slices.Equal(a.Shape, []int{2, 2, 3, 4}) || a.Data[3] != 255 || a.Data[24+3] != 0 {
		t.Errorf("%v %v", a.Spec, a.Data)
	}
	for what, c := range map[string]struct {
		files map[string][]byte
		says  []string
	}{
		"sizes":    {map[string][]byte{"a.png": gray, "b.png": gray, "c.png": wide}, []string{`"c.png"`, "4×2", "3×2", `"a.png"`}},
		"depths":   {map[string][]byte{"a.png": gray, "b.png": deep}, []string{`"b.png"`, "16 bits"}},
		"no image": {map[string][]byte{"a.png": gray, "b.png": []byte("text")}, []string{`"b.png"`}},
		"none":     {map[string][]byte{"a.txt": gray[:4]}, []string{"no image"}},
	} {
		dir := folder(t, c.files)
		_, err := imagefile.Open(dir, nil)
		var bad *imagefile.FormatError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, s := range append(c.says, dir) {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v, want %s in it", what, err, s)
			}
		}
	}
}

// TestRefused tells what can't be written, and leaves nothing.
func TestRefused(t *testing.T) {
	for what, c := range map[string]struct {
		name    string
		quality int
		a       array.Array
	}{
		"floats":        {"out", 0, pixels(t, "f4", 1, 2, 2)},
		"deep JPEG":     {"out", 90, pixels(t, "u2", 1, 2, 2)},
		"alpha JPEG":    {"out", 90, pixels(t, "u1", 1, 2, 2, 4)},
		"two channels":  {"out", 0, pixels(t, "u1", 1, 2, 2, 2)},
		"one dimension": {"out", 0, pixels(t, "u1", 4)},
		"a scalar":      {"out", 0, pixels(t, "u1")},
		"no pixels":     {"out", 0, pixels(t, "u1", 1, 0, 2)},
		"many in one":   {"a.png", 0, pixels(t, "u1", 2, 2, 2, 3)},
		"quality":       {"out", 101, pixels(t, "u1", 1, 2, 2)},
	} {
		dir := t.TempDir()
		if err := write(t, filepath.Join(dir, c.name), &imagefile.CreateOptions{Quality: c.quality}, c.a, nil); err == nil {
			t.Errorf("%s: no error", what)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v is left, %v", what, entries, err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.png")
	if err := write(t, path, nil, pixels(t, "u1", 2, 2), nil); err != nil {
		t.Fatal(err)
	}
	if err := write(t, path, nil, pixels(t, "u1", 2, 2), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := write(t, path, &imagefile.CreateOptions{Overwrite: true}, pixels(t, "u1", 3, 2), nil); err != nil {
		t.Error(err)
	}
}

// TestTruncated cuts images anywhere.
func TestTruncated(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 9, 9))
	for i := range img.Pix {
		img.Pix[i] = byte(i)
	}
	for _, format := range []string{".png", ".tiff", ".bmp", ".gif"} {
		whole := encoded(t, format, img)
		path := filepath.Join(t.TempDir(), "a"+format)
		for n := range len(whole) - 16 {
			if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
				t.Fatal(err)
			}
			f, err := imagefile.Open(path, nil)
			if err == nil {
				_, err = f.Array("")
			}
			if err == nil && format == ".png" || err != nil && !strings.Contains(err.Error(), path) {
				t.Fatalf("%s of %d bytes: %v", format, n, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, format := range []string{".png", ".tiff", ".bmp", ".gif", ".jpg"} {
		f.Add(encoded(f, format, image.NewGray(image.Rect(0, 0, 3, 3))))
		f.Add(encoded(f, format, image.NewNRGBA(image.Rect(0, 0, 3, 3))))
		if format != ".jpg" {
			f.Add(encoded(f, format, image.NewRGBA64(image.Rect(0, 0, 2, 2))))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		file, err := imagefile.Open(path, nil)
		if err != nil {
			return
		}
		if n, err := file.Members()[0].Spec.Bytes(); err != nil || n > 16<<20 {
			return
		}
		file.Array("")
	})
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "images")

	w, err := imagefile.Create(path, nil)
	if err != nil {
		panic(err)
	}
	two, _ := array.Of(make([]uint8, 2*4*6*3), 2, 4, 6, 3)
	s, err := w.Add(array.Member{Name: "images", Spec: two.Spec, Attrs: map[string]any{"files": []string{"cat.jpg", "dog.jpg"}}})
	if err != nil {
		panic(err)
	}
	s.Write(two) // an error comes back from Close too
	s.Close()
	if err := w.Close(); err != nil {
		panic(err)
	}

	f, err := imagefile.Open(path, nil)
	if err != nil {
		panic(err)
	}
	for _, m := range f.Members() {
		fmt.Println(m.Name, m.Spec, m.Attrs)
	}
	// Output: images |u1 (2, 4, 6, 3) map[files:[cat.png dog.png]]
}

// TestOverwriteFolder: what is no folder of images is never replaced.
func TestOverwriteFolder(t *testing.T) {
	formattest.OverwriteFolder(t, "a", func(path string) error {
		return write(t, path, &imagefile.CreateOptions{Overwrite: true}, pixels(t, "u1", 1, 2, 2), nil)
	})
}

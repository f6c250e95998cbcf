package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/internal/scripttest"
	"github.com/betongo/betongo/rgb"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ffcvwrite": main,
		"beton":     beton,
	})
}

func TestScripts(t *testing.T) { scripts(t, "script") }

// TestS3Scripts runs the scripts that need an object store: a real server, whose
// bucket is s3://data, as files below $BUCKET.
func TestS3Scripts(t *testing.T) {
	s := s3test.Start(t)
	scripts(t, "s3", append(s.Env, "BUCKET="+s.Folder)...)
}

func scripts(t *testing.T, dir string, vars ...string) {
	testscript.Run(t, testscript.Params{
		Dir:       filepath.Join("testdata", dir),
		Condition: scripttest.Condition,
		Cmds:      scripttest.Commands(map[string]scripttest.Command{"photo": photo, "mask": mask, "values": values, "flip": flip, "cifar": cifar, "idx": idx}),
		Setup: func(e *testscript.Env) error {
			e.Vars = slices.Concat(e.Vars, scripttest.Inherited(), vars)
			return nil
		},
	})
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte("i\n1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	got := run(ctx, []string{"table", filepath.Join(dir, "t.csv"), "--field=i=int", "-o", filepath.Join(dir, "out.beton")}, &stdout, &stderr)
	if want := "ffcvwrite: error: interrupted; no file was written\n"; got != 1 || stderr.String() != want || stdout.Len() > 0 {
		t.Errorf("got code %d, stdout %q, stderr %q; want 1, nothing, %q", got, stdout.String(), stderr.String(), want)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("files left: %v, %v", names, err)
	}
}

// beton is the program that prints what is in a .beton, a line a thing.
func beton() {
	if err := printBeton(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func printBeton(path string) error {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Verify(context.Background(), func(e *ffcv.FormatError) { err = errors.Join(err, e) }); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	sections, err := f.Sections()
	if err != nil {
		return err
	}
	fmt.Printf("samples %d page %d sections %d classes %q\n", f.Len(), f.Header().PageSize, len(sections), f.Classes())
	for i := range f.Len() {
		key, err := f.Key(i)
		if err != nil {
			return err
		}
		fmt.Printf("%d %q", i, key)
		for k, field := range f.Fields() {
			v, err := f.Value(i, k)
			if err != nil {
				return err
			}
			fmt.Printf(" %s=%s", field.Name, valueText(v))
		}
		fmt.Println()
	}
	return nil
}

func valueText(v any) string {
	switch v := v.(type) {
	case rgb.Encoded:
		// Not a JPEG's size: Go's encoder may change.
		return fmt.Sprintf("%dx%d %s", v.Width, v.Height, map[bool]string{true: "jpeg", false: "raw"}[v.JPEG])
	case rgb.Raster:
		return fmt.Sprintf("%dx%d %d of %d: %d to %d", v.Width, v.Height, v.Channels, v.Depth, v.Pix[0], v.Pix[len(v.Pix)-1])
	case array.Array:
		return fmt.Sprintf("%v %v", v.Spec, v.Data)
	case json.RawMessage:
		return string(v)
	case []byte:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// photo WxH[@ORIENTATION] FILE… writes JPEGs.
func photo(ts *testscript.TestScript, neg bool, args []string) {
	size, orientation, _ := strings.Cut(args[0], "@")
	var w, h int
	if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil || neg {
		ts.Fatalf("usage: photo WxH[@ORIENTATION] FILE…")
	}
	data := jpegOf(w, h)
	if orientation != "" {
		n, err := strconv.Atoi(orientation)
		ts.Check(err)
		data = withOrientation(data, uint16(n))
	}
	for _, name := range args[1:] {
		ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o777))
		ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o666))
	}
}

// jpegOf is a JPEG.
func jpegOf(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{byte(x), byte(y), byte(x + y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err) // a buffer takes all
	}
	return b.Bytes()
}

// mask WxH FILE writes a PNG with a palette, whose indices are x+y.
func mask(ts *testscript.TestScript, neg bool, args []string) {
	var w, h int
	if _, err := fmt.Sscanf(args[0], "%dx%d", &w, &h); err != nil || neg || len(args) != 2 {
		ts.Fatalf("usage: mask WxH FILE")
	}
	img := image.NewPaletted(image.Rect(0, 0, w, h), palette.Plan9)
	for i := range img.Pix {
		img.Pix[i] = byte(i%w + i/w)
	}
	var b bytes.Buffer
	ts.Check(png.Encode(&b, img))
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[1])), 0o777))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b.Bytes(), 0o666))
}

// cifar N FILE writes records of CIFAR-10.
func cifar(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	var b []byte
	for i := range n {
		b = append(append(b, byte(i%10)), make([]byte, 3072)...)
	}
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[1])), 0o777))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o666))
}

// idx FILE SIZE… writes bytes that count from 0.
func idx(ts *testscript.TestScript, neg bool, args []string) {
	b, n := []byte{0, 0, 8, byte(len(args) - 1)}, 1
	for _, text := range args[1:] {
		size, err := strconv.Atoi(text)
		ts.Check(err)
		b = binary.BigEndian.AppendUint32(b, uint32(size))
		n *= size
	}
	for i := range n {
		b = append(b, byte(i))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
}

// withOrientation puts an EXIF segment with that orientation behind the SOI.
func withOrientation(data []byte, orientation uint16) []byte {
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01")
	exif = binary.BigEndian.AppendUint16(exif, orientation)
	exif = append(exif, 0, 0, 0, 0, 0, 0)
	out := append([]byte{}, data[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(exif)+2))
	return append(append(out, exif...), data[2:]...)
}

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// testCase is one command line of ffcvwrite, without output and --resume.
type testCase struct {
	name string
	args []string
	old  bool // a file is there already, and is replaced

	took time.Duration // without interruption
	sum  [32]byte
	counts
}

// counts tell what happened to a case.
type counts struct {
	kills, files, same int
	resumed            int // starts that went on from an earlier one
	anew               int // starts after a kill that began anew: nothing was safe yet
	late               int // kills between the rename and the end
	noted              int // kills of a build that had noted something
	repeated, most     time.Duration
}

func (c *counts) add(o *counts) {
	c.kills, c.files, c.same = c.kills+o.kills, c.files+o.files, c.same+o.same
	c.resumed, c.anew, c.late = c.resumed+o.resumed, c.anew+o.anew, c.late+o.late
	c.noted, c.repeated, c.most = c.noted+o.noted, c.repeated+o.repeated, max(c.most, o.most)
}

// cases makes the inputs, of n photographs.
func cases(dir, photos string, n int) ([]testCase, error) {
	in := filepath.Join(dir, "in")
	if err := os.MkdirAll(in, 0o777); err != nil {
		return nil, err
	}
	images := filepath.Join(in, "photos")
	if err := somePhotos(images, photos, n); err != nil {
		return nil, err
	}
	table, err := valueTable(in, images, n)
	if err != nil {
		return nil, err
	}
	array := filepath.Join(in, "x.npy")
	if err := writeArray(array, 40*n, 1024); err != nil {
		return nil, err
	}
	small := []string{"--page-size", "2MiB", "--workers", "2"}
	with := func(args ...string) []string { return append(args, small...) }
	return []testCase{
		{name: "photographs as they are", args: with("folder", images)},
		{name: "photographs, encoded again", old: true,
			args: with("folder", images, "--reencode", "always", "--max-resolution", "200", "--shuffle")},
		{name: "values of a table, some left out", args: with("table", table, "--on-error", "skip",
			"--field", "image=rgb", "--field", "raw=bytes:column=image", "--field", "doc=json", "--field", "n=int")},
		{name: "rows of an array", old: true, args: with("arrays", "x="+array, "--shuffle", "--seed", "5")},
	}, nil
}

// somePhotos links the first n photographs of a folder, or makes them.
func somePhotos(dir, from string, n int) error {
	if from == "" {
		return makePhotos(dir, n)
	}
	done := 0
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(strings.ToLower(path), ".jpg") && !strings.HasSuffix(strings.ToLower(path), ".jpeg") {
			return err
		}
		if done++; done > n {
			return fs.SkipAll
		}
		class := filepath.Join(dir, filepath.Base(filepath.Dir(path)))
		if err := os.MkdirAll(class, 0o777); err != nil {
			return err
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		return os.Symlink(abs, filepath.Join(class, filepath.Base(path)))
	})
}

func makePhotos(dir string, n int) error {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		img := image.NewYCbCr(image.Rect(0, 0, 400, 300), image.YCbCrSubsampleRatio420)
		at := 0
		for k := range img.Y {
			at += r.IntN(31) - 15
			img.Y[k] = byte(at>>3 + k/400)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			return err
		}
		name := filepath.Join(dir, fmt.Sprintf("class%d", i%3), fmt.Sprintf("%04d.jpg", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// valueTable writes a table of n records about photographs, of which some name
// none.
func valueTable(dir, images string, n int) (string, error) {
	list, err := filepath.Glob(filepath.Join(images, "*", "*"))
	if err != nil || len(list) == 0 {
		return "", fmt.Errorf("photographs in %s: %d (%w)", images, len(list), err)
	}
	var b bytes.Buffer
	for i := range n {
		name, err := filepath.Rel(dir, list[i*7%len(list)])
		if err != nil {
			return "", err
		}
		if i%23 == 22 {
			name = "gone.jpg"
		}
		fmt.Fprintf(&b, "{\"image\":%q,\"doc\":{\"i\":%d,\"text\":%q},\"n\":%d}\n", filepath.ToSlash(name), i, strings.Repeat("x", i%300), i)
	}
	path := filepath.Join(dir, "t.jsonl")
	return path, os.WriteFile(path, b.Bytes(), 0o666)
}

// writeArray writes a .npy of n rows of float32.
func writeArray(path string, n, width int) error {
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, width)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(b, head...)
	for i := range n * width {
		b = binary.LittleEndian.AppendUint32(b, uint32(i)*2654435761)
	}
	return os.WriteFile(path, b, 0o666)
}

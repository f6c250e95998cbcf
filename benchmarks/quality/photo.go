package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"

	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// photo is a photograph and the region cut out of it.
type photo struct {
	name string
	src  rgb.Encoded // with marks
	box  rgb.Rect
}

// find takes n photographs, evenly spread over a folder's in the order of their
// names; some several times when there are fewer, each time with another box.
func find(folder fs.FS, n int, seed uint64) ([]photo, error) {
	var paths []string
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if ext := strings.ToLower(path.Ext(name)); err == nil && d.Type().IsRegular() && (ext == ".jpg" || ext == ".jpeg") {
			paths = append(paths, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("the folder holds no JPEG photograph")
	}
	list := make([]photo, n)
	for i := range list {
		name := paths[i*len(paths)/n]
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		if list[i], err = newPhoto(name, data, rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return list, nil
}

// newPhoto draws a photograph's region as training does.
func newPhoto(name string, data []byte, rng *rand.Rand) (photo, error) {
	info, err := rgb.ScanJPEG(data)
	if err != nil {
		return photo{}, err
	}
	p := photo{name: name, src: rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: data}}
	if p.src.Marks, err = rgb.AppendMarks(nil, data); err != nil {
		return photo{}, err
	}
	p.box = transform.RandomResizedCrop{}.Box(info.Width, info.Height, rng)
	return p, nil
}

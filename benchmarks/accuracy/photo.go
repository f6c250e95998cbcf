package main

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// photo is a photograph's file and its class.
type photo struct {
	path  string
	label int
}

// split lists the photographs of some classes, in the order of their names, and
// holds out every second. A class's label is its place among the names.
func split(folder fs.FS, names []string) (train, held []photo, err error) {
	if len(names) < 2 {
		return nil, nil, fmt.Errorf("%d classes, want 2 at least", len(names))
	}
	for label, name := range names {
		if slices.Contains(names[:label], name) {
			return nil, nil, fmt.Errorf("class %s is named twice", name)
		}
		paths, err := list(folder, name)
		if err != nil {
			return nil, nil, err
		}
		if len(paths) < 2 {
			return nil, nil, fmt.Errorf("class %s has %d JPEG photographs, want 2 at least", name, len(paths))
		}
		for i, path := range paths {
			if i%2 == 1 {
				held = append(held, photo{path, label})
			} else {
				train = append(train, photo{path, label})
			}
		}
	}
	return train, held, nil
}

// list names the JPEG files of a class in order.
func list(folder fs.FS, class string) (paths []string, err error) {
	entries, err := fs.ReadDir(folder, class)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if ext := strings.ToLower(path.Ext(e.Name())); ext == ".jpg" || ext == ".jpeg" {
			paths = append(paths, path.Join(class, e.Name()))
		}
	}
	return paths, nil
}

// largest names the n class folders with most photographs, or all when there
// are fewer.
func largest(folder fs.FS, n int) (names []string, err error) {
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		paths, err := list(folder, e.Name())
		if err != nil {
			return nil, err
		}
		names, count[e.Name()] = append(names, e.Name()), len(paths)
	}
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	return names[:min(n, len(names))], nil
}

// pack writes photographs to a .beton, their JPEG bytes as they are.
func pack(ctx context.Context, to string, folder fs.FS, photos []photo) error {
	w, err := ffcv.Create(to, []ffcv.FieldSpec{
		{Name: "image", Field: &fields.RGBImage{}},
		{Name: "label", Field: fields.Int{}},
	}, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteStream(ctx, func(yield func(ffcv.Sample, error) bool) {
		for _, p := range photos {
			data, err := fs.ReadFile(folder, p.path)
			if !yield(ffcv.Sample{Values: []any{data, p.label}}, err) {
				return
			}
		}
	}, nil)
}

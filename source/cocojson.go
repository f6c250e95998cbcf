package source

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// cocoImage is an image of the file.
type cocoImage struct {
	id            int64
	file          string // with '/'
	width, height int
}

// parseCOCOImage reads an object of images, whose text was checked.
func parseCOCOImage(text []byte) (m cocoImage, err error) {
	id := false
	err = members(text, func(key string, value []byte) error {
		var n int64
		var err error
		switch key {
		case "id":
			id = true
			m.id, err = wholeNumber(value)
		case "file_name":
			m.file, err = unquote(value)
		case "width", "height":
			if n, err = wholeNumber(value); err == nil && (n < 1 || n > math.MaxInt32) {
				err = fmt.Errorf("%d; expected a number of pixels", n)
			}
			if key == "width" {
				m.width = int(n)
			} else {
				m.height = int(n)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return cocoImage{}, err
	case !id:
		return cocoImage{}, errors.New("an image without id")
	case m.file == "":
		return cocoImage{}, fmt.Errorf("image %d: no file_name", m.id)
	case m.width == 0 || m.height == 0:
		return cocoImage{}, fmt.Errorf("image %d (%s): no width or no height", m.id, m.file)
	}
	return m, checkImageName(m.file)
}

// checkImageName refuses names that lead out of the folder of images.
func checkImageName(name string) error {
	if strings.HasPrefix(name, "/") || strings.Contains(name, `\`) || strings.ContainsRune(name, 0) || !filepath.IsLocal(filepath.FromSlash(path.Clean(name))) {
		return fmt.Errorf("file %q is outside of the folder of images, or no path with '/'", name)
	}
	return nil
}

// cocoAnnotation is a thing on an image.
type cocoAnnotation struct {
	id, image, category int64
	box                 []float64 // left, top, width, height; nil none
	area                float64
	crowd               bool
	segmentation        []byte // JSON, nil none
}

// parseCOCOAnnotation reads an object of annotations, whose text was checked.
func parseCOCOAnnotation(text []byte) (a cocoAnnotation, err error) {
	found := 0
	err = members(text, func(key string, value []byte) (err error) {
		switch key {
		case "id":
			found |= 1
			a.id, err = wholeNumber(value)
		case "image_id":
			found |= 2
			a.image, err = wholeNumber(value)
		case "category_id":
			found |= 4
			a.category, err = wholeNumber(value)
		case "area":
			a.area, err = finiteNumber(value)
		case "iscrowd":
			var n int64
			n, err = wholeNumber(value)
			a.crowd = n != 0
		case "bbox":
			a.box, err = numbers(value)
			if err == nil && len(a.box) != 4 {
				err = fmt.Errorf("%d numbers; expected left, top, width, height", len(a.box))
			}
		case "segmentation":
			a.segmentation = value
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return cocoAnnotation{}, err
	case found != 7:
		return cocoAnnotation{}, errors.New("an annotation without id, image_id or category_id")
	case a.box == nil:
		return cocoAnnotation{}, fmt.Errorf("annotation %d: no bbox", a.id)
	}
	return a, nil
}

// cut returns the box as far as it lies on an image of that size, or why it doesn't.
func (a *cocoAnnotation) cut(width, height int) (b box, why string) {
	if a.box[2] <= 0 || a.box[3] <= 0 {
		return b, fmt.Sprintf("a box of %gx%g pixels", a.box[2], a.box[3])
	}
	b = box{
		x0: max(0, a.box[0]), y0: max(0, a.box[1]),
		x1: min(float64(width), a.box[0]+a.box[2]), y1: min(float64(height), a.box[1]+a.box[3]),
		area: a.area, crowd: a.crowd,
	}
	if b.x0 >= b.x1 || b.y0 >= b.y1 {
		return b, fmt.Sprintf("the box %v is outside of the image of %dx%d pixels", a.box, width, height)
	}
	return b, ""
}

// segment reads what of the image the thing is: polygons, or runs of an image of that
// size.
func (b *box) segment(text []byte, width, height int) error {
	if text == nil {
		return errors.New("there is none")
	}
	if text[0] == '[' {
		err := elements(text, func(value []byte) error {
			p, err := numbers(value)
			if err == nil && (len(p) < 6 || len(p)%2 != 0) {
				err = fmt.Errorf("a polygon of %d numbers; expected x and y of 3 corners or more", len(p))
			}
			b.polygons = append(b.polygons, p)
			return err
		})
		if err == nil && b.polygons == nil {
			err = errors.New("no polygon")
		}
		return err
	}
	var size []float64
	err := members(text, func(key string, value []byte) (err error) {
		switch {
		case key == "size":
			size, err = numbers(value)
		case key == "counts" && value[0] == '"':
			var s string
			if s, err = unquote(value); err == nil {
				b.runs, err = parseRuns(s)
			}
		case key == "counts":
			b.runs = []uint32{}
			err = elements(value, func(v []byte) error {
				n, err := wholeNumber(v)
				if err == nil && (n < 0 || n > math.MaxUint32) {
					err = fmt.Errorf("a run of %d pixels", n)
				}
				b.runs = append(b.runs, uint32(n))
				return err
			})
		}
		return err
	})
	if err != nil {
		return err
	}
	if b.runs == nil || len(size) != 2 {
		return errors.New("runs without counts or size")
	}
	if size[0] != float64(height) || size[1] != float64(width) {
		return fmt.Errorf("runs of an image of %gx%g pixels, the image is %dx%d", size[1], size[0], width, height)
	}
	return checkRuns(b.runs, width, height)
}

// wholeNumber reads a JSON number of 64 bits; some write it as 7.0.
func wholeNumber(text []byte) (int64, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil {
		return n, nil
	}
	if f, err := strconv.ParseFloat(string(text), 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 && text[0] != 'N' {
		return int64(f), nil
	}
	return 0, fmt.Errorf("expected a whole number, found %s", excerpt(text))
}

func finiteNumber(text []byte) (float64, error) {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("expected a number, found %s", excerpt(text))
	}
	return f, nil
}

// numbers reads a list of numbers.
func numbers(text []byte) ([]float64, error) {
	list := []float64{}
	err := elements(text, func(value []byte) error {
		f, err := finiteNumber(value)
		list = append(list, f)
		return err
	})
	return list, err
}

func hashName(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return int64(h.Sum64())
}

// imageIn returns an image of a folder as a source hands it on, with its size: a
// fields.Path, or the file's bytes from a store.
func imageIn(ctx context.Context, dir, name string, st Store) (image any, width, height int, err error) {
	if far(dir) {
		b, err := readWhole(ctx, st, inStore(dir, name), maxObject)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("image %s: %w", name, err)
		}
		_, width, height, _, err = rgb.ScanImage(b)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("image %s: %w", name, err)
		}
		return b, width, height, nil
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	if width, height, err = pictureSize(file); err != nil {
		return nil, 0, 0, fmt.Errorf("image %s: %w", name, err)
	}
	return fields.Path(file), width, height, nil
}

// imageSize returns how many bytes an image's file has, 0 for one that isn't there.
func imageSize(ctx context.Context, dir, name string, st Store) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if !far(dir) {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return 0, nil // reading it will tell why
		}
		return info.Size(), nil
	}
	size, err := st.Size(ctx, inStore(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return size, err
}

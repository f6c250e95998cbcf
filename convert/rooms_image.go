package convert

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/imagefile"
	"github.com/betongo/betongo/rgb"
)

var imageFormat = &format{
	Format: Format{Name: "image", Title: "an image file", Extensions: []string{".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"}, Single: true, Read: true, Write: true},
	magic:  func(p *peek) bool { return rgb.Sniff(p.head) != "" },
	open:   func(path string, _ *Options) (File, error) { return opened(imagefile.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		if e := strings.ToLower(filepath.Ext(path)); !slices.Contains([]string{".png", ".jpg", ".jpeg"}, e) {
			return nil, fmt.Errorf("images are written as .png or .jpg, not as %q", e)
		}
		return created(imagefile.Create(path, &imagefile.CreateOptions{Overwrite: o.Overwrite}))
	},
	takes:  func(m array.Member) error { return takesImage(m, m.Spec.Shape) },
	remark: func(m array.Member) string { return remarkImage(m, m.Spec.Shape) },
}

var imagesFormat = &format{
	Format: Format{Name: "images", Title: "a folder of images", Folder: true, Single: true, Read: true, Write: true, Compressions: []string{"png", "jpeg"}},
	magic:  func(p *peek) bool { return p.folder },
	open: func(path string, _ *Options) (File, error) {
		f, err := imagefile.Open(path, nil)
		if err != nil {
			return nil, err
		}
		return &imageFolder{f}, nil
	},
	create: func(path string, o *Options) (writer, error) {
		name, quality, err := compression(o.Compression)
		if err != nil {
			return nil, err
		}
		if e := strings.ToLower(filepath.Ext(path)); slices.Contains([]string{".png", ".jpg", ".jpeg"}, e) {
			return nil, fmt.Errorf("a folder of images can't be called as a file, %q", e)
		}
		opts := &imagefile.CreateOptions{Overwrite: o.Overwrite}
		if name == "jpeg" {
			if opts.Quality = quality; quality == 0 {
				opts.Quality = 90
			}
		}
		return created(imagefile.Create(path, opts))
	},
	member: attrs{kind: anyAttrs, only: []string{imagefile.Files}},
	takes: func(m array.Member) error {
		if err := takesImage(m, m.Spec.Shape[1:]); err != nil || m.Spec.Shape[0] != 0 {
			return err
		}
		return errors.New("no images, a folder has at least one")
	},
	remark: func(m array.Member) string { return remarkImage(m, m.Spec.Shape[1:]) },
}

// imageFolder tells which files were left aside.
type imageFolder struct{ *imagefile.File }

func (f *imageFolder) Notes() []Note {
	var list []Note
	for _, s := range f.Skipped() {
		list = append(list, Note{Text: fmt.Sprintf("%s left aside: %s", s.Name, s.Why)})
	}
	return list
}

// takesImage: pixels of 8 bits or 16.
func takesImage(m array.Member, one []int) error {
	if t := m.Spec.DType; t != array.Uint8 && t.WithOrder('<') != array.Uint16 {
		return &array.UnsupportedError{DType: t.String(), Why: "pixels are numbers of 8 or 16 bits without sign"}
	}
	if n := len(one); n < 2 || n > 3 || n == 3 && !slices.Contains([]int{1, 3, 4}, one[2]) {
		return fmt.Errorf("the shape %s is not that of images: height, width, and 1, 3 or 4 channels", array.ShapeString(m.Spec.Shape))
	}
	if one[0] < 1 || one[1] < 1 {
		return fmt.Errorf("the shape %s has no pixels", array.ShapeString(m.Spec.Shape))
	}
	return nil
}

func remarkImage(m array.Member, one []int) string {
	if len(one) == 3 && one[2] == 1 {
		return shapeRemark(m.Spec, m.Spec.Shape[:len(m.Spec.Shape)-1])
	}
	return ""
}

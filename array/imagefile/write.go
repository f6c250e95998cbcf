package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	// Overwrite replaces what is there already, once the new images are
	// complete: a folder by a folder, a file by a file. A folder with a file in
	// it, at any depth, that isn't called as an image is never replaced.
	Overwrite bool
	// Quality, 1 to 100, has JPEGs written, with a loss; 0 is PNG, which keeps
	// every value. A file of its own is what its extension says, and a JPEG
	// without a Quality has 90.
	Quality int
}

// Writer writes an array as images, aside until Close. It holds one array. It is
// not safe for concurrent use.
type Writer struct {
	path    string
	folder  *aside.Folder // nil for one file
	file    *aside.File
	quality int // of a JPEG; 0: PNG
	added   bool
	state   *array.Writing
}

// Create begins one file where path ends in .png, .jpg or .jpeg, else a folder.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	if opts.Quality < 0 || opts.Quality > 100 {
		return nil, fmt.Errorf("imagefile: JPEG quality %d, want 1 to 100, or 0 for PNG", opts.Quality)
	}
	w := &Writer{path: path, quality: opts.Quality, state: array.NewWriting(path)}
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		w.quality = 0
		w.file, err = aside.Create(path, opts.Overwrite)
	case ".jpg", ".jpeg":
		if w.quality == 0 {
			w.quality = 90
		}
		w.file, err = aside.Create(path, opts.Overwrite)
	default:
		w.folder, err = aside.CreateFolder(path, opts.Overwrite, onlyImages)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// onlyImages says what else there is in a folder.
func onlyImages(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() || d.Type().IsRegular() && slices.Contains(extensions, strings.ToLower(filepath.Ext(name))):
			return nil
		}
		return fmt.Errorf("a folder with something else in it than images, %s; it is not replaced", name)
	})
}

// SetAttrs takes no attributes: any are an error.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) > 0 {
		return errors.New("imagefile: images have no attributes")
	}
	return nil
}

// Add begins the array: |u1, or u2 for PNG, of shape N×H×W or N×H×W×1 (gray),
// N×H×W×3 or N×H×W×4 for a folder, where N may be -1, and without the N for one
// file. The attribute "files" gives the images their names, without their
// extension; else they are counted, 000000 and on.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	if w.added {
		return nil, w.state.Named(fmt.Errorf("array %q: images hold one array, there is one already", m.Name))
	}
	s, err := w.shape(m.Spec)
	var names []string
	if err == nil && w.folder != nil {
		names, err = w.names(m)
	}
	if err != nil {
		return nil, w.state.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	t := &taker{w: w, s: s, names: names, swap: m.Spec.DType.Order() == '>'}
	take := array.Taker{Rows: t.images}
	if w.file != nil {
		take = array.Taker{Rows: t.rows, End: t.single}
	}
	sink, err := w.state.Begin(m, take)
	if err != nil {
		return nil, err
	}
	w.added = true
	return sink, nil
}

// shape returns what one image of an array is.
func (w *Writer) shape(spec array.Spec) (shape, error) {
	s := shape{deep: spec.DType.Kind() == 'u' && spec.DType.ItemSize() == 2}
	switch {
	case spec.DType != array.Uint8 && !s.deep:
		return s, &array.UnsupportedError{DType: spec.DType.String(), Why: "images are of u1, PNGs of u2 too: cast it"}
	case s.deep && w.quality > 0:
		return s, &array.UnsupportedError{DType: spec.DType.String(), Why: "JPEGs are of u1"}
	}
	dims, what := spec.Shape, "height, width, and 1, 3 or 4 channels"
	if w.folder != nil {
		what = "images, " + what
		if len(dims) > 0 {
			dims = dims[1:]
		}
	}
	s.channels = 1
	if len(dims) == 3 {
		s.channels = dims[2]
	}
	if len(dims) < 2 || len(dims) > 3 || s.channels != 1 && s.channels != 3 && s.channels != 4 {
		return s, fmt.Errorf("shape %s, want %s", array.ShapeString(spec.Shape), what)
	}
	if s.height, s.width = dims[0], dims[1]; s.height < 1 || s.width < 1 || s.height > rgb.MaxSide || s.width > rgb.MaxSide || s.height*s.width > rgb.MaxPixels {
		return s, fmt.Errorf("images of %s pixels, want 1×1 to sides of %d and %d in all", s.size(), rgb.MaxSide, rgb.MaxPixels)
	}
	if w.quality > 0 && s.channels == 4 {
		return s, errors.New("a JPEG has no alpha: write PNG")
	}
	return s, nil
}

func (w *Writer) extension() string {
	if w.quality > 0 {
		return ".jpg"
	}
	return ".png"
}

// names returns the images' names, of which there may be fewer than images.
func (w *Writer) names(m array.Member) ([]string, error) {
	var given []string
	switch list := m.Attrs[Files].(type) {
	case []string:
		given = list
	case []any: // of JSON
		for _, v := range list {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("attribute %q holds a %T, want strings", Files, v)
			}
			given = append(given, s)
		}
	case nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("attribute %q is a %T, want strings", Files, list)
	}
	if n := m.Spec.Shape[0]; n >= 0 && n != len(given) {
		return nil, fmt.Errorf("%d names for %d images", len(given), n)
	}
	names, seen, twice := make([]string, len(given)), map[string]bool{}, map[string]bool{}
	for i, name := range given {
		if twice[name] {
			return nil, fmt.Errorf("the name %q of image %d is another's too", name, i)
		}
		twice[name] = true
		if !filepath.IsLocal(filepath.FromSlash(name)) || strings.Contains(name, `\`) || path.Clean(name) != name || name == "." {
			return nil, fmt.Errorf("the name %q of image %d isn't one below the folder", name, i)
		}
		names[i] = strings.TrimSuffix(name, path.Ext(name)) + w.extension()
		if seen[strings.ToLower(names[i])] { // a.jpg beside a.png
			names[i] = name + w.extension()
		}
		if seen[strings.ToLower(names[i])] {
			return nil, fmt.Errorf("the name %q of image %d is another's too", name, i)
		}
		seen[strings.ToLower(names[i])] = true
	}
	return names, nil
}

// Close completes the images and puts them in their place. On an error nothing
// is left, and what was there stays.
func (w *Writer) Close() error {
	complete := func() error {
		if !w.added && w.file != nil {
			return errors.New("no array was added")
		}
		return nil
	}
	if w.folder != nil {
		return w.state.Close(complete, w.folder.Commit, w.folder.Abort)
	}
	return w.state.Close(complete, w.file.Commit, w.file.Abort)
}

// Abort removes what was written. Behind Close it does nothing.
func (w *Writer) Abort() error {
	if w.folder != nil {
		return w.state.Abort(w.folder.Abort)
	}
	return w.state.Abort(w.file.Abort)
}

// taker makes images of rows.
type taker struct {
	w        *Writer
	s        shape
	names    []string
	swap     bool // big-endian
	next     int  // image
	encoders []encoder
	whole    []byte // of one file
}

// encoder is one worker's memory.
type encoder struct {
	png     pngEncoder
	scratch rgb.Scratch
	out     []byte
}

// images writes some images, several at a time.
func (t *taker) images(rows array.Array) error {
	if t.swap {
		rows = array.SwapBytes(rows)
	}
	if t.encoders == nil {
		t.encoders = make([]encoder, runtime.GOMAXPROCS(0))
	}
	n, size := rows.Shape[0], t.s.bytes()
	first := t.next
	t.next += n
	if t.names != nil && t.next > len(t.names) {
		return fmt.Errorf("%d images, names for %d", t.next, len(t.names))
	}
	for i := first; i < t.next; i++ {
		if dir := path.Dir(t.name(i)); dir != "." {
			if err := os.MkdirAll(t.w.folder.Path(dir), 0o777); err != nil {
				return err
			}
		}
	}
	var g errgroup.Group
	workers := len(t.encoders)
	for w := range min(workers, n) {
		g.Go(func() error {
			for i := w; i < n; i += workers {
				var b []byte
				err := mmap.Guard(func() (err error) { // the rows may lie in a map
					b, err = t.encoders[w].encode(rows.Data[i*size:(i+1)*size], t.s, t.w.quality)
					return err
				})
				if err == nil {
					err = os.WriteFile(t.w.folder.Path(t.name(first+i)), b, 0o666)
				}
				if err != nil {
					return fmt.Errorf("image %d: %w", first+i, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// name is that of an image, below the folder.
func (t *taker) name(i int) string {
	if t.names != nil {
		return t.names[i]
	}
	return fmt.Sprintf("%06d%s", i, t.w.extension())
}

// rows keeps the rows of one file.
func (t *taker) rows(rows array.Array) error {
	if t.swap {
		rows = array.SwapBytes(rows)
	}
	t.whole = append(slices.Grow(t.whole, t.s.bytes()-len(t.whole)), rows.Data...)
	return nil
}

// single writes them.
func (t *taker) single(_ int, err error) error {
	if err != nil {
		return err
	}
	if len(t.whole) != t.s.bytes() {
		return fmt.Errorf("%d bytes of pixels, want %d", len(t.whole), t.s.bytes())
	}
	var e encoder
	b, err := e.encode(t.whole, t.s, t.w.quality)
	if err == nil {
		_, err = t.w.file.Write(b)
	}
	return err
}

// encode returns the file of an image, valid until the next call.
func (e *encoder) encode(pix []byte, s shape, quality int) (_ []byte, err error) {
	switch {
	case quality == 0:
		return e.png.encode(pix, s)
	case s.channels == 3:
		e.out, err = e.scratch.EncodeJPEG(e.out[:0], rgb.Image{Width: s.width, Height: s.height, Pix: pix}, quality)
		return e.out, err
	}
	var b bytes.Buffer
	gray := &image.Gray{Pix: pix, Stride: s.width, Rect: image.Rect(0, 0, s.width, s.height)}
	err = jpeg.Encode(&b, gray, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

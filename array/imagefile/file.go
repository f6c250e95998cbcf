package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/rgb"
)

// decodeStandard decodes with all that a file has.
func decodeStandard(data []byte, f rgb.Format) (image.Image, error) {
	switch f {
	case rgb.PNG:
		return png.Decode(bytes.NewReader(data))
	case rgb.TIFF:
		r, err := rgb.TIFFReader(data)
		if err != nil {
			return nil, err
		}
		return tiff.Decode(r)
	}
	return webp.Decode(bytes.NewReader(data))
}

// OpenOptions say how Open reads. There is nothing to say yet; nil and the
// zero value are the defaults.
type OpenOptions struct{}

// Skip is a file that was left aside, and why.
type Skip struct{ Name, Why string }

// File is a folder of images or one. Its methods are safe for concurrent use; a
// stream is for one goroutine. Between Open and the last read the files must
// stay as they are.
type File struct {
	path    string
	single  bool
	names   []string // with '/', relative to path
	shape   shape
	skipped []Skip
}

// extensions are of what should be an image.
var extensions = []string{".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

// Open reads the headers of all images. Images of different sizes or depths are
// a *FormatError with the first that differs, as is a file that has an image's
// name and no image in it.
func Open(path string, _ *OpenOptions) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path}
	switch {
	case info.IsDir():
		err = f.list()
	case info.Mode().IsRegular():
		f.single, f.names = true, []string{""}
	default:
		err = fmt.Errorf("%s: neither a file nor a folder (%s)", path, info.Mode().Type())
	}
	if err != nil {
		return nil, err
	}
	if err := f.look(); err != nil {
		return nil, err
	}
	if len(f.names) == 0 {
		return nil, &FormatError{File: path, Offset: -1, Msg: "no image in it"}
	}
	m := f.member()
	if _, err := m.Spec.Bytes(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// list finds the files of a folder, sorted.
func (f *File) list() error {
	err := filepath.WalkDir(f.path, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == f.path {
			return err
		}
		rel, err := filepath.Rel(f.path, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if strings.HasPrefix(d.Name(), ".") {
			f.skipped = append(f.skipped, Skip{rel, "hidden"})
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() { // links are followed
			f.skipped = append(f.skipped, Skip{rel, "no regular file"})
			return nil
		}
		f.names = append(f.names, rel)
		return nil
	})
	slices.Sort(f.names)
	return err
}

// place is where a file of the folder lies.
func (f *File) place(name string) string {
	if f.single {
		return f.path
	}
	return filepath.Join(f.path, filepath.FromSlash(name))
}

// headSize is how much of a file is read for its header at first: photographs
// have their EXIF block before it.
const headSize = 64 << 10

// lookFile reads a file's header, or the file where that isn't enough.
func lookFile(path string) (shape, error) {
	file, err := regular.Open(path)
	if err != nil {
		return shape{}, err
	}
	defer file.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return shape{}, err
	}
	head = head[:n]
	s, scanErr := look(head)
	if scanErr == nil && (s.format == rgb.JPEG || s.format == rgb.PNG) || err != nil || rgb.Sniff(head) == "" {
		return s, scanErr
	}
	rest, err := io.ReadAll(file)
	if err != nil {
		return shape{}, err
	}
	return look(append(head, rest...))
}

// look reads all headers and makes one shape of them.
func (f *File) look() error {
	shapes, errs := make([]shape, len(f.names)), make([]error, len(f.names))
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // they wait for the disk too
	for i, name := range f.names {
		g.Go(func() error {
			shapes[i], errs[i] = lookFile(f.place(name))
			return nil
		})
	}
	g.Wait() // each has its own error
	kept := f.names[:0]
	first := ""
	for i, name := range f.names {
		s, err := shapes[i], errs[i]
		if err != nil {
			known := f.single || slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
			var failed *fs.PathError
			if known || errors.As(err, &failed) {
				return f.fail(name, err)
			}
			f.skipped = append(f.skipped, Skip{name, "no image: " + err.Error()})
			continue
		}
		if kept = append(kept, name); len(kept) == 1 {
			f.shape, first = s, name
			continue
		}
		if s.width != f.shape.width || s.height != f.shape.height {
			return f.fail(name, fmt.Errorf("%s pixels, %q has %s: one array holds images of one size", s.size(), first, f.shape.size()))
		}
		if s.deep != f.shape.deep {
			return f.fail(name, fmt.Errorf("%d bits a value, %q has %d", s.depth(), first, f.shape.depth()))
		}
		f.shape.channels = max(f.shape.channels, s.channels)
	}
	f.names = kept
	return nil
}

func (f *File) fail(name string, err error) error {
	return &FormatError{File: f.path, Part: name, Offset: -1, Msg: err.Error()}
}

// Name returns the path as Open got it.
func (f *File) Name() string { return f.path }

// Skipped returns the files of the folder that were left aside.
func (f *File) Skipped() []Skip { return f.skipped }

func (f *File) member() array.Member {
	if f.single {
		return array.Member{Name: Single, Spec: array.Spec{DType: f.shape.dtype(), Shape: f.shape.dims()}}
	}
	return array.Member{
		Name:  Folder,
		Spec:  array.Spec{DType: f.shape.dtype(), Shape: append([]int{len(f.names)}, f.shape.dims()...)},
		Attrs: map[string]any{Files: slices.Clone(f.names)},
	}
}

// Members returns the one array.
func (f *File) Members() []array.Member { return []array.Member{f.member()} }

// Attrs returns nil: the names are the array's.
func (f *File) Attrs() map[string]any { return nil }

// check compares a name with the array's; "" is it too.
func (f *File) check(name string) error {
	if m := f.member(); name != "" && name != m.Name {
		return fmt.Errorf("%s: no array %q, there is %q", f.path, name, m.Name)
	}
	return nil
}

// Array decodes all images into memory.
func (f *File) Array(name string) (array.Strided, error) {
	if err := f.check(name); err != nil {
		return array.Strided{}, err
	}
	spec := f.member().Spec
	n, err := spec.Bytes()
	if err != nil {
		return array.Strided{}, err
	}
	a := array.Array{Spec: spec, Data: make([]byte, n)}
	var decoders []decoder
	return a.Strided(), f.decode(a.Data, f.names, &decoders)
}

// maxFile is how many bytes an image's file may have.
const maxFile = 4 << 30

// decode decodes some images, several at a time.
func (f *File) decode(dst []byte, names []string, decoders *[]decoder) error {
	if *decoders == nil {
		*decoders = make([]decoder, runtime.GOMAXPROCS(0))
	}
	size := f.shape.bytes()
	var g errgroup.Group
	workers := len(*decoders)
	for w := range min(workers, len(names)) {
		g.Go(func() error {
			d := &(*decoders)[w]
			for i := w; i < len(names); i += workers {
				data, err := regular.ReadFile(f.place(names[i]), maxFile)
				if err == nil {
					err = d.decode(dst[i*size:(i+1)*size:(i+1)*size], data, f.shape)
				}
				if err != nil {
					return f.fail(names[i], err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// Stream gives the images in the order of their names, about chunk bytes at a
// time (0 is array.DefaultChunk) and at least one. Some images for each
// processor are decoded at once: it needs memory for those. One file is decoded
// as a whole, and its rows given.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	if err := f.check(name); err != nil {
		return nil, err
	}
	if f.single {
		a, err := f.Array(name)
		if err != nil {
			return nil, err
		}
		return array.StreamOf(a, chunk), nil
	}
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	return &stream{f: f, left: f.names, chunk: max(1, chunk/f.shape.bytes())}, nil
}

// ahead is how many images are decoded at once for each processor.
const ahead = 4

// stream gives a folder's images.
type stream struct {
	f        *File
	left     []string // not decoded yet
	chunk    int      // images a call
	buf      []byte
	ready    []byte // decoded and not given yet
	decoders []decoder
	closed   bool
}

func (s *stream) Next() (array.Array, error) {
	size := s.f.shape.bytes()
	switch {
	case s.closed:
		return array.Array{}, fmt.Errorf("%s: the stream is closed: %w", s.f.path, os.ErrClosed)
	case len(s.ready) == 0 && len(s.left) == 0:
		return array.Array{}, io.EOF
	case len(s.ready) == 0:
		n := min(len(s.left), max(s.chunk, ahead*runtime.GOMAXPROCS(0)))
		s.buf = slices.Grow(s.buf[:0], n*size)[:n*size]
		if err := s.f.decode(s.buf, s.left[:n], &s.decoders); err != nil {
			return array.Array{}, err
		}
		s.ready, s.left = s.buf, s.left[n:]
	}
	n := min(s.chunk, len(s.ready)/size)
	a := array.Array{
		Spec: array.Spec{DType: s.f.shape.dtype(), Shape: append([]int{n}, s.f.shape.dims()...)},
		Data: s.ready[: n*size : n*size],
	}
	s.ready = s.ready[n*size:]
	return a, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	s.closed = true
	return nil
}

// Close does nothing: no file is held open.
func (f *File) Close() error { return nil }

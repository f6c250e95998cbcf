package zarr

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/betongo/betongo/internal/regular"
)

// store is where values lie by their keys, which have slashes. It is safe for
// concurrent use, except for Close.
type store interface {
	// open gives a value to read; fs.ErrNotExist where there is none.
	open(key string) (blob, error)
	// folders are the folders right below one, sorted.
	folders(name string) ([]string, error)
	Close() error
}

// blob is a value. Exactly one of at and stream is set.
type blob struct {
	size   int64
	at     io.ReaderAt
	stream io.Reader
	closer io.Closer
	sum    *uint32 // the CRC-32 of the whole that a ZIP file tells
}

func (b *blob) close() {
	if b.closer != nil {
		b.closer.Close()
	}
}

// all reads the whole value into dst's memory, or more where that is too small.
// The caller has compared the size with what he expects.
func (b *blob) all(dst []byte) ([]byte, error) {
	if b.size > math.MaxInt {
		return nil, fmt.Errorf("%d bytes", b.size)
	}
	dst = slices.Grow(dst[:0], int(b.size))[:b.size]
	if b.at != nil {
		err := b.part(dst, 0)
		if err == nil && b.sum != nil && crc32.ChecksumIEEE(dst) != *b.sum {
			err = zip.ErrChecksum
		}
		return dst, err
	}
	if n, err := io.ReadFull(b.stream, dst); err != nil {
		return nil, fmt.Errorf("at byte %d of %d: %w", n, b.size, noEOF(err))
	}
	// The checksum of a ZIP file is compared when the end has been seen.
	if _, err := io.ReadFull(b.stream, make([]byte, 1)); err != io.EOF {
		return nil, fmt.Errorf("behind byte %d: want the end, got %v", b.size, err)
	}
	return dst, nil
}

// part reads len(dst) bytes at an offset.
func (b *blob) part(dst []byte, off int64) error {
	n, err := b.at.ReadAt(dst, off)
	if n == len(dst) {
		return nil
	}
	return fmt.Errorf("at byte %d of %d: %w", off+int64(n), b.size, noEOF(err))
}

func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// openStore opens a folder or a ZIP file.
func openStore(path string) (store, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		return &dirStore{root: root}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, &FormatError{File: path, Offset: -1, Msg: "neither a folder nor a regular file"}
	}
	return openZip(path)
}

// dirStore is a folder. Symbolic links that lead out of it aren't followed.
type dirStore struct{ root *os.Root }

func (d *dirStore) open(key string) (blob, error) {
	f, err := regular.OpenIn(d.root, key)
	if err != nil {
		return blob{}, missing(err)
	}
	info, err := f.Stat()
	if err != nil {
		return blob{}, errors.Join(err, f.Close())
	}
	return blob{size: info.Size(), at: f, closer: f}, nil
}

// missing makes of a name that goes on below a file one that isn't there.
func missing(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) && notFolder(e.Err) {
		return &fs.PathError{Op: e.Op, Path: e.Path, Err: fs.ErrNotExist}
	}
	return err
}

func (d *dirStore) folders(name string) ([]string, error) {
	if name == "" {
		name = "."
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		folder := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := d.root.Stat(strings.TrimPrefix(name+"/"+e.Name(), "./"))
			folder = err == nil && info.IsDir()
		}
		if folder && validName(e.Name()) {
			list = append(list, e.Name())
		}
	}
	slices.Sort(list)
	return list, nil
}

func (d *dirStore) Close() error { return d.root.Close() }

// zipStore is a ZIP file, whose entries are stored or deflated.
type zipStore struct {
	file    *os.File
	entries map[string]*zip.File
	below   map[string]map[string]bool // the folders in each folder
}

func openZip(path string) (store, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, errors.Join(&FormatError{File: path, Offset: -1, Msg: "neither a folder nor a ZIP file: " + err.Error()}, f.Close())
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	s := &zipStore{file: f, entries: make(map[string]*zip.File, len(z.File)), below: map[string]map[string]bool{}}
	for _, e := range z.File {
		if !validName(e.Name) {
			continue // a folder's own entry, and names that climb out
		}
		// Python's zipfile keeps what was written again under the same name,
		// and reads the last.
		s.entries[e.Name] = e
		s.note(e.Name)
	}
	return s, nil
}

// note puts the folders of a name into the lists.
func (z *zipStore) note(name string) {
	for range maxDepth + 2 {
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return
		}
		name = name[:i]
		dir, base := "", name
		if j := strings.LastIndexByte(name, '/'); j >= 0 {
			dir, base = name[:j], name[j+1:]
		}
		m := z.below[dir]
		if m == nil {
			m = map[string]bool{}
			z.below[dir] = m
		}
		if m[base] {
			return
		}
		m[base] = true
	}
}

func (z *zipStore) open(key string) (blob, error) {
	e := z.entries[key]
	if e == nil {
		return blob{}, fs.ErrNotExist
	}
	if e.Flags&1 != 0 {
		return blob{}, errors.New("the entry is encrypted")
	}
	if e.UncompressedSize64 > math.MaxInt64 {
		return blob{}, fmt.Errorf("the entry has %d bytes", e.UncompressedSize64)
	}
	b := blob{size: int64(e.UncompressedSize64)}
	if e.Method == zip.Store && e.CompressedSize64 == e.UncompressedSize64 {
		off, err := e.DataOffset()
		if err != nil {
			return blob{}, err
		}
		info, err := z.file.Stat()
		if err != nil {
			return blob{}, err
		}
		if b.size > info.Size()-off {
			return blob{}, fmt.Errorf("the entry has %d bytes at %d of a file of %d", b.size, off, info.Size())
		}
		b.at, b.sum = io.NewSectionReader(z.file, off, b.size), &e.CRC32
		return b, nil
	}
	// Deflate can't do more than 1032 to 1: a size beyond is a lie.
	if e.CompressedSize64 < e.UncompressedSize64/1100 {
		return blob{}, fmt.Errorf("the entry tells %d bytes packed into %d", e.UncompressedSize64, e.CompressedSize64)
	}
	r, err := e.Open()
	if err != nil {
		return blob{}, err
	}
	b.stream, b.closer = r, r
	return b, nil
}

func (z *zipStore) folders(name string) ([]string, error) {
	var list []string
	for child := range z.below[name] {
		list = append(list, child)
	}
	slices.Sort(list)
	return list, nil
}

func (z *zipStore) Close() error {
	err := z.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// Package hdf5 reads and writes HDF5 files by the C library libhdf5, which is
// loaded when it is first needed; no C compiler is. MATLAB's files of level 7.3
// are HDF5 too.
//
// Version tells which library that is. Looked for is what the environment
// variable BETONGO_HDF5 names, else an active conda or virtual environment
// (h5py brings the library along), else what the system has. Where there is
// none the error is a *LibraryError, which says how to install it. All releases
// from 1.10.3 on serve, 2.0 among them; a file may need a later one than is
// loaded, and the error says so. A program with this package links to the
// system's C library dynamically.
//
// Open reads what is in a file and no data. Array gives a view of the file where
// the data lie in one piece, else reads; Stream reads rows, in bounded memory. A
// Writer writes beside the file's place, an Appender to a dataset that can grow.
//
// # Types
//
// Integers, floats (half, bfloat16 and x86's long double too), opaque bytes and
// strings of fixed size in either byte order; compound types, h5py's complex
// numbers among them, and array types, which add dimensions; h5py's bool, any
// other enum as its integers; h5py's times. Strings of any length are read as U,
// or S where they are ASCII, of the longest one's size; they are written for U.
// References, other sequences of any length, and integers and floats of odd
// sizes are refused by their name and stand in nobody's way: the other arrays
// are served.
//
// # Trust
//
// Checked here, before the library is asked: the superblock, each array's type,
// size and place, the size of each chunk. Read here, within the sizes that are
// declared and the options allow: chunks of gzip, shuffle, fletcher32 and lzf,
// arrays in one piece, strings of any length. The library reads all else: groups,
// types, dimensions, where chunks are, attributes, other filters. It promises
// nothing for a file that is damaged: it may take memory, time, or crash the
// process. Of 4,700 files with one bit changed each, 1.14 and 2.0 crashed at none,
// 1.10 and 1.12 at two. Files of strangers belong into a process of their own.
//
// Links to other files, and datasets whose data lie in others, are not followed.
// Filters besides those above are plugins as a rule, which the library loads from
// where HDF5_PLUGIN_PATH tells.
//
// The library isn't safe for concurrent use. This package calls it one call at
// a time; unpacking, packing and views don't wait for it. A program that loads
// the same library by other means besides must not call it meanwhile.
package hdf5

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// OpenOptions say how Open reads; nil and the zero value are the defaults. Each
// default is wrong where more is needed and the file comes from somebody
// trusted.
type OpenOptions struct {
	// MaxArray is how many bytes an array may have that Array reads into
	// memory, and a row of chunks that Stream reads; 0 is 4 GiB.
	MaxArray int64
	// MaxChunk is how many bytes a chunk may have, before compression; 0 is
	// 2 GiB.
	MaxChunk int64
	// MaxText is how many bytes one string of any length may have; 0 is 1 MiB.
	MaxText int64
}

const (
	defaultMaxArray = 4 << 30
	defaultMaxChunk = 2 << 30
	defaultMaxText  = 1 << 20
)

// Group is a group of arrays and other groups.
type Group struct {
	Name  string // from the root on, with slashes; "" is the root
	Attrs map[string]any
}

// Info is how an array is stored.
type Info struct {
	Layout   string   // "compact", "contiguous" or "chunked"
	Chunks   []int    // the shape of a chunk; nil where it isn't chunked
	Filters  []string // what chunks pass when written, in order
	MaxShape []int    // how far each axis may grow, -1 without end
	Fill     []byte   // the element that is read where none was written; nil where all its bytes are 0
}

// File is an open file. Its methods are safe for concurrent use, except for
// Close; a stream is for one goroutine.
type File struct {
	l    *library
	path string
	opts OpenOptions
	id   hid
	m    *mmap.Map
	file *os.File

	base int64  // where the user block ends
	root uint64 // where the root's header is
	heap heap   // for attributes, while the library is locked

	arrays  []*node
	groups  []Group
	refused []error
	closed  bool // guarded by the library's lock
}

// Open opens a file and reads what is in it, but no data. Arrays in groups have
// names as "a/b". One that is broken or not supported isn't among the Members:
// Array gives the reason, and Refused. Soft links to arrays are arrays of their
// own; those to groups, and links to other files, are passed over.
func Open(path string, opts *OpenOptions) (*File, error) {
	l, err := loading()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if opts == nil {
		opts = &OpenOptions{}
	}
	f := &File{l: l, path: path, opts: *opts, id: -1}
	for _, limit := range []struct {
		at  *int64
		def int64
	}{{&f.opts.MaxArray, defaultMaxArray}, {&f.opts.MaxChunk, defaultMaxChunk}, {&f.opts.MaxText, defaultMaxText}} {
		if *limit.at <= 0 {
			*limit.at = limit.def
		}
	}
	if f.m, err = mmap.Open(path); err != nil {
		return nil, err
	}
	if f.file, err = regular.Open(path); err == nil {
		err = f.read()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// read opens the file by the library, and reads all but the data.
func (f *File) read() error {
	s, err := readSuperblock(f.file, f.m.Size())
	if err == nil && s.writing {
		err = errors.New("a writer has it open, or ended without closing it; h5clear -s of the HDF5 tools takes the mark of that away")
	}
	if err != nil {
		return f.l.explain(err, f.path, "")
	}
	f.base, f.root = s.at, s.root
	f.heap = heap{b: f.m.Bytes()[s.at:], address: s.address, length: s.length}
	return f.l.locked(func() error {
		if f.id, err = f.l.openFile(f.path, fileReadOnly); err != nil {
			return f.l.explain(err, f.path, "")
		}
		return f.walkAll()
	})
}

// openFile opens a file that exists.
func (l *library) openFile(path string, flags uint32) (hid, error) {
	if err := checkText(path); err != nil {
		return -1, err
	}
	fapl := l.Pcreate(l.classFile)
	if fapl < 0 {
		return -1, l.fail("make an access list")
	}
	defer l.Pclose(fapl)
	l.Pset_fclose_degree(fapl, closeStrong)
	if l.Pset_file_locking != nil {
		l.Pset_file_locking(fapl, true, true) // where the file system knows locks
	}
	id := l.Fopen(path, flags, fapl)
	if id < 0 {
		return -1, l.fail("open the file")
	}
	return id, nil
}

// Name returns the path as Open got it.
func (f *File) Name() string { return f.path }

// Close closes the file. Views end with it, streams of it give errors
// afterwards. A second Close does nothing.
func (f *File) Close() error {
	var err error
	f.l.locked(func() error {
		if !f.closed && f.id >= 0 && f.l.Fclose(f.id) < 0 {
			err = f.l.explain(f.l.fail("close the file"), f.path, "")
		}
		f.closed = true
		return nil
	})
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
		f.file = nil
	}
	return errors.Join(err, f.m.Close())
}

// Members returns the arrays, sorted by name, groups in their place. Strings of
// any length are read for it, once. The shapes are the caller's; the attributes
// are the File's, not to be changed.
func (f *File) Members() []array.Member {
	var list []array.Member
	for _, n := range f.arrays {
		if f.resolve(n) == nil {
			m := n.Member
			m.Spec.Shape = slices.Clone(m.Spec.Shape)
			list = append(list, m)
		}
	}
	return list
}

// Groups returns the groups, each before what is in it, the root first.
func (f *File) Groups() []Group { return slices.Clone(f.groups) }

// Attrs returns the attributes of the root group, not to be changed. See
// Writer.SetAttrs for their types.
func (f *File) Attrs() map[string]any {
	if len(f.groups) == 0 {
		return nil
	}
	return f.groups[0].Attrs
}

// Refused returns why arrays and attributes of the file aren't served, joined;
// nil where all are.
func (f *File) Refused() error {
	errs := slices.Clone(f.refused)
	for _, n := range f.arrays {
		if err := f.resolve(n); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Info tells how an array is stored.
func (f *File) Info(name string) (Info, error) {
	n, err := f.find(name)
	if err != nil {
		return Info{}, err
	}
	d := n.data
	info := Info{Layout: d.layoutName(), Chunks: slices.Clone(d.chunks), MaxShape: slices.Clone(d.most), Fill: slices.Clone(d.fill)}
	for _, filter := range d.filters {
		info.Filters = append(info.Filters, filter.name)
	}
	return info, nil
}

// find returns an array that is served; "" is also the only one there is.
func (f *File) find(name string) (*node, error) {
	for _, n := range f.arrays {
		if n.Name == name || "/"+n.Name == name || name == "" && len(f.arrays) == 1 {
			return n, f.resolve(n)
		}
	}
	return nil, fmt.Errorf("%s: no array %q: %w", f.path, name, fs.ErrNotExist)
}

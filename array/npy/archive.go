package npy

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// FormatError says that a file is no .npy or .npz file, or a broken one.
type FormatError = array.FormatError

// OpenOptions say how OpenArchive reads; nil and the zero value are the
// defaults.
type OpenOptions struct {
	// MaxInflated is how many bytes a compressed array may have that Array
	// reads into memory; 0 is 4 GiB. The default is wrong where larger arrays
	// are wanted whole and come from somebody trusted. Stream has no limit.
	MaxInflated int64
}

const (
	maxInflated = 4 << 30
	// maxRatio is more than deflate can do: a size beyond is a lie.
	maxRatio = 1100
)

// Archive is the arrays of a .npy or .npz file. Its methods are safe for
// concurrent use, except for Close; a stream is for one goroutine.
type Archive struct {
	file    *os.File
	m       *mmap.Map
	opts    OpenOptions
	members []member
	refused []error
}

// member is one array.
type member struct {
	array.Member
	head
	data  int64     // where the data begin in the file; -1 in compressed ones
	entry *zip.File // of an archive
	err   error     // why it isn't served
}

// OpenArchive opens a .npy file, whose array is called as the file without
// .npy, or a .npz file; its first bytes tell which. Headers are read, data are
// not. Entries of a ZIP archive that aren't called .npy are passed over. Arrays
// of Python objects, encrypted ones and those of other compressions than
// deflate aren't among the Members: Array gives the reason, and Refused.
func OpenArchive(path string, opts *OpenOptions) (*Archive, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	a := &Archive{opts: *opts}
	if a.opts.MaxInflated == 0 {
		a.opts.MaxInflated = maxInflated
	}
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	a.m = m
	if a.file, err = regular.Open(path); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if b := m.Bytes(); len(b) >= 4 && (string(b[:4]) == "PK\x03\x04" || string(b[:4]) == "PK\x05\x06") {
		err = a.readZip()
	} else {
		err = a.readFile()
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// readFile reads the header of a .npy file.
func (a *Archive) readFile() error {
	b := a.m.Bytes()
	h, err := parseHeader(b)
	if err == nil {
		err = h.check(int64(len(b)))
	}
	if err != nil {
		return named(err, a.Name(), "", 0)
	}
	name := strings.TrimSuffix(filepath.Base(a.Name()), ".npy")
	a.members = []member{{Member: array.Member{Name: name, Spec: h.spec, Fortran: h.fortran}, head: h, data: int64(h.off)}}
	return nil
}

// readZip reads the list of a .npz file, and the header of each array.
func (a *Archive) readZip() error {
	z, err := zip.NewReader(a.file, a.m.Size())
	if err != nil {
		return &FormatError{File: a.Name(), Offset: 0, Msg: "not a ZIP archive: " + err.Error()}
	}
	if err := a.overlaps(z.File); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, entry := range z.File {
		name, ok := strings.CutSuffix(entry.Name, ".npy")
		if !ok {
			continue
		}
		if seen[name] {
			return &FormatError{File: a.Name(), Array: name, Offset: -1, Msg: "there twice"}
		}
		seen[name] = true
		m := member{Member: array.Member{Name: name}, entry: entry, data: -1}
		if err := a.readEntry(&m); err != nil {
			var u *array.UnsupportedError
			if !errors.As(err, &u) {
				return err
			}
			m.err = err
			a.refused = append(a.refused, err)
		}
		a.members = append(a.members, m)
	}
	return nil
}

// localHeader is the least that stands before an entry's data.
const localHeader = 30

// overlaps refuses entries that share bytes, of which a small file can have as
// many as it likes.
func (a *Archive) overlaps(entries []*zip.File) error {
	type extent struct {
		entry    *zip.File
		off, end int64
	}
	list := make([]extent, 0, len(entries))
	for _, e := range entries {
		off, err := e.DataOffset()
		if err == nil && (off > a.m.Size() || e.CompressedSize64 > uint64(a.m.Size()-off)) {
			err = fmt.Errorf("%d bytes, in a file of %d", e.CompressedSize64, a.m.Size())
		}
		if err != nil {
			return &FormatError{File: a.Name(), Array: strings.TrimSuffix(e.Name, ".npy"), Offset: off, Msg: err.Error()}
		}
		list = append(list, extent{e, off, off + int64(e.CompressedSize64)})
	}
	slices.SortFunc(list, func(x, y extent) int { return cmp.Compare(x.off, y.off) })
	for i := 1; i < len(list); i++ {
		if x, y := list[i-1], list[i]; x.end > y.off-localHeader {
			return &FormatError{File: a.Name(), Array: strings.TrimSuffix(y.entry.Name, ".npy"), Offset: y.off, Msg: fmt.Sprintf("it shares bytes with %q", x.entry.Name)}
		}
	}
	return nil
}

// readEntry reads an entry's header and compares the sizes.
func (a *Archive) readEntry(m *member) error {
	e := m.entry
	at := int64(-1)
	bad := func(format string, args ...any) error {
		return &FormatError{File: a.Name(), Array: m.Name, Offset: at, Msg: fmt.Sprintf(format, args...)}
	}
	refuse := func(why string) error {
		return fmt.Errorf("%s: array %q: %w", a.Name(), m.Name, &array.UnsupportedError{Why: why})
	}
	off, err := e.DataOffset()
	if err != nil {
		return bad("%v", err)
	}
	at = off
	size, packed := e.UncompressedSize64, e.CompressedSize64
	switch {
	case e.Flags&1 != 0:
		return refuse("it is encrypted")
	case e.Method != zip.Store && e.Method != zip.Deflate:
		return refuse(fmt.Sprintf("compression %d, want stored or deflate", e.Method))
	case packed > uint64(a.m.Size()) || off > a.m.Size()-int64(packed):
		return bad("%d bytes, in a file of %d", packed, a.m.Size())
	case size > math.MaxInt64 || e.Method == zip.Store && size != packed:
		return bad("%d bytes stored in %d", size, packed)
	case size/maxRatio > packed:
		return bad("%d bytes are said to be in %d compressed ones, which deflate can't do", size, packed)
	}
	r, err := e.Open()
	if err != nil {
		return bad("%v", err)
	}
	defer r.Close()
	var buf bytes.Buffer
	if m.head, err = readHeader(r, &buf); err == nil {
		err = m.head.check(int64(size))
	}
	if err != nil {
		if e.Method != zip.Store {
			off = -1
		}
		return named(err, a.Name(), m.Name, off)
	}
	m.Spec, m.Fortran = m.head.spec, m.head.fortran
	if e.Method == zip.Store {
		m.data = off + int64(m.off)
	}
	return nil
}

// Name returns the file's path as OpenArchive got it.
func (a *Archive) Name() string { return a.m.Name() }

// Members returns the arrays that are served, in the file's order.
func (a *Archive) Members() []array.Member {
	var list []array.Member
	for i := range a.members {
		if m := &a.members[i]; m.err == nil {
			one := m.Member
			one.Spec.Shape = slices.Clone(one.Spec.Shape)
			list = append(list, one)
		}
	}
	return list
}

// Refused returns why arrays of the file aren't among its Members, joined; nil
// where all are.
func (a *Archive) Refused() error { return errors.Join(a.refused...) }

// Attrs returns nil: the format has none.
func (a *Archive) Attrs() map[string]any { return nil }

// find returns the array of that name; "" is the only one.
func (a *Archive) find(name string) (*member, error) {
	if name == "" && len(a.members) == 1 && a.members[0].Name != "" {
		return &a.members[0], a.members[0].err
	}
	for i := range a.members {
		if m := &a.members[i]; m.Name == name {
			return m, m.err
		}
	}
	return nil, fmt.Errorf("%s: no array %q", a.Name(), name)
}

// Array returns a whole array. Where it isn't compressed its bytes are the
// file's: read-only, valid until Close, and in an archive not compared with its
// checksum. A compressed one is read into memory.
func (a *Archive) Array(name string) (array.Strided, error) {
	m, err := a.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	size, err := m.spec.Bytes()
	if err != nil {
		return array.Strided{}, err
	}
	if m.data >= 0 {
		end := m.data + int64(size) // checked against the file's size
		return m.strided(a.m.Bytes()[m.data:end:end])
	}
	if int64(size) > a.opts.MaxInflated {
		return array.Strided{}, fmt.Errorf("%s: array %q: %d bytes compressed in %d, more than the limit of %d; stream it or raise MaxInflated",
			a.Name(), m.Name, size, m.entry.CompressedSize64, a.opts.MaxInflated)
	}
	r, err := a.data(m)
	if err != nil {
		return array.Strided{}, err
	}
	defer r.Close()
	var buf bytes.Buffer // grows with what is really there
	if err := fill(&buf, r, int64(size)); err != nil {
		return array.Strided{}, a.inflate(m, int64(buf.Len()), err)
	}
	if err := a.end(m, r); err != nil {
		return array.Strided{}, err
	}
	return m.strided(slices.Clip(buf.Bytes()))
}

// data returns a compressed array's bytes behind its header.
func (a *Archive) data(m *member) (io.ReadCloser, error) {
	r, err := m.entry.Open()
	if err != nil {
		return nil, a.inflate(m, 0, err)
	}
	if _, err := io.CopyN(io.Discard, r, int64(m.off)); err != nil {
		return nil, errors.Join(a.inflate(m, 0, err), r.Close())
	}
	return r, nil
}

// end reads to the end of an entry, where its checksum is compared.
func (a *Archive) end(m *member, r io.Reader) error {
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		if err == nil || err == io.EOF {
			err = errors.New("more data than the list says")
		}
		return a.inflate(m, int64(m.entry.UncompressedSize64), err)
	}
	return nil
}

func (a *Archive) inflate(m *member, at int64, err error) error {
	return &FormatError{File: a.Name(), Array: m.Name, Offset: -1, Msg: fmt.Sprintf("compressed data, byte %d of the array: %v", at, err)}
}

// Close unmaps and closes the file. A second Close does nothing.
func (a *Archive) Close() error {
	var err error
	if a.file != nil {
		err = a.file.Close()
		a.file = nil
	}
	return errors.Join(err, a.m.Close())
}

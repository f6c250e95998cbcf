package torchfile

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// maxVersion is the newest form of archive that PyTorch has; 3 is what it
// writes, and so does this package.
const maxVersion = 10

// source reads the value of a file whose bytes are b.
type source struct {
	name   string
	b      []byte
	budget *budget

	root    string // of the archive
	entries map[string]*zip.File
	order   byte
	places  []place
	stored  map[string]*storage
}

// place is a run of the file that something lies in.
type place struct {
	at, end int64
	name    string
}

func (s *source) bad(at int64, format string, args ...any) error {
	return &FormatError{File: s.name, Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// read returns the file's value.
func (s *source) read() (any, error) {
	switch b := s.b; {
	case len(b) >= 4 && string(b[:4]) == "PK\x03\x04":
		return s.readZip()
	case len(b) >= 2 && b[0] == opProto && b[1] <= maxProtocol:
		return s.readLegacy()
	case len(b) > 262 && string(b[257:262]) == "ustar":
		return nil, s.bad(0, "a tar archive, as PyTorch before 0.1.10 wrote them; it isn't served")
	}
	return nil, s.bad(0, "neither a ZIP archive nor a pickle")
}

// value runs the pickle that begins at a byte of the file and returns its value
// and where it ends.
func (s *source) value(pickle []byte, at int64, host host) (any, int64, error) {
	m := &machine{b: pickle, host: host, budget: s.budget}
	v, err := m.run()
	if err == nil {
		return v, at + int64(m.i), nil
	}
	var g *GlobalError
	if errors.As(err, &g) {
		g.File, g.Offset = s.name, at+int64(m.i)
		return nil, 0, err
	}
	var f *FormatError
	if errors.As(err, &f) {
		return nil, 0, err
	}
	return nil, 0, s.bad(at+int64(m.i), "pickle: %v", err)
}

// readZip reads an archive.
func (s *source) readZip() (any, error) {
	z, err := zip.NewReader(bytes.NewReader(s.b), int64(len(s.b)))
	if err != nil {
		return nil, s.bad(0, "not a ZIP archive: %v", err)
	}
	if err := s.index(z); err != nil {
		return nil, err
	}
	if s.entries["constants.pkl"] != nil {
		return nil, s.bad(0, "a TorchScript archive, which holds code; it isn't served")
	}
	if err := s.version(); err != nil {
		return nil, err
	}
	pickle, at, err := s.entry("data.pkl")
	if err != nil {
		return nil, err
	}
	s.stored = map[string]*storage{}
	r := &rebuilder{budget: s.budget, storage: s.record}
	v, _, err := s.value(pickle, at, r)
	if err != nil {
		return nil, err
	}
	return v, s.overlaps()
}

// index keeps the entries by their names below the archive's own folder.
func (s *source) index(z *zip.Reader) error {
	if len(z.File) == 0 {
		return s.bad(0, "an empty archive")
	}
	root, _, ok := strings.Cut(z.File[0].Name, "/")
	if !ok {
		return s.bad(0, "entry %q, want all of them in a folder, data.pkl among them", z.File[0].Name)
	}
	s.root = root + "/"
	s.entries = make(map[string]*zip.File, len(z.File))
	for _, e := range z.File {
		name, ok := strings.CutPrefix(e.Name, s.root)
		if !ok {
			continue
		}
		if s.entries[name] != nil {
			return s.bad(0, "entry %q is there twice", e.Name)
		}
		s.entries[name] = e
	}
	return nil
}

// version reads what the archive tells of itself.
func (s *source) version() error {
	s.order = '<'
	for _, name := range []string{".format_version", "version", "byteorder"} {
		if s.entries[name] == nil {
			continue
		}
		b, at, err := s.entry(name)
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(b[:min(len(b), 20)]))
		switch {
		case name == "byteorder" && text == "big":
			s.order = '>'
		case name == "byteorder" && text != "little":
			return s.bad(at, "byte order %q, want little or big", text)
		case name == "version":
			if n, err := strconv.Atoi(text); err != nil || n < 1 || n > maxVersion {
				return s.bad(at, "version %q, want 1 to %d", text, maxVersion)
			}
		}
	}
	return nil
}

// entry returns the bytes of an entry and where they lie.
func (s *source) entry(name string) ([]byte, int64, error) {
	e := s.entries[name]
	if e == nil {
		return nil, 0, s.bad(0, "no entry %q", s.root+name)
	}
	at, err := e.DataOffset()
	if err != nil {
		return nil, 0, s.bad(0, "entry %q: %v", e.Name, err)
	}
	size := e.UncompressedSize64
	switch {
	case e.Flags&1 != 0:
		return nil, 0, s.bad(at, "entry %q is encrypted", e.Name)
	case e.Method != zip.Store:
		return nil, 0, s.bad(at, "entry %q is compressed (method %d), which PyTorch never does; archive it anew without compression", e.Name, e.Method)
	case size != e.CompressedSize64:
		return nil, 0, s.bad(at, "entry %q: %d bytes stored in %d", e.Name, size, e.CompressedSize64)
	case at < 0 || at > int64(len(s.b)) || size > uint64(int64(len(s.b))-at):
		return nil, 0, s.bad(at, "entry %q: %d bytes, in a file of %d", e.Name, size, len(s.b))
	}
	end := at + int64(size)
	s.places = append(s.places, place{at, end, e.Name})
	return s.b[at:end:end], at, nil
}

// overlaps looks for entries that share bytes, which no writer makes.
func (s *source) overlaps() error {
	slices.SortFunc(s.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.end, b.end)) })
	end, name := int64(0), ""
	for _, p := range s.places {
		if p.end > p.at && p.at < end {
			return s.bad(p.at, "entry %q overlaps %q", p.name, name)
		}
		if p.end > end {
			end, name = p.end, p.name
		}
	}
	return nil
}

// record returns the storage of a key in an archive.
func (s *source) record(class, key string, n int64, view any) (*storage, error) {
	if view != nil {
		return nil, broken("a view of a storage, which archives don't have")
	}
	t := storageTypes[class]
	st := s.stored[key]
	if st == nil {
		b, at, err := s.entry("data/" + key)
		if err != nil {
			return nil, err
		}
		if err := s.budget.take(2 * objectSize); err != nil {
			return nil, err
		}
		st = &storage{class: class, t: t.WithOrder(s.order), data: b, at: at, big: s.order == '>'}
		s.stored[key] = st
	}
	if size := int64(t.ItemSize()); n > math.MaxInt64/size || n*size != int64(len(st.data)) {
		return nil, s.bad(st.at, "storage %q: %d bytes, want %d elements of %d", key, len(st.data), n, size)
	}
	if st.class != class { // the same bytes as another type
		other := *st
		other.class, other.t = class, t.WithOrder(s.order)
		return &other, nil
	}
	return st, nil
}

// magic begins a file of the older form, as a number in a pickle.
var magic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

const legacyVersion = 1001

// readLegacy reads a file of the form before PyTorch 1.6: pickles of a magic
// number, a version, the machine's properties, the value and the storages'
// keys, then each storage behind its number of elements.
func (s *source) readLegacy() (any, error) {
	at := int64(0)
	next := func(h host) (v any, err error) {
		v, at, err = s.value(s.b[at:], at, h)
		return v, err
	}
	none := &rebuilder{budget: s.budget, storage: func(string, string, int64, any) (*storage, error) {
		return nil, broken("a storage in the file's header")
	}}
	v, err := next(none)
	if n, ok := v.(*big.Int); err != nil || !ok || n.Cmp(magic) != 0 {
		return nil, s.bad(0, "a pickle, but none of PyTorch's files (%v)", err)
	}
	if v, err = next(none); err != nil || v != int64(legacyVersion) {
		return nil, cmp.Or(err, s.bad(at, "version %v, want %d", v, legacyVersion))
	}
	if v, err = next(none); err != nil {
		return nil, err
	}
	s.order = '<'
	if d, ok := v.(*Dict); ok {
		if little, ok := d.Get("little_endian"); ok && little == false {
			s.order = '>'
		}
	}
	// The storages lie behind the value, which is read twice: for their sizes,
	// and when they are found.
	roots := map[string]*storage{}
	count := map[string]int64{}
	scan := &rebuilder{budget: s.budget, dry: true, storage: func(class, key string, n int64, _ any) (*storage, error) {
		st := &storage{class: class, t: storageTypes[class]}
		if old := roots[key]; old != nil && (count[key] != n || old.t != st.t) {
			return nil, broken("storage %q has %d elements, and %d", key, count[key], n)
		}
		roots[key], count[key] = st, n
		return st, s.budget.take(4 * objectSize)
	}}
	begin := at
	if _, err := next(scan); err != nil {
		return nil, err
	}
	keys, err := next(none)
	if err != nil {
		return nil, err
	}
	if err := s.place(keys, at, roots, count); err != nil {
		return nil, err
	}
	full := &rebuilder{budget: s.budget, storage: func(class, key string, _ int64, view any) (*storage, error) {
		st := roots[key]
		if st == nil {
			return nil, broken("storage %q isn't there", key)
		}
		return st.view(view)
	}}
	v, _, err = s.value(s.b[begin:], begin, full)
	return v, err
}

// place finds the storages in the order of their keys.
func (s *source) place(keys any, at int64, roots map[string]*storage, count map[string]int64) error {
	list, ok := keys.(*List)
	if !ok {
		return s.bad(at, "the storages' keys are a %T, want a list", keys)
	}
	placed := map[string]bool{}
	for _, k := range list.Items {
		key, _ := k.(string)
		st := roots[key]
		if st == nil || placed[key] {
			return s.bad(at, "storage %v is unknown or there twice", k)
		}
		placed[key] = true
		if int64(len(s.b))-at < 8 {
			return s.bad(at, "storage %q: the file ends", key)
		}
		n := int64(binary.LittleEndian.Uint64(s.b[at:]))
		at += 8
		size := int64(st.t.ItemSize())
		if n != count[key] || n > (int64(len(s.b))-at)/size {
			return s.bad(at-8, "storage %q: %d elements of %d bytes, want %d in the %d bytes that are left", key, n, size, count[key], int64(len(s.b))-at)
		}
		end := at + n*size
		st.data, st.at, st.t, st.big = s.b[at:end:end], at, st.t.WithOrder(s.order), s.order == '>'
		at = end
	}
	if len(placed) != len(roots) {
		return s.bad(at, "%d storages, want %d", len(placed), len(roots))
	}
	if at != int64(len(s.b)) {
		return s.bad(at, "%d bytes behind the last storage", int64(len(s.b))-at)
	}
	return nil
}

// view returns a part of a storage, by (key, first element, elements).
func (st *storage) view(v any) (*storage, error) {
	if v == nil {
		return st, nil
	}
	t, ok := v.(Tuple)
	if !ok || len(t) != 3 {
		return nil, broken("a storage's view is a %T, want a tuple of 3", v)
	}
	first, ok := t[1].(int64)
	n, ok2 := t[2].(int64)
	size := int64(st.t.ItemSize())
	if all := int64(len(st.data)) / size; !ok || !ok2 || first < 0 || n < 0 || first > all || n > all-first {
		return nil, broken("a view of the elements %v to %v more of a storage of %d bytes", t[1], t[2], len(st.data))
	}
	part := *st
	part.at += first * size
	part.data = st.data[first*size : (first+n)*size : (first+n)*size]
	return &part, nil
}

package gnz

import (
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/mmap"
)

// Map is a GNZ1 file mapped for reading and writing: what is written to its
// arrays is in the file. Header and metadata stay as they are. It is safe for
// concurrent use as far as the writes are the caller's own affair.
type Map struct {
	name string
	m    *mmap.Writable
	h    *header
}

// OpenMap maps a file that exists.
func OpenMap(path string) (*Map, error) {
	m, err := mmap.OpenWritable(path)
	if err != nil {
		return nil, err
	}
	h, err := parseHeader(path, m.Bytes())
	if err != nil {
		m.Close()
		return nil, err
	}
	return &Map{name: path, m: m, h: h}, nil
}

// CreateMap writes a file of these arrays, all zeros, which take no space on
// disk where the system has sparse files, and maps it to be filled in any
// order. Of each member the name, the spec and the order count. The file stands
// when CreateMap returns.
func CreateMap(path string, members []array.Member, attrs map[string]any, opts *CreateOptions) (*Map, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	var w Writer // for its checks
	if err := w.SetAttrs(attrs); err != nil {
		return nil, err
	}
	h := &w.h
	seen := map[string]bool{}
	for _, m := range members {
		if err := checkMember(m.Name, m.Spec); err != nil {
			return nil, err
		}
		if seen[m.Name] {
			return nil, fmt.Errorf("gnz: array %q is there already", m.Name)
		}
		seen[m.Name] = true
		size, _ := m.Spec.Bytes() // checked
		h.entries = append(h.entries, &entry{name: m.Name, spec: m.Spec, fortran: m.Fortran && !m.Spec.Flat(), size: int64(size)})
	}
	text, err := h.layout(0)
	if err != nil {
		return nil, err
	}
	f, err := aside.Create(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	if _, err := f.Write(text); err != nil {
		return nil, err
	}
	if err := f.Truncate(max(up(int64(len(text))), h.end())); err != nil {
		return nil, err
	}
	if err := f.Commit(); err != nil {
		return nil, err
	}
	return OpenMap(path)
}

// Members returns the arrays in the order in which they lie in the file.
func (m *Map) Members() []array.Member {
	list := make([]array.Member, len(m.h.entries))
	for i, e := range m.h.entries {
		list[i] = e.member()
	}
	return list
}

// Attrs returns the file's metadata, as File.Attrs does.
func (m *Map) Attrs() map[string]any { return m.h.metadata }

// Array returns an array. Its bytes are the file's, to read and to write, and
// valid until Close.
func (m *Map) Array(name string) (array.Strided, error) {
	e, err := m.h.find(m.name, name)
	if err != nil {
		return array.Strided{}, err
	}
	return e.over(m.m.Bytes())
}

// Flush returns once what was written is on disk.
func (m *Map) Flush() error { return m.m.Flush() }

// Close unmaps the file; without a Flush before, the system puts the last
// writes on disk when it likes. A second Close does nothing.
func (m *Map) Close() error { return m.m.Close() }

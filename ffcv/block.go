package ffcv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// extension is what a File knows of its extension block. Open reads the
// trailer alone; the directory of sections is walked at the first need.
type extension struct {
	found  bool
	err    error // what is wrong with the trailer: then there are no sections
	off    int64 // of the first section
	length int64 // of all sections
	crc    uint32
	seal   bool // it begins with a SEAL section

	once    sync.Once
	list    []Section
	walkErr error
}

// readTrailer looks for the extension block's trailer right before the
// allocation table. A damaged one costs the sections, not the samples: it is
// an error of Sections and Verify.
func (f *File) readTrailer() error {
	f.data = int64(f.header.AllocTable)
	low := f.meta
	if f.row >= 0 {
		low += int64(f.row) * int64(f.header.NumSamples)
	}
	if f.data-low < trailerSize {
		return nil
	}
	b, err := f.read(f.data-trailerSize, trailerSize, nil)
	if err != nil {
		return err
	}
	t, found, err := trailerAt(b)
	f.ext.found = found
	if !found {
		return nil
	}
	if err == nil {
		f.ext.off, f.ext.length, err = t.blockRange(low, f.data)
	}
	if err != nil {
		e := f.flaw(f.data-trailerSize, "extension block")
		e.Err, f.ext.err = err, e
		if t.flags&trailerRequired == 0 {
			return nil
		}
		if errors.Is(err, ErrUnsupported) {
			return &UnsupportedError{File: f.src.Name(), What: "the samples cannot be read without the extension block", Err: err}
		}
		return e
	}
	f.ext.crc = t.crc
	f.data = f.ext.off
	f.pages = min(f.pages, f.data)
	if f.ext.seal = t.flags&trailerSeal != 0; f.ext.seal {
		f.readSeal(low)
	}
	if t.flags&trailerRequired == 0 {
		return nil
	}
	list, err := f.sections()
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Flags&FlagRequired != 0 && !s.Tag.Known() {
			return &UnsupportedError{File: f.src.Name(), What: fmt.Sprintf("the samples cannot be read without the extension section %v, which this package does not know", s.Tag)}
		}
	}
	return nil
}

// Known says whether this package reads and writes the sections of a tag itself.
func (t Tag) Known() bool {
	return t == TagClasses || t == TagNames || t == TagNameIndex || t == TagMarks || t == TagSums || t == TagSeal
}

// Sections lists the sections of the extension block in file order, the ones
// of unknown tags too; none for a file without the block. It reads only the
// sections' headers. With an error it returns the sections before the damage.
// The slice is the caller's.
func (f *File) Sections() ([]Section, error) {
	list, err := f.sections()
	return slices.Clone(list), err
}

func (f *File) sections() ([]Section, error) {
	e := &f.ext
	if !e.found || e.err != nil {
		return nil, e.err
	}
	e.once.Do(func() {
		var err error
		e.list, err = walkSections(f.readFull, e.off, e.length)
		if err != nil {
			w := f.flaw(e.off, "extension block")
			w.Err, e.walkErr = err, w
		}
	})
	return e.list, e.walkErr
}

// OpenSection returns a reader over a section's payload, valid until Close.
func (f *File) OpenSection(s Section) *io.SectionReader {
	return io.NewSectionReader(f.src, s.Offset, s.Length)
}

// section finds the first section of a tag among the readable ones.
func (f *File) section(tag Tag) (Section, bool) {
	list, _ := f.sections()
	for _, s := range list {
		if s.Tag == tag {
			return s, true
		}
	}
	return Section{}, false
}

func (f *File) readFull(p []byte, off int64) error {
	b, err := f.read(off, int64(len(p)), p)
	if err == nil && len(b) > 0 && &b[0] != &p[0] {
		copy(p, b)
	}
	return err
}

// sectionError places an error of a section.
func (f *File) sectionError(s Section, sample int, format string, args ...any) *FormatError {
	e := f.flaw(s.Offset, "extension section %v: %s", s.Tag, fmt.Sprintf(format, args...))
	e.Sample = sample
	return e
}

// Classes returns the names of the values 0, 1, … of the dataset's label
// field; nil when the file has none or they are damaged, which Sections or
// Verify tells.
func (f *File) Classes() []string {
	s, ok := f.section(TagClasses)
	if !ok {
		return nil
	}
	list, err := f.classes(s)
	if err != nil {
		return nil
	}
	return list
}

func (f *File) classes(s Section) ([]string, error) {
	if s.Length > maxClassBytes {
		return nil, f.sectionError(s, -1, "%d bytes, at most %d", s.Length, maxClassBytes)
	}
	b, err := f.read(s.Offset, s.Length, nil)
	if err != nil {
		return nil, err
	}
	list, err := parseClasses(b)
	if err != nil {
		return nil, f.sectionError(s, -1, "%v", err)
	}
	return list, nil
}

// numNames checks a NAME section's count and that its index fits.
func (f *File) numNames(s Section) (int64, error) {
	var p [8]byte
	if s.Length < 16 {
		return 0, f.sectionError(s, -1, "%d bytes, want at least 16", s.Length)
	}
	if err := f.readFull(p[:], s.Offset); err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint64(p[:])
	if n != f.header.NumSamples || n > uint64(s.Length-16)/8 {
		return 0, f.sectionError(s, -1, "%d names in %d bytes, want %d", n, s.Length, f.header.NumSamples)
	}
	return int64(n), nil
}

// name returns name i of a NAME section that numNames accepted.
func (f *File) name(s Section, i int, buf []byte) ([]byte, error) {
	var p [16]byte
	if err := f.readFull(p[:], nameOffset(s.Offset, int64(i))); err != nil {
		return nil, err
	}
	lo, hi := binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(p[8:])
	total := uint64(s.Length) - uint64(namesSize(int64(f.Len()), 0))
	if lo > hi || hi > total {
		return nil, f.sectionError(s, i, "name from %d to %d of %d bytes", lo, hi, total)
	}
	return f.read(s.Offset+namesSize(int64(f.Len()), int64(lo)), int64(hi-lo), buf)
}

// Key returns the source path or key of sample i, "" when it has none.
func (f *File) Key(i int) (string, error) {
	if i < 0 || i >= f.Len() {
		return "", fmt.Errorf("%s: sample %d of %d", f.src.Name(), i, f.Len())
	}
	s, ok, err := f.namesSection()
	if !ok || err != nil {
		return "", err
	}
	b, err := f.name(s, i, nil)
	return string(b), err
}

// namesSection finds and checks the NAME section.
func (f *File) namesSection() (s Section, ok bool, err error) {
	if s, ok = f.section(TagNames); !ok {
		_, err = f.sections() // it may be behind damage
		return s, false, err
	}
	_, err = f.numNames(s)
	return s, err == nil, err
}

// Find returns the first sample whose source path or key is key, and false
// when there is none. It is O(1) in files that have an index of names, as the
// ones of this package do; otherwise it reads all names.
func (f *File) Find(key string) (sample int, ok bool, err error) {
	names, ok, err := f.namesSection()
	if !ok || err != nil || key == "" {
		return 0, false, err
	}
	match := func(i int) (bool, error) {
		b, err := f.name(names, i, nil)
		return string(b) == key, err
	}
	if x, ok := f.section(TagNameIndex); ok {
		return f.probe(x, nameHash(key), match)
	}
	for i := range f.Len() {
		if ok, err := match(i); ok || err != nil {
			return i, ok, err
		}
	}
	return 0, false, nil
}

// probe follows a hash through a NIDX section until match accepts a sample.
func (f *File) probe(s Section, hash uint64, match func(sample int) (bool, error)) (int, bool, error) {
	slots := uint64(s.Length) / 8
	if s.Length%8 != 0 || slots == 0 || slots&(slots-1) != 0 {
		return 0, false, f.sectionError(s, -1, "%d bytes, want a power of two of slots of 8", s.Length)
	}
	var p [8]byte
	for k := range slots {
		at := (hash + k) & (slots - 1)
		if err := f.readFull(p[:], s.Offset+int64(at)*8); err != nil {
			return 0, false, err
		}
		slot := binary.LittleEndian.Uint64(p[:])
		if slot == 0 {
			return 0, false, nil
		}
		if slot&^slotSampleMask != hash&^slotSampleMask {
			continue
		}
		i := slot & slotSampleMask
		if i == 0 || i > f.header.NumSamples {
			return 0, false, f.sectionError(s, -1, "slot %d is of sample %d, there are %d", at, int64(i)-1, f.header.NumSamples)
		}
		if ok, err := match(int(i - 1)); ok || err != nil {
			return int(i - 1), ok, err
		}
	}
	return 0, false, f.sectionError(s, -1, "no free slot among %d", slots)
}

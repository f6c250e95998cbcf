package webdataset

import (
	"errors"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"
	"strings"
)

// Entry is a member of a sample: its extension, and where in the archive its bytes
// are.
type Entry struct {
	Ext       string
	Off, Size int64
}

// Sample is a sample of an archive: its key, where its first header begins, and its
// members in their order.
type Sample struct {
	Key     string
	Off     int64
	Entries []Entry

	// Sum is a CRC-32 of its members' headers, and of the bytes of members that have no
	// more than a block of the archive, as labels do: samples that differ in nothing but
	// their labels differ in it.
	Sum uint32
}

// Error is what is wrong with an archive, and where.
type Error struct {
	Name string // of the member, or the sample; "" unknown
	Off  int64  // in the archive as it is unpacked
	Err  error
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("at byte %d: %v", e.Off, e.Err)
	}
	return fmt.Sprintf("%q at byte %d: %v", e.Name, e.Off, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Visitor is told what an archive holds.
type Visitor struct {
	// Sample takes a sample, which is the scan's own and used again after. An error
	// ends the scan, and is returned as it is.
	Sample func(s *Sample) error

	// Skip, unless nil, is told of a file that belongs to no sample.
	Skip func(name, reason string)
}

// Unknown is the size of an archive that ends where its reader says io.EOF.
const Unknown = -1

// Scan tells v what an archive of size bytes holds, from front to back: it reads
// at offsets that only grow, the headers and small members alone, so that r may also
// be a stream that skips. Errors are *Error, those of v apart.
func Scan(r io.ReaderAt, size int64, v Visitor) error {
	s := &scan{r: r, size: size, visitor: v, exts: map[string]string{}, keys: map[uint64]int64{}, seed: maphash.MakeSeed()}
	return s.run()
}

type scan struct {
	r       io.ReaderAt
	size    int64 // or Unknown
	visitor Visitor

	off   int64 // of the next header
	head  header
	small [blockSize]byte // a member of no more

	// What headers before it tell of the next member.
	long string // its name by GNU
	pax  extended

	sample Sample
	exts   map[string]string // each extension once
	seed   maphash.Seed
	keys   map[uint64]int64 // the samples' offsets by their key's hash
}

// maxKeys bounds the keys that are remembered to find one that comes again: of an
// archive with more samples only the first ones'.
const maxKeys = 1 << 17

// maxExts bounds how many extensions are remembered.
const maxExts = 1 << 10

// maxEntries bounds the members of a sample. Files that have a dot inside of their
// names, such as photo.0001.jpg, seem to be one sample, and many would take long.
const maxEntries = 1 << 12

// maxLong bounds a name, or PAX header, that has its own member.
const maxLong = 1 << 20

func (s *scan) run() error {
	for {
		begin := s.off
		more, err := s.next()
		if err != nil {
			return err
		}
		if !more {
			if err := s.flush(); err != nil {
				return err
			}
			return s.end(begin)
		}
	}
}

// fail is an error of the member, or of what has no name, at off.
func fail(name string, off int64, err error) error { return &Error{Name: name, Off: off, Err: err} }

// read fills b from off on.
func (s *scan) read(b []byte, off int64) error {
	n, err := s.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = fmt.Errorf("the archive ends %d bytes behind: %w", n, io.ErrUnexpectedEOF)
	}
	return err
}

// next reads a header, and what belongs to it but for the data of files. false is
// the end.
func (s *scan) next() (bool, error) {
	at := s.off
	if at == s.size && at > 0 {
		return false, fail("", at, fmt.Errorf("the archive has no end (two blocks of zeros): it may be cut: %w", io.ErrUnexpectedEOF))
	}
	if err := s.read(s.head[:], at); err != nil {
		if at == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("no tar archive: it is shorter than a header")
		}
		return false, fail(s.sample.Key, at, err)
	}
	if s.head.zero() {
		s.off += blockSize
		return false, nil
	}
	if err := s.head.check(); err != nil {
		if at == 0 {
			err = fmt.Errorf("no tar archive: %w", err)
		}
		return false, fail("", at, err)
	}
	size, err := number(s.head[offSize : offSize+lenSize])
	if err != nil {
		return false, fail(s.head.path(), at, fmt.Errorf("size: %w", err))
	}
	return true, s.member(at, size)
}

// member goes on behind a header, whose size is that of the data unless a PAX header
// told another.
func (s *scan) member(at, size int64) error {
	switch kind := s.head[offType]; kind {
	case typePAX, typePAXSun, typePAXAll, typeGNUName, typeGNULink:
		return s.extend(kind, at, size)
	}
	name := s.head.path()
	if s.long != "" {
		name = s.long
	}
	if s.pax.path != "" {
		name = s.pax.path
	}
	if s.pax.found && s.pax.size >= 0 {
		size = s.pax.size
	}
	s.long, s.pax = "", extended{size: -1}
	pad, err := padded(size)
	if err != nil {
		return fail(name, at, err)
	}
	data := at + blockSize
	if s.size != Unknown && (data > s.size || pad > s.size-data) {
		if size > s.size-data { // some writers leave the last padding out
			return fail(name, at, fmt.Errorf("a member of %d bytes from byte %d on, and the archive has %d: %w", size, data, s.size, io.ErrUnexpectedEOF))
		}
		pad = s.size - data
	}
	s.off = data + pad
	return s.add(name, at, Entry{Off: data, Size: size})
}

// extend reads a header for the next member.
func (s *scan) extend(kind byte, at, size int64) error {
	data := at + blockSize
	if size > maxLong {
		return fail("", at, fmt.Errorf("a header of %d bytes for the next member; at most %d are read", size, maxLong))
	}
	b := make([]byte, size)
	if err := s.read(b, data); err != nil {
		return fail("", at, err)
	}
	pad, err := padded(size)
	if err != nil {
		return fail("", at, err)
	}
	s.off = data + pad
	switch kind {
	case typeGNUName:
		s.long = text(b)
	case typePAX, typePAXSun:
		s.pax, err = parsePAX(b)
	case typePAXAll:
		var x extended
		if x, err = parsePAX(b); err == nil && (x.path != "" || x.size >= 0) {
			err = errors.New("a path or size for all members behind it")
		}
	}
	if err != nil {
		return fail(s.pax.path, at, err)
	}
	return nil
}

// add takes a member.
func (s *scan) add(name string, at int64, e Entry) error {
	var refused string
	switch kind := s.head[offType]; kind {
	case typeFile, typeFileNear:
	case typeFileOld:
		if strings.HasSuffix(name, "/") {
			return nil // a folder, before there was a type for them
		}
	case typeDir:
		s.off = at + blockSize // it has no data, whatever its size
		return nil
	case typeLabel:
		return nil
	case typeSparse:
		return fail(name, at, errSparse)
	case typeLink, typeSymlink:
		refused = "a link"
	case typeChar, typeBlock, typeFIFO:
		refused = "a device"
	case typePart:
		refused = "a part of a file that another volume begins"
	default:
		refused = fmt.Sprintf("a member of type %q", kind)
	}
	if refused != "" {
		return fail(name, at, fmt.Errorf("%s; a sample has files alone", refused))
	}
	for strings.HasPrefix(name, "./") { // as tar names what is in the folder that it packs
		name = name[2:]
	}
	if err := checkPath(name); err != nil {
		return fail(name, at, err)
	}
	if meta(name) {
		s.skip(name, "WebDataset's own")
		return nil
	}
	key, ext, ok := Split(name)
	if !ok {
		s.skip(name, "no extension, or hidden")
		return nil
	}
	return s.group(name, key, ext, at, e)
}

func (s *scan) skip(name, reason string) {
	if s.visitor.Skip != nil {
		s.visitor.Skip(name, reason)
	}
}

// group adds a member to the sample of its key, which ends the one before.
func (s *scan) group(name, key, ext string, at int64, e Entry) error {
	if len(s.sample.Entries) == 0 || key != s.sample.Key {
		if err := s.flush(); err != nil {
			return err
		}
		s.sample.Key, s.sample.Off = key, at
		hash := maphash.String(s.seed, key)
		if before, ok := s.keys[hash]; ok {
			return fail(name, at, fmt.Errorf("its key %q is that of the sample at byte %d, and others are between: members of a sample must follow each other (tar --sort=name)", key, before))
		}
		if len(s.keys) < maxKeys {
			s.keys[hash] = at
		}
	}
	if len(s.sample.Entries) == maxEntries {
		return fail(name, at, fmt.Errorf("its sample %q has more than %d members: a key ends at the first dot of a file's name", key, maxEntries))
	}
	for _, other := range s.sample.Entries {
		if other.Ext == ext {
			return fail(name, at, fmt.Errorf("its sample has a member %s already, at byte %d", ext, other.Off))
		}
	}
	known, ok := s.exts[ext]
	if !ok {
		known = strings.Clone(ext)
		if len(s.exts) < maxExts {
			s.exts[known] = known
		}
	}
	e.Ext = known
	s.sample.Entries = append(s.sample.Entries, e)
	return s.sum(name, e)
}

// sum adds a member to the sample's sum.
func (s *scan) sum(name string, e Entry) error {
	s.sample.Sum = crc32.Update(s.sample.Sum, crc32.IEEETable, s.head[:])
	if e.Size > blockSize {
		return nil
	}
	b := s.small[:e.Size]
	if err := s.read(b, e.Off); err != nil {
		return fail(name, e.Off, err)
	}
	s.sample.Sum = crc32.Update(s.sample.Sum, crc32.IEEETable, b)
	return nil
}

// flush hands the sample over that is complete.
func (s *scan) flush() error {
	if len(s.sample.Entries) == 0 {
		return nil
	}
	err := s.visitor.Sample(&s.sample)
	s.sample.Entries, s.sample.Sum = s.sample.Entries[:0], 0
	return err
}

// end looks at what is behind a block of zeros, which began at off: zeros, or the
// archive would be another one than it seems.
func (s *scan) end(off int64) error {
	buf := make([]byte, 64<<10)
	for at := s.off; s.size == Unknown || at < s.size; {
		b := buf
		if s.size != Unknown {
			b = b[:min(int64(len(b)), s.size-at)]
		}
		n, err := s.r.ReadAt(b, at)
		for i, c := range b[:n] {
			if c != 0 {
				return fail("", at+int64(i), fmt.Errorf("something follows the archive's end at byte %d: two archives in one file are not read", off))
			}
		}
		if err != nil && err != io.EOF {
			return fail("", at, err)
		}
		if at += int64(n); n < len(b) {
			break
		}
	}
	return nil
}

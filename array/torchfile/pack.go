package torchfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// Sizes of the ZIP format's parts.
const (
	localSize   = 30 // + name + extra
	end64Size   = 56
	extra64Size = 20 // of two 64-bit sizes, in an entry's own header
	max32       = 1<<32 - 1
	max16       = 1<<16 - 1
	dosDate     = 1<<5 | 1 // the first day that the format can tell
	utf8Flag    = 0x800
	// alignment is of every entry's data, so that maps of them are aligned for
	// any element and vector.
	alignment = 64
	padID     = 0x4246 // "FB", PyTorch's own padding
)

// pack writes an archive without compression, one entry after the other. An
// entry's header is written behind its data, when its size and sum are known.
type pack struct {
	f       *aside.File
	root    string
	at      int64
	entries []packed
	swapped []byte
}

// packed is an entry.
type packed struct {
	name  string
	head  int64 // of its header
	begin int64 // of its data
	size  int64
	crc   uint32
}

// newPack begins an archive, whose folder is called as the target without its
// extension, as PyTorch does.
func newPack(path string, overwrite bool) (*pack, error) {
	f, err := aside.Create(path, overwrite)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(path)
	root := strings.TrimSuffix(base, filepath.Ext(base))
	for _, c := range root {
		if c < ' ' || c > '~' || c == '/' || c == '\\' {
			root = ""
		}
	}
	if root == "" || len(root) > 100 {
		root = "archive"
	}
	return &pack{f: f, root: root + "/"}, nil
}

// begin opens an entry.
func (p *pack) begin(name string) {
	e := packed{name: p.root + name, head: p.at}
	e.begin = p.at + int64(localSize+len(e.name)+extra64Size+4)
	e.begin = (e.begin + alignment - 1) &^ (alignment - 1)
	p.at = e.begin
	p.entries = append(p.entries, e)
}

// piece is how many bytes are written at a time, so that the sum finds them in a
// cache.
const piece = 256 << 10

// write writes behind what the open entry has.
func (p *pack) write(b []byte) error {
	e := &p.entries[len(p.entries)-1]
	if int64(len(b)) > math.MaxInt64-1<<32-p.at {
		return fmt.Errorf("entry %q is too large", e.name)
	}
	for len(b) > 0 {
		part := b[:min(len(b), piece)]
		if _, err := p.f.WriteAt(part, p.at); err != nil {
			return err
		}
		e.crc = crc32.Update(e.crc, crc32.IEEETable, part)
		p.at += int64(len(part))
		e.size += int64(len(part))
		b = b[len(part):]
	}
	return nil
}

// end closes the entry and writes its header.
func (p *pack) end() error {
	e := &p.entries[len(p.entries)-1]
	b := make([]byte, 0, e.begin-e.head)
	extra := int(e.begin-e.head) - localSize - len(e.name)
	b = binary.LittleEndian.AppendUint32(b, 0x04034b50)
	b = e.common(b, e.size)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.name)))
	b = binary.LittleEndian.AppendUint16(b, uint16(extra))
	b = append(b, e.name...)
	if e.size >= max32 {
		b = binary.LittleEndian.AppendUint16(b, 1)
		b = binary.LittleEndian.AppendUint16(b, extra64Size-4)
		b = binary.LittleEndian.AppendUint64(b, uint64(e.size))
		b = binary.LittleEndian.AppendUint64(b, uint64(e.size))
		extra -= extra64Size
	}
	b = binary.LittleEndian.AppendUint16(b, padID)
	b = binary.LittleEndian.AppendUint16(b, uint16(extra-4))
	for range extra - 4 {
		b = append(b, 'Z')
	}
	_, err := p.f.WriteAt(b, e.head)
	return err
}

// common is the part that both of an entry's headers have.
func (e *packed) common(b []byte, size int64) []byte {
	version := uint16(20)
	if size >= max32 || e.head >= max32 {
		version = 45
	}
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint16(b, utf8Flag)
	b = binary.LittleEndian.AppendUint16(b, 0) // stored
	b = binary.LittleEndian.AppendUint16(b, 0) // midnight
	b = binary.LittleEndian.AppendUint16(b, dosDate)
	b = binary.LittleEndian.AppendUint32(b, e.crc)
	b = binary.LittleEndian.AppendUint32(b, uint32(min(size, max32)))
	return binary.LittleEndian.AppendUint32(b, uint32(min(size, max32)))
}

// directory is the entry's part of the list at the archive's end.
func (e *packed) directory(b []byte) []byte {
	var extra []byte
	if e.size >= max32 {
		extra = binary.LittleEndian.AppendUint64(extra, uint64(e.size))
		extra = binary.LittleEndian.AppendUint64(extra, uint64(e.size))
	}
	if e.head >= max32 {
		extra = binary.LittleEndian.AppendUint64(extra, uint64(e.head))
	}
	if extra != nil {
		extra = append(binary.LittleEndian.AppendUint16([]byte{1, 0}, uint16(len(extra))), extra...)
	}
	b = binary.LittleEndian.AppendUint32(b, 0x02014b50)
	b = binary.LittleEndian.AppendUint16(b, 45) // made by
	b = e.common(b, e.size)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(e.name)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(extra)))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // comment, disk, attributes
	b = binary.LittleEndian.AppendUint32(b, uint32(min(e.head, max32)))
	b = append(b, e.name...)
	return append(b, extra...)
}

// small writes a whole entry.
func (p *pack) small(name string, b []byte) error {
	p.begin(name)
	if err := p.write(b); err != nil {
		return err
	}
	return p.end()
}

// finish writes the value's pickle and the list. Commit is the caller's.
func (p *pack) finish(pickle []byte) error {
	for _, e := range []struct {
		name string
		b    []byte
	}{{"data.pkl", pickle}, {"byteorder", []byte("little")}, {"version", []byte("3\n")}} {
		if err := p.small(e.name, e.b); err != nil {
			return err
		}
	}
	var b []byte
	for i := range p.entries {
		b = p.entries[i].directory(b)
	}
	size, n := int64(len(b)), len(p.entries)
	if p.at >= max32 || size >= max32 || n >= max16 {
		b = binary.LittleEndian.AppendUint32(b, 0x06064b50)
		b = binary.LittleEndian.AppendUint64(b, end64Size-12)
		b = append(b, 45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0) // versions, disks
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
		b = binary.LittleEndian.AppendUint64(b, uint64(size))
		b = binary.LittleEndian.AppendUint64(b, uint64(p.at))
		b = binary.LittleEndian.AppendUint32(b, 0x07064b50)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(p.at+size))
		b = binary.LittleEndian.AppendUint32(b, 1)
	}
	b = binary.LittleEndian.AppendUint32(b, 0x06054b50)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(min(n, max16)))
	b = binary.LittleEndian.AppendUint16(b, uint16(min(n, max16)))
	b = binary.LittleEndian.AppendUint32(b, uint32(min(size, max32)))
	b = binary.LittleEndian.AppendUint32(b, uint32(min(p.at, max32)))
	b = append(b, 0, 0)
	_, err := p.f.WriteAt(b, p.at)
	return err
}

// rows writes rows in the byte order that archives have.
func (p *pack) rows(a array.Array) error {
	if a.DType.Order() == '>' {
		a = array.SwapInto(p.swapped, a)
		p.swapped = a.Data
	}
	return p.write(a.Data)
}

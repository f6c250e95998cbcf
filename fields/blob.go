package fields

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/betongo/betongo/internal/regular"
)

// blobSize is {ptr u8, size u8}, packed, so of alignment 1.
const blobSize = 16

var blobLayout = Layout{Size: blobSize, Align: 1, Pointers: []int{0}}

// Bytes stores bytes of any length. Values are []byte and Path, whose file is
// read into the sample's place. Decode returns a []byte that borrows the data.
type Bytes struct{}

// TypeID returns TypeBytes.
func (Bytes) TypeID() TypeID { return TypeBytes }

// Args returns zeros.
func (Bytes) Args() (Args, error) { return Args{}, nil }

// Layout is {ptr u8, size u8}, packed.
func (Bytes) Layout() Layout { return blobLayout }

// Encode stores the bytes.
func (Bytes) Encode(meta []byte, value any, at At) error {
	switch v := value.(type) {
	case []byte:
		buf, err := allocBlob(meta, len(v), at)
		copy(buf, v)
		return err
	case Path:
		return encodeFile(meta, string(v), at)
	}
	return wrongType("bytes", value, "[]byte or fields.Path")
}

// Regions returns the bytes' place.
func (Bytes) Regions(dst []Region, meta []byte) ([]Region, error) {
	return blobRegion("bytes", dst, meta)
}

// Decode returns the region's bytes, borrowed.
func (Bytes) Decode(meta []byte, data [][]byte) (any, error) {
	return blobData("bytes", meta, data)
}

// allocBlob reserves size bytes and writes the metadata.
func allocBlob(meta []byte, size int, at At) ([]byte, error) {
	ptr, buf, err := at.Alloc(size)
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint64(meta, ptr)
	binary.LittleEndian.PutUint64(meta[8:], uint64(size))
	return buf, nil
}

func blobRegion(kind string, dst []Region, meta []byte) ([]Region, error) {
	if err := checkMeta(kind, meta, blobSize); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(meta[8:])
	if size > math.MaxInt64 {
		return nil, fmt.Errorf("%s metadata: a size of %d bytes", kind, size)
	}
	return append(dst, Region{Ptr: binary.LittleEndian.Uint64(meta), Size: int64(size)}), nil
}

func blobData(kind string, meta []byte, data [][]byte) ([]byte, error) {
	var one [1]Region
	r, err := blobRegion(kind, one[:0], meta)
	if err != nil {
		return nil, err
	}
	return region(kind, data, r[0].Size)
}

// encodeFile reads a file straight into the region.
func encodeFile(meta []byte, name string, at At) error {
	f, err := regular.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > math.MaxInt {
		return fmt.Errorf("read %s: %d bytes are more than memory can hold", name, info.Size())
	}
	buf, err := allocBlob(meta, int(info.Size()), at)
	if err != nil {
		return err
	}
	if n, err := io.ReadFull(f, buf); err != nil {
		return fmt.Errorf("read %s: %d of %d bytes: %w", name, n, len(buf), err)
	}
	if n, _ := f.Read(make([]byte, 1)); n != 0 {
		return fmt.Errorf("read %s: it grew beyond %d bytes meanwhile", name, len(buf))
	}
	return nil
}

package array

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/literal"
	"github.com/betongo/betongo/internal/regular"
)

// A file with a small header, for programs that read a file by hand:
//
//	0   u64 LE  rows: elements of the first axis
//	8   u32 LE  n, the length of the type's text
//	12  n       the type of a row, ASCII or UTF-8: "<f4", "(3, 4)<f4" for rows of
//	            shape (3, 4), "[('a', '<f4')]" for structs, "([('a', '<f4')], (2,))"
//	            for rows of structs
//	…           zeros up to a multiple of 64
//	            the elements in C order, to the file's end
//
// In NumPy: rows, n = struct.unpack("<QI", f.read(12)), then
// numpy.fromfile(path, text, rows, offset=(12 + n + 63) // 64 * 64).
const (
	headSize  = 12
	headAlign = 64
	maxHead   = 1 << 20
)

// SaveWithHeader writes an array with a header of its number of rows and their
// type. A scalar has no rows: an error. What was at path is replaced, once
// everything is written.
func SaveWithHeader(path string, a Array) error {
	if _, err := New(a.Spec, a.Data); err != nil {
		return err
	}
	if len(a.Shape) == 0 {
		return errors.New("save with header: a scalar has no rows; give it the shape (1,)")
	}
	text := rowType(Spec{DType: a.DType, Shape: a.Shape[1:]})
	head := binary.LittleEndian.AppendUint64(nil, uint64(a.Shape[0]))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(text)))
	head = append(head, text...)
	head = append(head, make([]byte, roundUp(len(head), headAlign)-len(head))...)
	f, err := aside.Create(path, true)
	if err != nil {
		return err
	}
	defer f.Abort()
	for _, b := range [][]byte{head, a.Data} {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	return f.Commit()
}

func rowType(row Spec) string {
	switch {
	case len(row.Shape) == 0:
		return row.DType.String()
	case row.DType.IsStruct():
		return "(" + row.DType.String() + ", " + ShapeString(row.Shape) + ")"
	}
	return ShapeString(row.Shape) + row.DType.String()
}

// LoadWithHeader reads a file of SaveWithHeader into memory. The file must hold
// exactly the rows that its header tells.
func LoadWithHeader(path string) (Array, error) {
	f, err := regular.Open(path)
	if err != nil {
		return Array{}, err
	}
	defer f.Close()
	a, err := loadWithHeader(f)
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

func loadWithHeader(f *os.File) (Array, error) {
	info, err := f.Stat()
	if err != nil {
		return Array{}, err
	}
	head := make([]byte, headSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return Array{}, fmt.Errorf("header: %w", err)
	}
	rows, n := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint32(head[8:])
	if n > maxHead || int64(n) > info.Size()-headSize {
		return Array{}, fmt.Errorf("header: a type's text of %d bytes at byte 8, in a file of %d", n, info.Size())
	}
	if rows > math.MaxInt {
		return Array{}, fmt.Errorf("header: %d rows", rows)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(f, text); err != nil {
		return Array{}, fmt.Errorf("header: %w", err)
	}
	spec, err := parseRowType(string(text))
	if err != nil {
		return Array{}, fmt.Errorf("header: %w", err)
	}
	spec.Shape = append([]int{int(rows)}, spec.Shape...)
	size, err := spec.Bytes()
	if err != nil {
		return Array{}, fmt.Errorf("header: %w", err)
	}
	off := int64(roundUp(headSize+int(n), headAlign))
	if have := info.Size() - off; have != int64(size) {
		return Array{}, fmt.Errorf("%d bytes of data from byte %d, want %d for an array %v", have, off, size, spec)
	}
	data := aligned(size)
	if _, err := f.ReadAt(data, off); err != nil && !(err == io.EOF && size == 0) {
		return Array{}, err
	}
	return New(spec, data)
}

// parseRowType reads a type with the shape of a row.
func parseRowType(s string) (Spec, error) {
	if !strings.HasPrefix(s, "(") {
		t, err := ParseDType(s)
		return Spec{DType: t}, err
	}
	if strings.HasSuffix(s, ")") {
		v, err := literal.Parse([]byte(s))
		if err != nil {
			return Spec{}, fmt.Errorf("type %s: %w", excerpt(s), err)
		}
		t, shape, err := fromLiteral(v, false)
		return Spec{DType: t, Shape: shape}, err
	}
	t, shape, err := parseMember(s)
	return Spec{DType: t, Shape: shape}, err
}

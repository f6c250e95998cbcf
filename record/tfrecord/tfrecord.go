// Package tfrecord reads TensorFlow's record files and the messages that lie in most
// of them, tf.train.Example and tf.train.SequenceExample, without TensorFlow.
//
// A record is its length (8 bytes, little-endian), a checksum of these, its bytes,
// and a checksum of them: CRC-32C, masked. Files know neither how many records they
// have nor where these lie; Scan finds out.
//
// A message is a map of names to lists: of bytes, of floats of 32 bits, or of whole
// numbers of 64. A SequenceExample has besides lists of such lists.
package tfrecord

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// These numbers are part of the format.
const (
	// HeaderSize is what lies before a record's bytes: their number, and its sum.
	HeaderSize = 12
	// FooterSize is what lies behind them: their sum.
	FooterSize = 4
)

// MaxRecord bounds a record: Protobuf's messages have 2 GiB at most.
const MaxRecord = math.MaxInt32

// FormatError says that a file is no TFRecord, or a broken one.
type FormatError struct {
	Record int64 // its number in the file, 0 the first; -1 where nobody counted
	Offset int64 // of the record in the file
	Msg    string
}

func (e *FormatError) Error() string {
	if e.Record < 0 {
		return fmt.Sprintf("record at byte %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("record %d at byte %d: %s", e.Record, e.Offset, e.Msg)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the masked checksum of bytes.
func sum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// Length returns how many bytes the record has that begins with header, of which it
// needs HeaderSize bytes. The error says what is wrong with them.
func Length(header []byte) (int64, error) {
	if len(header) < HeaderSize {
		return 0, fmt.Errorf("a header of %d bytes, want %d", len(header), HeaderSize)
	}
	if got, want := sum(header[:8]), binary.LittleEndian.Uint32(header[8:]); got != want {
		return 0, fmt.Errorf("its length has the checksum %08x, want %08x", got, want)
	}
	n := binary.LittleEndian.Uint64(header)
	if n > MaxRecord {
		return 0, fmt.Errorf("%d bytes, at most %d can be read", n, MaxRecord)
	}
	return int64(n), nil
}

// Scan finds the records of a file of size bytes, from front to back, without a look
// at what is in them: found is called with the offset of each, and the number of its
// bytes, without those around them. A negative size is unknown: the file ends where r
// does, which answers io.EOF just there and io.ErrUnexpectedEOF behind that. r is
// asked for offsets that only grow. An error is a *FormatError, one of r, or found's.
func Scan(r io.ReaderAt, size int64, found func(off, n int64) error) error {
	var head [HeaderSize]byte
	var off int64
	for i := int64(0); size < 0 || off < size; i++ {
		bad := func(format string, args ...any) error {
			return &FormatError{i, off, fmt.Sprintf(format, args...)}
		}
		n, err := r.ReadAt(head[:], off)
		switch {
		case size < 0 && n == 0 && err == io.EOF:
			return nil
		case n < len(head) && (err == io.EOF || err == io.ErrUnexpectedEOF):
			return bad("the file ends before it, or in its header")
		case n < len(head):
			return err
		}
		length, err := Length(head[:])
		if err != nil {
			if i == 0 {
				err = fmt.Errorf("%w: no TFRecord", err)
			}
			return bad("%v", err)
		}
		next := off + HeaderSize + length + FooterSize
		if size >= 0 && next > size {
			return bad("%d bytes, the file has %d behind its header", length, size-off-HeaderSize)
		}
		if err := found(off, length); err != nil {
			return err
		}
		off = next
	}
	return nil
}

// Payload returns the bytes of a record that was read with those around them, which
// it borrows. The error says which sum or length is wrong.
func Payload(record []byte) ([]byte, error) {
	n, err := Length(record)
	if err != nil {
		return nil, err
	}
	if int64(len(record)) != HeaderSize+n+FooterSize {
		return nil, fmt.Errorf("%d bytes, of which %d were read", n, len(record))
	}
	if err := Check(record[HeaderSize:]); err != nil {
		return nil, err
	}
	return record[HeaderSize : HeaderSize+n : HeaderSize+n], nil
}

// Check compares the sum of a record's bytes with that behind them, the last
// FooterSize bytes of b.
func Check(b []byte) error {
	n := len(b) - FooterSize
	if n < 0 {
		return fmt.Errorf("a record of %d bytes", len(b))
	}
	if got, want := sum(b[:n]), binary.LittleEndian.Uint32(b[n:]); got != want {
		return fmt.Errorf("its bytes have the checksum %08x, want %08x", got, want)
	}
	return nil
}

// Append appends a record of some bytes, as it lies in a file.
func Append(dst, b []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(b)))
	dst = binary.LittleEndian.AppendUint32(dst, sum(dst[at:]))
	dst = append(dst, b...)
	return binary.LittleEndian.AppendUint32(dst, sum(b))
}

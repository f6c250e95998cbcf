package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/betongo/betongo/internal/roll"
)

// records says where each record of a table's file lies, and every lineStep-th
// record's line number for errors.
type records struct {
	starts roll.Numbers
	size   int64 // of the file
	lines  roll.Numbers
}

// lineStep bounds how many records are read again to tell one's line number.
const lineStep = 1024

// add begins a record at offset off, on that line.
func (r *records) add(off, line int64) {
	if r.starts.Len()%lineStep == 0 {
		r.lines.Append(line)
	}
	r.starts.Append(off)
}

// err returns the first error of add.
func (r *records) err() error { return errors.Join(r.starts.Err(), r.lines.Err()) }

// seal ends the index of a file of size bytes; only then it can be read.
func (r *records) seal(size int64) error {
	r.size = size
	return errors.Join(r.starts.Seal(), r.lines.Seal())
}

// len returns the number of records, 0 after close.
func (r *records) len() int { return r.starts.Len() }

func (r *records) close() error { return errors.Join(r.starts.Close(), r.lines.Close()) }

// span returns where record i begins and ends.
func (r *records) span(i int) (off, end int64) {
	if i+1 < r.len() {
		return r.starts.At(i), r.starts.At(i + 1)
	}
	return r.starts.At(i), r.size
}

// maxRecord is how many bytes a record may have, as many as the largest page:
// a file without line ends is one record.
const maxRecord = 1 << 30

// read returns the bytes of record i, with the line end and any blank lines
// behind it.
func (r *records) read(f io.ReaderAt, i int) ([]byte, error) {
	off, end := r.span(i)
	if end-off > maxRecord {
		return nil, fmt.Errorf("record at byte %d: %d bytes to the next one, at most %d are read", off, end-off, maxRecord)
	}
	b := make([]byte, end-off)
	if n, err := f.ReadAt(b, off); n < len(b) {
		return nil, fmt.Errorf("record at byte %d: read %d of %d bytes: %w", off, n, len(b), err)
	}
	return b, nil
}

// line returns the line number of record i, 1 the first, or 0 when the file
// cannot be read.
func (r *records) line(f io.ReaderAt, i int) int64 {
	line := r.lines.At(i / lineStep)
	from := r.starts.At(i / lineStep * lineStep)
	rest := io.NewSectionReader(f, from, r.starts.At(i)-from)
	buf := make([]byte, 32<<10)
	for {
		n, err := rest.Read(buf)
		line += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if err == io.EOF {
			return line
		}
		if err != nil {
			return 0
		}
	}
}

// readBuffer is the unit in which a table is read for its index.
const readBuffer = 256 << 10

// byteOrderMark begins files of some Windows programs; it is no part of the
// first record.
var byteOrderMark = []byte("\xef\xbb\xbf")

// indexer finds where records begin and adds them to the index.
type indexer interface {
	// feed takes the next bytes of the file, which begin at offset off.
	feed(chunk []byte, off int64)
	// done says, after the last chunk, whether the last record ended.
	done() error
}

// indexFile runs a file through in, which adds to r.
func indexFile(ctx context.Context, f io.Reader, in indexer, r *records) error {
	buf := make([]byte, readBuffer)
	var off int64
	for {
		if err := errors.Join(ctx.Err(), r.err()); err != nil {
			return err
		}
		n, err := io.ReadFull(f, buf)
		chunk := buf[:n]
		if off == 0 && bytes.HasPrefix(chunk, byteOrderMark) {
			chunk, off = chunk[len(byteOrderMark):], int64(len(byteOrderMark))
		}
		in.feed(chunk, off)
		off += int64(len(chunk))
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			if err := in.done(); err != nil {
				return err
			}
			return r.seal(off)
		default:
			return err
		}
	}
}

// lineIndexer takes every line that is not blank as a record (jsonl).
type lineIndexer struct {
	r     *records
	line  int64 // lines ended so far
	inRow bool  // a record begins on this line
}

func (x *lineIndexer) feed(chunk []byte, off int64) {
	for i := 0; i < len(chunk); i++ {
		switch c := chunk[i]; {
		case c == '\n':
			x.line++
			x.inRow = false
		case x.inRow:
			// On to the end of the line.
			if n := bytes.IndexByte(chunk[i:], '\n'); n >= 0 {
				i += n - 1
			} else {
				i = len(chunk)
			}
		case c != ' ' && c != '\t' && c != '\r':
			x.inRow = true
			x.r.add(off+int64(i), x.line+1)
		}
	}
}

func (x *lineIndexer) done() error { return nil }

// csvIndexer finds records as encoding/csv does: line ends inside quotes belong
// to their cell, empty lines to nobody.
type csvIndexer struct {
	comma  byte
	r      *records
	line   int64    // lines ended so far
	state  csvState // at the next byte
	lone   bool     // the line so far is one '\r', which ends an empty line or begins a cell
	opened int64    // the line of the last opening quote
}

type csvState uint8

const (
	csvRowStart  csvState = iota
	csvCellStart          // behind a comma
	csvPlain              // in a cell without quotes
	csvQuoted             // in quotes
	csvQuote              // behind a quote in quotes: its end, or half of a doubled one
)

func (x *csvIndexer) feed(chunk []byte, off int64) {
	for i, c := range chunk {
		if x.state == csvRowStart {
			switch {
			case c == '\n':
				x.line++
				x.lone = false
				continue
			case c == '\r' && !x.lone:
				x.lone = true
				continue
			case x.lone:
				// What looked like the end of an empty line begins a record.
				x.r.add(off+int64(i)-1, x.line+1)
				x.lone, x.state = false, csvPlain
			default:
				x.r.add(off+int64(i), x.line+1)
				x.state = csvCellStart
			}
		}
		x.cell(c)
	}
}

// cell moves on by one byte of a record.
func (x *csvIndexer) cell(c byte) {
	if c == '\n' {
		x.line++
		if x.state != csvQuoted {
			x.state = csvRowStart
		}
		return
	}
	switch x.state {
	case csvCellStart:
		switch c {
		case '"':
			x.state, x.opened = csvQuoted, x.line+1
		case x.comma:
		default:
			x.state = csvPlain
		}
	case csvPlain:
		if c == x.comma {
			x.state = csvCellStart
		}
	case csvQuoted:
		if c == '"' {
			x.state = csvQuote
		}
	case csvQuote:
		switch c {
		case '"':
			x.state = csvQuoted
		case x.comma:
			x.state = csvCellStart
		default:
			// A line end, or text behind a closing quote, which reading the
			// record refuses.
		}
	}
}

func (x *csvIndexer) done() error {
	if x.state == csvQuoted {
		return fmt.Errorf("line %d: a quote opens a cell and is never closed", x.opened)
	}
	return nil
}

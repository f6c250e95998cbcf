package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/betongo/betongo/internal/parquet"
	"io"
	"math"

	"github.com/betongo/betongo/internal/arrow"
)

// leaf reads one kind of a column's elements in one row group, from front to
// back.
type leaf struct {
	*arrow.Leaf
	parquet.Decoder
	cuts  []parquet.Cut
	sizes []int // of the lists in a row, from the outermost in
	spans []int // how many elements lie in all of those lists, from each in on

	pages parquet.Pages

	left     int // values of the page, missing ones among them, without those in have
	rep, def parquet.Levels
	reps     []uint32
	defs     []uint32
	have     int // of reps and defs, not taken yet
	at       int // of the first of them
	place    int // of the next element in its row
	phys     []byte
	measured bool // the dictionary was
}

// block is how many levels are read at once.
const block = 4096

// page begins the next page of data.
func (l *leaf) page() error {
	for {
		h, body, err := l.pages.Next()
		if err == io.EOF {
			return errors.New("the pages end before the rows")
		}
		if err != nil {
			return err
		}
		if l.rep, l.def, l.left, err = l.Decoder.Page(&l.pages, h, body); err != nil || l.left > 0 {
			return err
		}
	}
}

// rows reads the elements of n rows: take gets some that are there, from element
// at on, as many as n; missing is called for elements that are not.
func (l *leaf) rows(n int, take func(at, n int) error, missing func(at, n int)) error {
	all := n * l.Count
	for e := 0; e < all; {
		if l.left == 0 && l.have == 0 {
			if err := l.page(); err != nil {
				return err
			}
		}
		if l.Node.Def == 0 {
			m := min(l.left, all-e)
			if err := take(e, m); err != nil {
				return err
			}
			l.left -= m
			e += m
			continue
		}
		if l.Node.Rep == 0 && l.have == 0 {
			// All there, or all missing, without a look at each.
			m, def, err := l.def.Again(min(l.left, all-e))
			if err != nil {
				return fmt.Errorf("definition levels: %w", err)
			}
			if m > 0 {
				switch full := uint32(l.Node.Def); {
				case def > full:
					return fmt.Errorf("a definition level of %d, the most is %d", def, full)
				case def < full:
					missing(e, m)
				default:
					err = take(e, m)
				}
				if err != nil {
					return err
				}
				l.left -= m
				e += m
				continue
			}
		}
		if l.have == 0 {
			if err := l.levels(min(l.left, block)); err != nil {
				return err
			}
		}
		m, present, err := l.run(all - e)
		if err != nil {
			return err
		}
		if present {
			err = take(e, m)
		} else {
			missing(e, m)
		}
		if err != nil {
			return err
		}
		e += m
	}
	return nil
}

// levels reads the levels of n values.
func (l *leaf) levels(n int) error {
	if l.defs == nil {
		l.defs, l.reps = make([]uint32, block), make([]uint32, block)
	}
	if err := l.def.Fill(l.defs[:n]); err != nil {
		return fmt.Errorf("definition levels: %w", err)
	}
	if l.Node.Rep > 0 {
		if err := l.rep.Fill(l.reps[:n]); err != nil {
			return fmt.Errorf("repetition levels: %w", err)
		}
	}
	l.at, l.have = 0, n
	l.left -= n
	return nil
}

// run takes levels of the next elements, that are all there or all missing, at
// most as many elements as most.
func (l *leaf) run(most int) (n int, present bool, err error) {
	full := uint32(l.Node.Def)
	for l.have > 0 && n < most && l.defs[l.at] == full {
		if l.Node.Rep > 0 {
			if err := l.check(l.reps[l.at]); err != nil {
				return 0, false, err
			}
			if l.place++; l.place == l.Count {
				l.place = 0
			}
		}
		n, l.at, l.have = n+1, l.at+1, l.have-1
	}
	if n > 0 {
		return n, true, nil
	}
	def := l.defs[l.at]
	if def > full {
		return 0, false, fmt.Errorf("a definition level of %d, the most is %d", def, full)
	}
	if l.Node.Rep > 0 {
		if err := l.check(l.reps[l.at]); err != nil {
			return 0, false, err
		}
	}
	c := l.cuts[def]
	span := l.spans[c.Lists]
	if c.Empty {
		return 0, false, fmt.Errorf("a list of 0 elements, want %d", l.sizes[c.Lists])
	}
	if l.place%span != 0 || span > most {
		return 0, false, errors.New("lists of other lengths than the column's")
	}
	l.place = (l.place + span) % l.Count
	l.at, l.have = l.at+1, l.have-1
	return span, false, nil
}

// check compares a level of repetition with what the element's place in its row
// wants: the list in which it isn't the first.
func (l *leaf) check(rep uint32) error {
	want := 0
	if l.place > 0 {
		for want = 1; want < len(l.sizes) && l.place%l.spans[want] != 0; want++ {
		}
	}
	if rep != uint32(want) {
		return fmt.Errorf("element %d of a row is in list %d, want %d: lists of other lengths than the column's", l.place, rep, want)
	}
	return nil
}

// read makes the elements of n rows.
func (l *leaf) read(dst []byte, n int, fill any) error {
	if l.Count == 0 || n == 0 {
		return nil
	}
	size, width := l.DType.ItemSize(), l.Node.Width()
	var absent []bool
	missing := func(at, k int) {
		if absent == nil {
			absent = make([]bool, n*l.Count)
		}
		for i := range k {
			absent[at+i] = true
		}
	}
	direct := l.Type.Type == arrow.Bool || width == l.Stored() && l.Same() && !l.seconds()
	var take func(at, n int) error
	switch {
	case width == 0:
		take = func(at, n int) error {
			for i := range n {
				v, err := l.Texts.Next()
				if err == nil {
					err = l.PutText(dst[(at+i)*size:(at+i+1)*size], v)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}
	case direct:
		take = func(at, n int) error { return l.Fixed.Read(dst[at*width:(at+n)*width], n) }
	default:
		take = func(at, n int) error {
			b := room(&l.phys, n*max(width, l.Stored()))
			if err := l.Fixed.Read(b, n); err != nil {
				return err
			}
			if err := l.stored(b, n); err != nil {
				return err
			}
			l.Unpack(dst[at*size:(at+n)*size], b)
			return nil
		}
	}
	if err := l.rows(n, take, missing); err != nil || absent == nil {
		return err
	}
	if ok, at := l.FillNulls(dst, absent, fill); !ok {
		return &missingError{at / l.Count, l.DType.String()}
	}
	return nil
}

// missingError tells of a row that has no value.
type missingError struct {
	row   int
	dtype string
}

func (e *missingError) Error() string {
	return fmt.Sprintf("row %d has no value, and %s has none for that; OpenOptions.Fill may give one", e.row, e.dtype)
}

// seconds tells times that Parquet has no unit for.
func (l *leaf) seconds() bool {
	return l.Type.Type == arrow.Timestamp && l.Type.Unit == "s" && l.Node.Logical.Unit == "ms"
}

// stored makes of n values, in place, what Arrow stores for them.
func (l *leaf) stored(b []byte, n int) error {
	width, stored := l.Node.Width(), l.Stored()
	switch {
	case l.Node.Physical == parquet.Int96:
		for i := range n {
			ns, day := int64(binary.LittleEndian.Uint64(b[12*i:])), int64(binary.LittleEndian.Uint32(b[12*i+8:]))
			const perDay, epoch = 86400_000_000_000, 2440588 // Julian day of 1970
			if day -= epoch; day > math.MaxInt64/perDay-1 || day < math.MinInt64/perDay+1 {
				return fmt.Errorf("a time %d days from 1970, which nanoseconds don't reach", day)
			}
			binary.LittleEndian.PutUint64(b[8*i:], uint64(day*perDay+ns))
		}
	case l.Type.Type == arrow.Date && width == 4 && stored == 8:
		for i := n - 1; i >= 0; i-- {
			binary.LittleEndian.PutUint64(b[8*i:], uint64(int64(int32(binary.LittleEndian.Uint32(b[4*i:])))*86400_000))
		}
	case l.seconds():
		for i := range n {
			v := int64(binary.LittleEndian.Uint64(b[8*i:]))
			if v%1000 != 0 {
				return fmt.Errorf("%d milliseconds are no whole seconds", v)
			}
			binary.LittleEndian.PutUint64(b[8*i:], uint64(v/1000))
		}
	case stored < width:
		for i := range n {
			copy(b[i*stored:(i+1)*stored], b[i*width:])
		}
	}
	return nil
}

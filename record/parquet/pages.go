package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/betongo/betongo/internal/parquet"
)

// pageError is a broken page, at a byte of the file.
type pageError struct {
	at  int64
	err error
}

func (e *pageError) Error() string { return e.err.Error() }

func (e *pageError) Unwrap() error { return e.err }

// blockSize is how much of a file that isn't in memory is read at once.
const blockSize = 4 << 20

// bytes returns some bytes of the file, which are in it: where they lie, or from
// blocks that are kept.
func (r *Reader) bytes(ctx context.Context, off, n int64) ([]byte, error) {
	if l, ok := r.from.(borrower); ok {
		if b, ok := l.Borrow(off, n); ok {
			return b, ctx.Err()
		}
	}
	var out []byte
	for at := off - off%blockSize; at < off+n; at += blockSize {
		size := min(blockSize, r.size-at)
		b, err := get(ctx, r.opts.Cache, cacheKey{r: r, what: keyBlock, at: at}, func() ([]byte, int64, error) {
			b := make([]byte, size)
			if err := readAt(ctx, r.from, b, at); err != nil {
				return nil, 0, err
			}
			return b, size, nil
		})
		if err != nil {
			return nil, err
		}
		lo, hi := max(off-at, 0), min(off+n-at, size)
		if lo == off-at && hi == off+n-at {
			return b[lo:hi:hi], nil
		}
		if out == nil {
			out = make([]byte, 0, n)
		}
		out = append(out, b[lo:hi]...)
	}
	return out, nil
}

// readAt fills b, which nobody may use after an error. It doesn't wait when ctx is
// done.
func readAt(ctx context.Context, from io.ReaderAt, b []byte, off int64) error {
	done := make(chan error, 1)
	go func() { // ends with its read, which closing the file ends
		n, err := from.ReadAt(b, off)
		if n == len(b) {
			err = nil
		} else if err == nil || err == io.EOF {
			err = fmt.Errorf("%d of %d bytes at byte %d: %w", n, len(b), off, io.ErrUnexpectedEOF)
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// table is where the pages of a leaf lie in a row group, as far as they were looked
// for.
type table struct {
	mu    sync.Mutex
	dict  *place // nil for none
	pages []place
	next  int64 // byte of the page behind them
	rows  int   // in them
}

// place is where a page lies: header and all.
type place struct {
	at, size int64
	first, n int // its rows
}

// maxPageRows bounds the values of a page: of runs of one value, or of none, a few
// bytes may tell of any number.
const maxPageRows = 1 << 23

func (r *Reader) table(leaf, group int) *table {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tables[[2]int{leaf, group}]
	if t == nil {
		t = &table{next: r.meta.Groups[group].Chunks[leaf].At}
		r.tables[[2]int{leaf, group}] = t
	}
	return t
}

// find returns the page of a leaf that has a row of a row group, and the page of
// its dictionary.
func (r *Reader) find(ctx context.Context, leaf *parquet.Node, group, row int) (p place, dict *place, err error) {
	chunk := &r.meta.Groups[group].Chunks[leaf.Leaf]
	if chunk.Err != nil {
		return p, nil, chunk.Err
	}
	t := r.table(leaf.Leaf, group)
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.rows <= row {
		if err := r.extend(ctx, t, chunk); err != nil {
			return p, nil, err
		}
	}
	i := sort.Search(len(t.pages), func(i int) bool { return t.pages[i].first+t.pages[i].n > row })
	return t.pages[i], t.dict, nil
}

// extend looks at the next page.
func (r *Reader) extend(ctx context.Context, t *table, chunk *parquet.Chunk) error {
	left := chunk.At + chunk.Size - t.next
	if left <= 0 {
		return &pageError{t.next, errors.New("the pages end before the rows")}
	}
	h, n, err := r.header(ctx, t.next, left)
	if err != nil {
		return err
	}
	if h.Packed < 0 || int64(h.Packed) > left-int64(n) {
		return &pageError{t.next, fmt.Errorf("a page of %d bytes, %d are left", h.Packed, left-int64(n))}
	}
	p := place{at: t.next, size: int64(n) + int64(h.Packed), first: t.rows, n: int(h.Values)}
	switch h.Kind {
	case parquet.DictionaryPage:
		if t.dict != nil || len(t.pages) > 0 {
			return &pageError{t.next, errors.New("a second dictionary, or one behind values")}
		}
		t.dict = &p
	case parquet.DataPage, parquet.DataPage2:
		if h.Values < 0 || h.Values > maxPageRows {
			return &pageError{t.next, fmt.Errorf("a page of %d values, at most %d are read", h.Values, maxPageRows)}
		}
		if p.n > 0 {
			t.pages = append(t.pages, p)
			t.rows += p.n
		}
	}
	t.next += p.size
	return nil
}

// header reads a page's header, of which nobody knows how long it is: with the
// least and the largest value in it, it may be as long as two of them.
func (r *Reader) header(ctx context.Context, at, left int64) (parquet.Header, int, error) {
	for n := int64(4 << 10); ; n *= 16 {
		n = min(n, left, maxFooter)
		b, err := r.bytes(ctx, at, n)
		if err != nil {
			return parquet.Header{}, 0, err
		}
		h, k, err := parquet.ParseHeader(b)
		if err == nil {
			return h, k, nil
		}
		if n == left || n == maxFooter {
			return h, 0, &pageError{at, fmt.Errorf("page: %w", err)}
		}
	}
}

// valuePage is a decoded page of a leaf that isn't in lists.
type valuePage struct {
	texts   [][]byte // nil where they are missing
	numbers []byte   // width bytes each, zeros where they are missing
	width   int
	missing []bool // nil where none is
}

// page returns the page with a row of a row group, decoded, and the row's place in
// it.
func (r *Reader) page(ctx context.Context, leaf *parquet.Node, group, row int) (*valuePage, int, error) {
	p, dict, err := r.find(ctx, leaf, group, row)
	if err != nil {
		return nil, 0, err
	}
	key := cacheKey{r: r, what: keyPage, leaf: int32(leaf.Leaf), group: int32(group), at: p.at}
	v, err := get(ctx, r.opts.Cache, key, func() (*valuePage, int64, error) {
		v, size, err := r.decode(ctx, leaf, group, p, dict)
		if err != nil && !errors.As(err, new(*pageError)) && ctx.Err() == nil {
			err = &pageError{p.at, err}
		}
		return v, size, err
	})
	return v, row - p.first, err
}

// dictionary returns a decoder with the leaf's dictionary in the row group.
func (r *Reader) dictionary(ctx context.Context, leaf *parquet.Node, group int, dict *place) (*parquet.Decoder, error) {
	if dict == nil {
		return &parquet.Decoder{Node: leaf}, nil
	}
	key := cacheKey{r: r, what: keyDict, leaf: int32(leaf.Leaf), group: int32(group)}
	return get(ctx, r.opts.Cache, key, func() (*parquet.Decoder, int64, error) {
		d := &parquet.Decoder{Node: leaf}
		_, _, _, size, err := r.begin(ctx, d, group, *dict)
		if err != nil {
			return nil, 0, &pageError{dict.at, err}
		}
		return d, size + int64(24*len(d.DictTexts)), nil
	})
}

// begin begins to decode a page; size is how many bytes it has, unpacked.
func (r *Reader) begin(ctx context.Context, d *parquet.Decoder, group int, p place) (rep, def parquet.Levels, n int, size int64, err error) {
	b, err := r.bytes(ctx, p.at, p.size)
	if err != nil {
		return rep, def, 0, 0, err
	}
	pages := parquet.NewPages(b, p.at, r.meta.Groups[group].Chunks[d.Node.Leaf].Codec, r.opts.MaxPage, false)
	defer pages.Close()
	h, body, err := pages.Next()
	if err != nil {
		return rep, def, 0, 0, err
	}
	rep, def, n, err = d.Page(&pages, h, body)
	return rep, def, n, int64(h.Unpacked), err
}

// decode decodes a page of a leaf that isn't in lists.
func (r *Reader) decode(ctx context.Context, leaf *parquet.Node, group int, p place, dict *place) (*valuePage, int64, error) {
	known, err := r.dictionary(ctx, leaf, group, dict)
	if err != nil {
		return nil, 0, err
	}
	d := *known // which shares the dictionary
	_, def, n, size, err := r.begin(ctx, &d, group, p)
	if err != nil {
		return nil, 0, err
	}
	v := &valuePage{width: leaf.Width()}
	present := n
	if leaf.Def > 0 {
		if v.missing, present, err = absent(&def, n, leaf.Def); err != nil {
			return nil, 0, err
		}
	}
	if v.width > 0 {
		v.numbers, err = numbers(&d, v.missing, present, n, v.width)
		return v, int64(len(v.numbers) + len(v.missing)), err
	}
	v.texts, err = texts(&d, v.missing, n)
	if _, ok := r.from.(borrower); ok && r.meta.Groups[group].Chunks[leaf.Leaf].Codec == parquet.NoCodec {
		size = 0 // they are the file's
	}
	return v, size + int64(24*len(v.texts)+len(v.missing)), err
}

// absent returns which of n values are missing, nil for none, and how many aren't.
func absent(def *parquet.Levels, n, full int) (missing []bool, present int, err error) {
	var buf [1024]uint32
	for at := 0; at < n; {
		levels := buf[:min(n-at, len(buf))]
		if err := def.Fill(levels); err != nil {
			return nil, 0, fmt.Errorf("definition levels: %w", err)
		}
		for i, v := range levels {
			switch {
			case v > uint32(full):
				return nil, 0, fmt.Errorf("a definition level of %d, the most is %d", v, full)
			case v == uint32(full):
				present++
			default:
				if missing == nil {
					missing = make([]bool, n)
				}
				missing[at+i] = true
			}
		}
		at += len(levels)
	}
	return missing, present, nil
}

// numbers reads n values of one size.
func numbers(d *parquet.Decoder, missing []bool, present, n, width int) ([]byte, error) {
	if n > maxValue/width {
		return nil, fmt.Errorf("%d values of %d bytes in a page", n, width)
	}
	out := make([]byte, n*width)
	if err := d.Fixed.Read(out[:present*width], present); err != nil {
		return nil, err
	}
	// What is there is moved to its places, from the last on.
	for i, k := n-1, present; missing != nil && i >= 0; i-- {
		at := out[i*width : (i+1)*width]
		if missing[i] {
			clear(at)
		} else {
			k--
			copy(at, out[k*width:])
		}
	}
	return out, nil
}

// texts reads n values of no fixed size.
func texts(d *parquet.Decoder, missing []bool, n int) ([][]byte, error) {
	list := make([][]byte, n)
	for i := range list {
		if missing != nil && missing[i] {
			continue
		}
		b, err := d.Text()
		if err != nil {
			return nil, err
		}
		list[i] = b
	}
	return list, nil
}

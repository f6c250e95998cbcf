package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/bypass"
)

const (
	// hintSize is the size of a region from which the system is told of it
	// before it is read.
	hintSize = 32 << 10
	// pastCaches is the size of an output's rows in a batch from which they are
	// written past the processor's caches: with the batches ahead that is more than
	// most of those hold until the consumer comes to read. It is wrong where the
	// last cache is far larger, and the consumer reads all on this processor.
	pastCaches = 12 << 20
	// probeSize is the largest size out of a file that is believed without a
	// look at its last byte.
	probeSize = 1 << 20
)

func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// row returns the metadata row of the sample id, which is at position pos.
func (w *worker) row(f *flight, pos, id int) []byte {
	size := w.plan.rowSize
	if !w.plan.reads {
		return w.plan.table[id*size : (id+1)*size]
	}
	return f.rows[pos*size : (pos+1)*size]
}

// probe refuses a region outside the dataset before anything is allocated
// for it.
func (p *plan) probe(id int, ptr uint64, size int64) error {
	if size <= probeSize {
		return nil
	}
	return p.lookAt(id, ptr, size)
}

// lookAt is probe for a region of any size, that bytes far more are made of.
func (p *plan) lookAt(id int, ptr uint64, size int64) error {
	if size == 0 {
		return nil
	}
	if ptr > math.MaxUint64-uint64(size) {
		return fmt.Errorf("%d bytes at pointer %d: beyond any file", size, ptr)
	}
	if _, err := p.ds.Bytes(id, ptr+uint64(size)-1, 1, make([]byte, 1)); err != nil {
		return fmt.Errorf("the last of %d bytes at pointer %d: %w", size, ptr, err)
	}
	return nil
}

// prepare reads the rows that are not in one table in memory and looks up the regions of
// the outputs that need it. What fails leaves the positions before it to fill.
func (w *worker) prepare(f *flight) {
	w.at, w.out = 0, -1
	finished := false
	defer func() {
		if finished {
			return
		}
		err := errors.New("the dataset ended the goroutine that asked it")
		r := recover()
		if r != nil {
			err = w.panicked(f, w.at, r)
		}
		if f.passes && r != nil && f.state[max(w.at, 0)] == 0 {
			f.pass(max(w.at, 0), err)
			w.prepare(f) // without that one
			return
		}
		f.fail(w.at, err)
		f.limit = 0
	}()
	f.limit = w.lookUp(f)
	finished = true
}

// lookUp does prepare's work and returns how many positions can be filled.
func (w *worker) lookUp(f *flight) int {
	n := len(f.batch.ids)
	if err := w.readRows(f); err != nil {
		f.fail(w.at, w.wrap(f, w.at, err))
		n = w.at
	}
	w.ranges = w.ranges[:0]
	for i := range w.plan.outputs {
		if o := &w.plan.outputs[i]; o.prepared() {
			w.out = i
			for from := 0; from < n; {
				pos, err := w.regionsOf(f, o, from, n)
				if err == nil {
					break
				}
				if err = w.wrap(f, pos, err); !f.passes {
					f.fail(pos, err)
					n = pos
					break
				}
				f.pass(pos, err)
				from = pos + 1
			}
		}
	}
	if !w.plan.lends {
		for i := range w.plan.outputs {
			if o := &w.plan.outputs[i]; !o.prepared() {
				w.hint(f, o, n)
			}
		}
	}
	if len(w.ranges) > 0 {
		w.plan.ds.WillNeed(w.ranges)
	}
	if n > 0 {
		w.plan.hintMarks(f, true)
	}
	if err := w.widths(f, n); err != nil {
		f.fail(0, fmt.Errorf("loader: batch %d: %w", f.batch.index, err))
		return 0
	}
	return n
}

// readRows reads the rows of a batch, neighbours together.
func (w *worker) readRows(f *flight) error {
	p, ids := w.plan, f.batch.ids
	if !p.reads {
		return nil
	}
	size := p.rowSize
	if f.rows == nil {
		f.rows = make([]byte, p.batchSize*size)
	}
	for lo := 0; lo < len(ids); {
		hi := lo + 1
		for hi < len(ids) && ids[hi] == ids[lo]+hi-lo {
			hi++
		}
		err := w.readRun(f, lo, hi)
		if err != nil && !f.passes {
			return err
		}
		for pos := lo; err != nil && pos < hi; pos++ {
			if each := w.readRun(f, pos, pos+1); each != nil {
				f.pass(pos, w.wrap(f, pos, each))
				clear(f.rows[pos*size : (pos+1)*size])
			}
		}
		lo = hi
	}
	return nil
}

// readRun reads the rows of samples that follow each other, at positions
// [lo, hi).
func (w *worker) readRun(f *flight, lo, hi int) error {
	p, size := w.plan, w.plan.rowSize
	w.at = lo
	dst := f.rows[lo*size : hi*size : hi*size]
	got, err := p.ds.Rows(f.batch.ids[lo], hi-lo, dst)
	if err == nil && len(got) != len(dst) {
		err = fmt.Errorf("%d bytes of metadata, want %d rows of %d", len(got), hi-lo, size)
	}
	if err != nil {
		return err
	}
	if len(dst) > 0 && &got[0] != &dst[0] {
		copy(dst, got)
	}
	return nil
}

// regionsOf looks up the regions of positions [from, n) of an output. On error it
// returns the position too.
func (w *worker) regionsOf(f *flight, o *output, from, n int) (int, error) {
	p, list := w.plan, f.regions[w.out]
	total := int64(0)
	for pos := from; pos < n; pos++ {
		w.at = pos
		list[pos] = region{}
		if f.passed(pos) {
			continue
		}
		id := f.batch.ids[pos]
		row := w.row(f, pos, id)
		r := region{ptr: le64(row[o.ptr:])}
		list[pos].ptr = r.ptr // for an error
		switch o.kind {
		case kindRegion:
			r.size = int64(o.valueBytes)
		case kindBlob:
			size := le64(row[o.ptr+8:])
			if size > math.MaxInt64 {
				return pos, p.flaw(id, o, fmt.Sprintf("size %d", size))
			}
			if r.size = int64(size); r.size%int64(o.itemBytes) != 0 {
				return pos, p.flaw(id, o, fmt.Sprintf("%d bytes, want a multiple of %d for items %v", size, o.itemBytes, o.of.Item))
			}
		case kindPacked:
			size, err := w.packedSize(o, id, o.member(row))
			if err != nil {
				return pos, err
			}
			if r.size = size; size%int64(o.itemBytes) != 0 {
				return pos, p.flaw(id, o, fmt.Sprintf("%d bytes, want a multiple of %d for items %v", size, o.itemBytes, o.of.Item))
			}
		default:
			v, err := imageInfo(row[o.src.Offset:])
			if err != nil {
				return pos, p.flaw(id, o, err.Error())
			}
			r.size = 3 * int64(v.Width) * int64(v.Height)
			if v.JPEG {
				if r.size, err = p.ds.RegionSize(id, o.field, r.ptr); err != nil {
					return pos, err
				}
			}
			if o.kind == kindRawImage {
				f.batch.columns[w.out].Images[pos] = v
			}
		}
		if o.varies() && o.kind != kindPacked {
			if err := p.probe(id, r.ptr, r.size); err != nil {
				return pos, err
			}
		}
		list[pos] = r
		total += min(r.size, math.MaxInt64/int64(len(list)+1))
	}
	if n > 0 && o.kind != kindPacked && (!p.lends || total/int64(n) >= hintSize) {
		w.addRanges(list[:n])
	}
	return 0, nil
}

// flaw is an error of a sample's metadata.
func (p *plan) flaw(id int, o *output, what string) error {
	e := &ffcv.FormatError{File: p.name, Field: o.src.Name, Sample: id, Offset: -1, What: what}
	if l, ok := p.ds.(Locator); ok {
		e.File, e.Sample = l.Locate(id, o.field)
	}
	return e
}

// addRanges notes regions that are about to be read, neighbours as one.
func (w *worker) addRanges(list []region) {
	for _, r := range list {
		w.addRange(r)
	}
}

// widths makes room for the longest row of each varying output.
func (w *worker) widths(f *flight, n int) error {
	for i := range w.plan.outputs {
		if !w.plan.outputs[i].varies() {
			continue
		}
		list := f.regions[i][:len(f.batch.ids)]
		clear(list[n:])
		if err := f.batch.setRows(i, &w.plan.outputs[i], list); err != nil {
			return fmt.Errorf("output %q: %w", w.plan.outputs[i].name, err)
		}
	}
	return nil
}

// blobs copies values of different lengths, and clears the rest of each row.
func (w *worker) blobs(f *flight, o *output, lo, hi int) (int, error) {
	c, list := &f.batch.columns[w.out], f.regions[w.out]
	width := 0 // of a padded row
	if !o.ragged {
		width = c.Shape[1] * c.item
	}
	big := len(c.Data) >= pastCaches
	for pos := lo; pos < hi; pos++ {
		if f.passed(pos) {
			continue
		}
		w.at = pos
		r := list[pos]
		row := c.place(pos, max(r.size, int64(width)))
		b, err := w.plan.ds.Bytes(f.batch.ids[pos], r.ptr, r.size, row[:r.size:r.size])
		if err != nil {
			return pos, err
		}
		if int64(len(b)) != r.size {
			return pos, fmt.Errorf("%d bytes, want %d", len(b), r.size)
		}
		if len(b) > 0 && &b[0] != &row[0] {
			lay(row, b, big)
		}
		if rest := row[len(b):]; big {
			bypass.Clear(rest)
		} else {
			clear(rest)
		}
		w.meter.bytes += r.size
		n := len(b)
		if o.text && n > 0 && b[n-1] == 0 {
			n-- // JSON's final NUL; it stays in the row, which is zero from there
		}
		c.Lengths[pos] = n / c.item
	}
	return 0, nil
}

// lay copies to the rows of a batch, past the caches where these are big.
func lay(dst, src []byte, big bool) {
	if big {
		bypass.Copy(dst, src)
	} else {
		copy(dst, src)
	}
}

// digit is the number of bits that a pass of sortBits sorts by.
const digit = 10

// sortBits sorts v by width bits from bit low, through spare, which is as
// long. Both are returned in the places they have then. Four times faster than
// slices.Sort on a run of a thousand, which matters here: a row costs about as
// much to sort that way as to copy.
func sortBits(v, spare []uint64, low, width int) (sorted, other []uint64) {
	spare = spare[:len(v)]
	for ; width > 0; width -= digit {
		var count [1 << digit]uint32
		for _, x := range v {
			count[x>>low&(1<<digit-1)]++
		}
		sum := uint32(0)
		for i, c := range count {
			count[i] = sum
			sum += c
		}
		for _, x := range v {
			d := x >> low & (1<<digit - 1)
			spare[count[d]] = x
			count[d]++
		}
		v, spare = spare, v
		low += digit
	}
	return v, spare
}

// members copies metadata members: numbers.
func (w *worker) members(f *flight, o *output, lo, hi int) {
	size := o.valueBytes
	if hi <= lo || size == 0 {
		return
	}
	w.order(f, o.column, lo, hi)
	w.meter.bytes += int64(size) * int64(hi-lo)
	dst := f.batch.columns[w.out].Data
	for i := range w.segments {
		s := &w.segments[i]
		off := s.t.offsets[o.field]
		if len(w.visit) == 0 {
			copyMembers(dst[(lo+s.lo)*size:(lo+s.hi)*size], s.t.rows[s.row*s.t.size+off:], size, s.t.size)
			continue
		}
		w.visitMembers(dst, s, off, size)
	}
}

// copyMembers copies members of size bytes that lie stride apart.
func copyMembers(dst, rows []byte, size, stride int) {
	if size == 8 {
		for len(dst) >= 8 {
			binary.LittleEndian.PutUint64(dst, le64(rows))
			if dst = dst[8:]; len(dst) > 0 {
				rows = rows[stride:]
			}
		}
		return
	}
	for i := 0; i*size < len(dst); i++ {
		copy(dst[i*size:(i+1)*size], rows[i*stride:])
	}
}

// visitMembers copies the members of a segment's visits, at off in its rows.
func (w *worker) visitMembers(dst []byte, s *segment, off, size int) {
	shift, from, stride := w.plan.posBits, s.t.from, s.t.size
	mask, rows := uint64(1)<<shift-1, s.t.rows[off:]
	if size == 8 {
		for _, v := range w.visit[s.lo:s.hi] {
			pos := int(v & mask)
			binary.LittleEndian.PutUint64(dst[pos*8:], le64(rows[(int(v>>shift)-from)*stride:]))
		}
		return
	}
	for _, v := range w.visit[s.lo:s.hi] {
		pos := int(v & mask)
		copy(dst[pos*size:(pos+1)*size], rows[(int(v>>shift)-from)*stride:])
	}
}

// gather copies regions of one size.
func (w *worker) gather(f *flight, o *output, lo, hi int) (int, error) {
	if o.valueBytes == 0 || hi <= lo {
		return 0, nil
	}
	w.order(f, o.column, lo, hi)
	w.meter.bytes += int64(o.valueBytes) * int64(hi-lo)
	dst := f.batch.columns[w.out].Data
	for i := range w.segments {
		if !w.gatherSegment(f, o, dst, lo, &w.segments[i]) {
			return w.gatherEach(f, o, lo, hi, dst) // finds whose pointer it is
		}
	}
	return 0, nil
}

// gatherSegment copies the regions of a segment. It tells whether it could.
func (w *worker) gatherSegment(f *flight, o *output, dst []byte, lo int, s *segment) bool {
	size, n, t := o.valueBytes, s.hi-s.lo, s.t
	ptrs, stride, inRow := w.ptrs[:n], t.size, o.ptrIn(t)
	step := len(w.visit) == 0
	sample := t.sample + s.row // of t.ds, the first one
	if step {
		rows := t.rows[s.row*stride+inRow:]
		for i := range ptrs {
			ptrs[i] = le64(rows[i*stride:])
		}
		if !w.plan.lends {
			sample = f.batch.ids[lo]
		}
	} else {
		rows, shift := t.rows[inRow:], w.plan.posBits
		for i, v := range w.visit[s.lo:s.hi] {
			ptrs[i] = le64(rows[(int(v>>shift)-t.from)*stride:])
		}
		sample = t.sample + int(w.visit[s.lo]>>shift) - t.from
	}
	least, most, adjacent := ptrs[0], ptrs[0], step
	for i, ptr := range ptrs[1:] {
		adjacent = adjacent && ptr == ptrs[i]+uint64(size)
		least, most = min(least, ptr), max(most, ptr)
	}
	if adjacent && most >= least {
		at := lo + s.lo
		return fetch(t.ds, sample, least, dst[at*size:(at+n)*size:(at+n)*size], len(dst) >= pastCaches) == nil
	}
	if !w.plan.lends || most > math.MaxInt64-uint64(size) {
		return false
	}
	span, err := t.ds.Bytes(sample, least, int64(most-least)+int64(size), nil)
	if err != nil {
		return false
	}
	w.gatherSpan(lo, dst, span, s, least, size)
	return true
}

// fetch copies len(dst) bytes of a dataset, at least one, from ptr on.
func fetch(ds Dataset, sample int, ptr uint64, dst []byte, big bool) error {
	b, err := ds.Bytes(sample, ptr, int64(len(dst)), dst)
	if err == nil && len(b) != len(dst) {
		err = fmt.Errorf("%d bytes, want %d", len(b), len(dst))
	}
	if err == nil && &b[0] != &dst[0] {
		lay(dst, b, big)
	}
	return err
}

// gatherEach copies region by region in the order of the batch.
func (w *worker) gatherEach(f *flight, o *output, lo, hi int, dst []byte) (int, error) {
	size := o.valueBytes
	for pos := lo; pos < hi; pos++ {
		w.at = pos
		ds, sample, ptr := w.pointer(f, o, pos)
		if err := fetch(ds, sample, ptr, dst[pos*size:(pos+1)*size:(pos+1)*size], len(dst) >= pastCaches); err != nil {
			return pos, err
		}
	}
	return 0, nil
}

// gatherSpan copies the regions of a segment, at w.ptrs, out of borrowed bytes
// that begin at least.
func (w *worker) gatherSpan(lo int, dst, span []byte, s *segment, least uint64, size int) {
	ptrs, big := w.ptrs[:s.hi-s.lo], len(dst) >= pastCaches && size >= bypass.Least
	if len(w.visit) == 0 {
		for i, ptr := range ptrs {
			pos := lo + s.lo + i
			lay(dst[pos*size:(pos+1)*size], span[ptr-least:], big)
		}
		return
	}
	const block = 32
	mask, visit := uint64(1)<<w.plan.posBits-1, w.visit[s.lo:s.hi]
	sum := byte(0)
	for i := 0; i < len(ptrs); i += block {
		// The ends of each value first: the processor waits for many of them
		// at a time, but for one copy after another.
		end := min(i+block, len(ptrs))
		for _, ptr := range ptrs[i:end] {
			sum += span[ptr-least] + span[ptr-least+uint64(size)-1]
		}
		for k := i; k < end; k++ {
			pos := int(visit[k] & mask)
			lay(dst[pos*size:(pos+1)*size], span[ptrs[k]-least:], big)
		}
	}
	w.sink = sum // or the reads would be no use to the compiler
}

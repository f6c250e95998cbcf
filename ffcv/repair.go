package ffcv

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sort"

	"github.com/betongo/betongo/alloc"
)

// Survey is what can be read of a damaged file, and what cannot.
type Survey struct {
	// File reads the file with what could be put right: its Source lies over that
	// of the file, which stays as it is. It is the caller's to close.
	File *File
	// Recovered says what was put right, from what else the file tells and proven
	// by its checksums.
	Recovered []string
	// Damaged are the samples that are not as they were written, or of which that
	// cannot be told, in order.
	Damaged []DamagedSample
	// Unreadable are samples that only the File here has: of the file as it lies
	// there they cannot be told right. In order; none is among the Damaged.
	Unreadable []DamagedSample
	// Flaws is how many flaws there are in all, also ones that cost no sample.
	Flaws int
	// BlockDamaged says that the extension block is not as it was written. Then
	// names and classes are what can be read of them, and checkpoints are none.
	BlockDamaged bool
	// Checked says that the file has checksums, which all this is held to.
	Checked bool
}

// DamagedSample is a sample that is lost, and why.
type DamagedSample struct {
	Sample int
	Why    string // the first flaw, in one line
}

// Examine opens a damaged file, puts right what can be put right, reads all of
// it, and reports every flaw, as Verify does; those of what was put right first.
// What it says of a sample is proven by the file's checksums where it has any:
// a sample is damaged when one of its values is, or the run of metadata rows
// that it is in.
//
// A header or an allocation table that is damaged, and pointers in rows, are put
// right if the rest of the file tells what they were and their checksum says so.
func Examine(ctx context.Context, path string, opts *OpenOptions, report func(*FormatError)) (s *Survey, err error) {
	src, err := openSource(path, opts)
	if err != nil {
		return nil, err
	}
	s, err = examine(ctx, src, opts, report)
	if err != nil {
		src.Close()
	}
	return s, err
}

func examine(ctx context.Context, src Source, opts *OpenOptions, report func(*FormatError)) (*Survey, error) {
	s := &Survey{}
	over := &overlay{Source: src}
	tell := func(e *FormatError) {
		s.Flaws++
		if report != nil {
			report(e)
		}
	}
	f, cut, err := s.open(over, opts, tell)
	if err != nil {
		return nil, err
	}
	if f.row < 0 {
		return nil, f.unknown(-1)
	}
	r := &recovery{f: f, over: over}
	if r.sums, err = f.Sums(); err != nil {
		r.sums = nil // verify tells of them
	}
	if err := f.guard(func() error { return r.runs(ctx, tell) }); err != nil {
		return nil, err
	}
	if cut && r.bad == 0 {
		s.Recovered = append(s.Recovered, "the end of the allocation table, which was cut off")
	}
	s.Recovered = append(s.Recovered, r.done...)
	if f, err = New(over, opts); err != nil { // nothing of the old one is to be believed
		return nil, err
	}
	s.File, s.Checked = f, r.sums != nil
	if err := s.collect(ctx, r.lost, tell); err != nil {
		return nil, err
	}
	s.unreadable(r.made)
	return s, nil
}

// open opens the file, with another header or a longer table if it must; cut
// says that the table is longer.
func (s *Survey) open(over *overlay, opts *OpenOptions, tell func(*FormatError)) (f *File, cut bool, err error) {
	f, err = New(over, opts)
	sure := false // the header is not what was written, if err says anything
	if err == nil {
		if sums, sumsErr := f.Sums(); sums != nil {
			err = f.guard(sums.CheckHead)
			sure = err != nil
		} else {
			err = sumsErr
		}
	}
	var flaw *FormatError
	var newer *UnsupportedError
	switch {
	case err == nil:
		return f, false, nil
	case errors.As(err, &newer):
		flaw = &FormatError{File: over.Name(), Sample: -1, Offset: 0, What: "header", Err: err}
	case !errors.As(err, &flaw):
		return nil, false, err
	}
	if whole := over.recoverHead(opts); whole != nil {
		tell(flaw)
		s.Recovered = append(s.Recovered, "header")
		return whole, false, nil
	}
	if f == nil {
		if f = over.recoverEnd(opts); f != nil {
			if sums, _ := f.Sums(); sums != nil {
				if err := f.guard(sums.CheckHead); err != nil {
					return nil, false, err // what the rows mean is not known
				}
			}
			tell(flaw)
			return f, true, nil
		}
	}
	if f == nil || sure {
		return nil, false, err
	}
	return f, false, nil // its checksums are damaged: Verify tells
}

// collect verifies the file and notes which samples are damaged; lost are runs
// of samples of which that is known.
func (s *Survey) collect(ctx context.Context, lost []lostRows, tell func(*FormatError)) error {
	f := s.File
	why := map[int]string{}
	err := f.Verify(ctx, func(e *FormatError) {
		var place placeError
		switch inBlock := f.ext.found && e.Offset >= f.data && e.Offset < int64(f.header.AllocTable); {
		case inBlock:
			s.BlockDamaged = true
		case e.Sample >= 0 && !errors.As(e, &place):
			if _, ok := why[e.Sample]; !ok {
				why[e.Sample] = (&FormatError{Field: e.Field, Sample: -1, Offset: e.Offset, What: e.What, Err: e.Err}).Error()
			}
		}
		tell(e)
	})
	var flaw *FormatError
	if err != nil && !errors.As(err, &flaw) {
		return err
	}
	for _, l := range lost {
		for i := l.lo; i < l.lo+l.n; i++ {
			why[i] = l.why
		}
	}
	for i, text := range why {
		s.Damaged = append(s.Damaged, DamagedSample{i, text})
	}
	slices.SortFunc(s.Damaged, func(a, b DamagedSample) int { return a.Sample - b.Sample })
	if s.BlockDamaged {
		f.marks.once.Do(func() {}) // which of them are right is not known
		f.marks.list, f.marks.err = nil, nil
	}
	return nil
}

// unreadable notes the samples that what was made anew is of.
func (s *Survey) unreadable(made []lostRows) {
	seen := map[int]bool{}
	for _, d := range s.Damaged {
		seen[d.Sample] = true
	}
	for _, l := range made {
		for i := l.lo; i < l.lo+l.n; i++ {
			if !seen[i] {
				seen[i] = true
				s.Unreadable = append(s.Unreadable, DamagedSample{i, l.why})
			}
		}
	}
	slices.SortFunc(s.Unreadable, func(a, b DamagedSample) int { return a.Sample - b.Sample })
}

// lostRows are samples in a run of rows with another sum.
type lostRows struct {
	lo, n int
	why   string
}

// overlay is a source with some bytes replaced.
type overlay struct {
	Source
	patches []patch // by offset; none overlap
}

type patch struct {
	off int64
	b   []byte
}

func (p *patch) end() int64 { return p.off + int64(len(p.b)) }

// put replaces bytes; also behind the end, which moves then.
func (o *overlay) put(off int64, b []byte) {
	for len(b) > 0 {
		i := sort.Search(len(o.patches), func(i int) bool { return o.patches[i].end() > off })
		n := len(b)
		if i < len(o.patches) && o.patches[i].off <= off {
			p := &o.patches[i]
			n = copy(p.b[off-p.off:], b)
		} else {
			if i < len(o.patches) {
				n = int(min(int64(n), o.patches[i].off-off))
			}
			o.patches = slices.Insert(o.patches, i, patch{off, slices.Clone(b[:n])})
		}
		off, b = off+int64(n), b[n:]
	}
}

// Size is the source's, or what the patches make of it.
func (o *overlay) Size() int64 {
	n := o.Source.Size()
	if k := len(o.patches); k > 0 {
		n = max(n, o.patches[k-1].end())
	}
	return n
}

// touched are the patches in a range.
func (o *overlay) touched(off, n int64) []patch {
	lo := sort.Search(len(o.patches), func(i int) bool { return o.patches[i].end() > off })
	hi := lo
	for hi < len(o.patches) && o.patches[hi].off < off+n {
		hi++
	}
	return o.patches[lo:hi]
}

// Borrow lends what is not patched.
func (o *overlay) Borrow(off, n int64) ([]byte, bool) {
	if len(o.patches) > 0 && n > 0 && len(o.touched(off, n)) > 0 {
		return nil, false
	}
	return o.Source.Borrow(off, n)
}

// ReadAt is io.ReaderAt.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	list := o.touched(off, int64(len(p)))
	n, err := o.Source.ReadAt(p, off)
	if len(list) == 0 {
		return n, err
	}
	end := off + int64(n)
	clear(p[n:])
	for _, x := range list {
		from := max(x.off, off)
		to := min(x.end(), off+int64(len(p)))
		copy(p[from-off:to-off], x.b[from-x.off:])
		if x.off <= end { // nothing is missing before it
			end = max(end, to)
		}
	}
	if end >= off+int64(len(p)) {
		return len(p), nil
	}
	return int(end - off), err
}

// recoverHead finds the header in which one number is another, with which
// header and descriptors have their checksum; nil when there is none.
func (o *overlay) recoverHead(opts *OpenOptions) (found *File) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	var old [HeaderSize]byte
	if n, _ := o.Source.ReadAt(old[:], 0); n < HeaderSize {
		return nil
	}
	h := HeaderAt(old[:])
	try := func(change func(*Header)) bool {
		c := h
		change(&c)
		var b [HeaderSize]byte
		c.Put(b[:])
		x := &overlay{Source: o.Source}
		x.put(0, b[:])
		f, err := New(x, opts)
		if err != nil {
			return false
		}
		if s, err := f.Sums(); s == nil || err != nil || f.guard(s.CheckHead) != nil {
			return false
		}
		o.patches, found = x.patches, f
		return true
	}
	if try(func(c *Header) { c.Version = Version }) {
		return found
	}
	for p := uint32(MinPageSize); p != 0; p <<= 1 {
		if try(func(c *Header) { c.PageSize = p }) {
			return found
		}
	}
	for _, n := range o.sampleCounts(h) {
		if try(func(c *Header) { c.NumSamples = n }) {
			return found
		}
	}
	for _, at := range o.tablePlaces(h, opts) {
		if try(func(c *Header) { c.AllocTable = at }) {
			return found
		}
	}
	return nil
}

// sampleCounts is what the SUMS section says of the number of samples.
func (o *overlay) sampleCounts(h Header) (list []uint64) {
	at := int64(h.AllocTable)
	read := func(p []byte, off int64) error {
		if n, err := o.Source.ReadAt(p, off); n < len(p) {
			return errors.Join(errors.New("short"), err)
		}
		return nil
	}
	var b [trailerSize]byte
	if at < trailerSize || at > o.Source.Size() || read(b[:], at-trailerSize) != nil {
		return nil
	}
	t, found, err := trailerAt(b[:])
	if !found || err != nil {
		return nil
	}
	off, length, err := t.blockRange(0, at)
	if err != nil {
		return nil
	}
	sections, _ := walkSections(read, off, length)
	for _, s := range sections {
		if s.Tag == TagSums && s.Length >= sumsHeadSize && read(b[:sumsHeadSize], s.Offset) == nil {
			list = append(list, sumsLayoutAt(b[:sumsHeadSize]).samples)
		}
	}
	return list
}

// tablePlaces are where the allocation table may begin: so that it ends with
// the file.
func (o *overlay) tablePlaces(h Header, opts *OpenOptions) []uint64 {
	f := &File{src: o.Source, header: h}
	f.meta = metadataOffset(int(h.NumFields))
	if f.meta > o.Source.Size() || f.guard(func() error { return f.readFields(opts.Custom) }) != nil || f.row < 0 {
		return nil
	}
	n := h.NumSamples
	if f.ptrs > 0 && n > uint64(o.Source.Size())/alloc.EntrySize/uint64(f.ptrs) {
		return nil
	}
	size := n * uint64(f.ptrs) * alloc.EntrySize
	if size > uint64(o.Source.Size()) {
		return nil
	}
	return []uint64{uint64(o.Source.Size()) - size}
}

// maxMissing bounds the end of a table that is made anew.
const maxMissing = 1 << 30

// recoverEnd opens a file that was cut short inside its allocation table, whose
// missing entries are zeros then; nil when that is not what is wrong.
func (o *overlay) recoverEnd(opts *OpenOptions) *File {
	if opts == nil {
		opts = &OpenOptions{}
	}
	var b [HeaderSize]byte
	if n, _ := o.Source.ReadAt(b[:], 0); n < HeaderSize {
		return nil
	}
	h, size := HeaderAt(b[:]), o.Source.Size()
	places := o.tablePlaces(h, opts)
	if len(places) == 0 || h.AllocTable > uint64(size) || h.AllocTable <= places[0] || h.AllocTable-places[0] > maxMissing {
		return nil
	}
	x := &overlay{Source: o.Source}
	x.put(size, make([]byte, h.AllocTable-places[0]))
	f, err := New(x, opts)
	if err != nil {
		return nil
	}
	if s, err := f.Sums(); s == nil || err != nil {
		return nil // nothing would prove what is made
	}
	o.patches = x.patches
	return f
}

// sumOfRun says whether b has the sum that stands at an offset of the payload.
func (s *Sums) sumOfRun(b []byte, at int64) bool {
	want, err := s.sum(at)
	return err == nil && crc32.Checksum(b, castagnoli) == want
}

// lostError is why the samples of a run of rows are lost.
func lostError(lo, n int) string {
	return fmt.Sprintf("metadata rows %d to %d have another checksum: which of them are damaged cannot be told", lo, lo+n-1)
}

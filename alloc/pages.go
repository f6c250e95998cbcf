package alloc

import (
	"fmt"
	"math"
	"math/bits"
)

// The page sizes that a writer may use: powers of two from MinPageSize to
// MaxPageSize. The format's header could say more (below 4 GiB), but FFCV
// loses the last bytes of larger pages.
const (
	MinPageSize = 2 << 20
	MaxPageSize = 1 << 30
)

// TooLargeError says that a sample has no place: it is longer than a page
// and, where runs of pages are allowed, can't be such a run either.
type TooLargeError struct {
	Size     uint64 // bytes of all regions; an empty one counts as one byte
	PageSize uint64
	Fits     uint64 // the smallest allowed page size that holds the sample, 0 when none does
	Before   uint64 // with runs allowed: bytes of all regions but the largest, which must be fewer than PageSize; else 0
}

func (e *TooLargeError) Error() string {
	s := fmt.Sprintf("sample of %d bytes does not fit into a page of %d", e.Size, e.PageSize)
	if e.Before > 0 {
		s += fmt.Sprintf(", nor into a run of pages: all regions but the largest take %d bytes, want fewer than %d, so that every region begins in the first page", e.Before, e.PageSize)
	}
	if e.Fits == 0 {
		return s + fmt.Sprintf("; no page size up to %d holds it", uint64(MaxPageSize))
	}
	return s + fmt.Sprintf("; the smallest page size that holds it is %d (%d MiB)", e.Fits, e.Fits>>20)
}

// Pages gives out the places of samples in a file's data pages, in the order
// of the calls and as FFCV does: byte by byte without alignment, all regions
// of a sample in one page; a sample that does not fit into the rest of a page
// moves whole to the next. It is not safe for concurrent use.
type Pages struct {
	first, size uint64
	large       bool
	count       uint64 // pages given out
	used        uint64 // bytes used of the last page; size when nothing more goes there
}

// NewPages returns the allocator of a file whose first data page begins at
// first, a multiple of pageSize. pageSize is a power of two; both are the
// writer's own numbers, so wrong ones panic. With large, a sample longer than a
// page takes a run of whole pages.
func NewPages(first, pageSize uint64, large bool) *Pages {
	if bits.OnesCount64(pageSize) != 1 || first%pageSize != 0 || first > math.MaxInt64 {
		panic(fmt.Sprintf("alloc: page size %d, first page at %d: want a power of two and a multiple of it", pageSize, first))
	}
	return &Pages{first: first, size: pageSize, large: large, used: pageSize}
}

// ResumePages returns the allocator as it was when State returned count and used,
// which are checked: they may come from a file.
func ResumePages(first, pageSize uint64, large bool, count, used uint64) (*Pages, error) {
	p := NewPages(first, pageSize, large)
	if used > pageSize || count == 0 && used != pageSize {
		return nil, fmt.Errorf("%d bytes used of page %d, which has %d", used, count, pageSize)
	}
	if err := p.checkEnd(count); err != nil {
		return nil, err
	}
	p.count, p.used = count, used
	return p, nil
}

// State returns how many pages are given out, and how many bytes of the last
// one: all of them when nothing more goes there, or there is none.
func (p *Pages) State() (count, used uint64) { return p.count, p.used }

// Count returns how many pages are given out.
func (p *Pages) Count() uint64 { return p.count }

// End returns the offset just after the last page given out: where the first
// page would begin when there is none.
func (p *Pages) End() uint64 { return p.first + p.count*p.size }

// Place sets ptrs, as long as sizes, to the places of one sample's regions,
// which follow each other in the given order without a gap. An empty region
// takes one byte, so that its pointer is its own. A sample without regions
// takes no place.
//
// A sample longer than a page gets a *TooLargeError, or with large pages
// a run of whole pages of its own, in which the largest region comes last and
// every region begins in the first page: FFCV reads such a sample when it
// maps the whole file. After an error nothing has been given out.
func (p *Pages) Place(sizes []int, ptrs []uint64) error {
	if len(sizes) != len(ptrs) {
		return fmt.Errorf("place a sample: %d sizes, %d pointers", len(sizes), len(ptrs))
	}
	total, largest, err := p.sum(sizes)
	if err != nil || len(sizes) == 0 {
		return err
	}
	if total > p.size {
		return p.placeRun(sizes, ptrs, total, largest)
	}
	count, used := p.count, p.used
	if total > p.size-used {
		count, used = count+1, 0
	}
	if err := p.checkEnd(count); err != nil {
		return err
	}
	at := p.first + (count-1)*p.size + used
	for i, n := range sizes {
		ptrs[i] = at
		at += span(n)
	}
	p.count, p.used = count, used+total
	return nil
}

// placeRun gives the sample a run of whole pages.
func (p *Pages) placeRun(sizes []int, ptrs []uint64, total uint64, largest int) error {
	before := total - span(sizes[largest])
	if !p.large || before >= p.size {
		e := &TooLargeError{Size: total, PageSize: p.size}
		for fits := uint64(MinPageSize); fits <= MaxPageSize && e.Fits == 0; fits *= 2 {
			if total <= fits {
				e.Fits = fits
			}
		}
		if p.large {
			e.Before = before
		}
		return e
	}
	count := p.count + (total-1)/p.size + 1
	if err := p.checkEnd(count); err != nil {
		return err
	}
	at := p.End()
	for i, n := range sizes {
		if i != largest {
			ptrs[i] = at
			at += span(n)
		}
	}
	ptrs[largest] = at
	p.count, p.used = count, p.size // what follows starts a fresh page
	return nil
}

// sum returns the bytes that the regions take and which one is the largest,
// the last of equals.
func (p *Pages) sum(sizes []int) (total uint64, largest int, err error) {
	for i, n := range sizes {
		if n < 0 {
			return 0, 0, fmt.Errorf("place a sample: region %d has size %d", i, n)
		}
		if total += span(n); total > math.MaxInt64 {
			return 0, 0, fmt.Errorf("place a sample: its regions take more than %d bytes", int64(math.MaxInt64))
		}
		if n >= sizes[largest] {
			largest = i
		}
	}
	return total, largest, nil
}

// checkEnd refuses pages whose offsets a file can't have.
func (p *Pages) checkEnd(count uint64) error {
	if count > (math.MaxInt64-p.first)/p.size {
		return fmt.Errorf("place a sample: page %d would end after byte %d of the file", count-1, int64(math.MaxInt64))
	}
	return nil
}

// span is how many bytes a region of n bytes takes.
func span(n int) uint64 { return uint64(max(n, 1)) }

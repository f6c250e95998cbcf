package dataset

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"slices"
	"sort"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// Subset is some samples of a dataset, in an order of their own.
type Subset struct {
	part
	name    string
	lo, n   int
	indices []int // nil: lo to lo+n
	sum     uint32
}

// NewSubset returns the samples with these numbers: sample i is sample
// indices[i] of ds. A sample may come more than once. The slice is copied.
func NewSubset(ds Dataset, indices []int) (*Subset, error) {
	s, err := newSubset(ds, 0, len(indices))
	if err != nil {
		return nil, err
	}
	for i, v := range indices {
		if v < 0 || v >= s.part.n {
			return nil, fmt.Errorf("dataset: index %d is %d, %s has %d samples", i, v, ds.Name(), s.part.n)
		}
	}
	s.indices = append([]int{}, indices...)
	s.sum = sumIndices(indices)
	return s, nil
}

// NewRange returns samples [lo, hi) of ds. It keeps two numbers.
func NewRange(ds Dataset, lo, hi int) (*Subset, error) {
	if n := ds.Len(); lo < 0 || hi < lo || hi > n {
		return nil, fmt.Errorf("dataset: samples %d to %d of %s, which has %d", lo, hi, ds.Name(), n)
	}
	return newSubset(ds, lo, hi-lo)
}

func newSubset(ds Dataset, lo, n int) (*Subset, error) {
	p, err := newPart(ds)
	if err != nil {
		return nil, err
	}
	return &Subset{part: p, name: fmt.Sprintf("%d samples of %s", n, ds.Name()), lo: lo, n: n}, nil
}

func sumIndices(indices []int) uint32 {
	sum := uint32(0)
	var b [8]byte
	for _, v := range indices {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		sum = crc32.Update(sum, castagnoli, b[:])
	}
	return sum
}

// at returns the dataset's number of sample i, which is not checked.
func (s *Subset) at(i int) int {
	if s.indices == nil {
		return s.lo + i
	}
	return s.indices[i]
}

// find is at for a number that may be wrong.
func (s *Subset) find(i int) (int, error) {
	if i < 0 || i >= s.n {
		return 0, fmt.Errorf("%s: sample %d of %d", s.name, i, s.n)
	}
	return s.at(i), nil
}

// Name returns the dataset's name and how many of its samples these are.
func (s *Subset) Name() string { return s.name }

// Len returns the number of samples.
func (s *Subset) Len() int { return s.n }

// Fields returns the dataset's fields. The slice is the caller's.
func (s *Subset) Fields() []ffcv.Field { return slices.Clone(s.fields) }

// Classes returns the dataset's class names.
func (s *Subset) Classes() []string { return classesOf(s.Dataset) }

// Rows reads rows into buf, see loader.Dataset.
func (s *Subset) Rows(lo, n int, buf []byte) ([]byte, error) {
	if err := inside(s.name, lo, n, s.n); err != nil {
		return nil, err
	}
	buf = grown(buf, n*s.row)
	for at := 0; at < n; {
		end := at + 1 // of samples that follow each other there too
		if s.indices == nil {
			end = n
		}
		for end < n && s.indices[lo+end] == s.indices[lo+at]+end-at {
			end++
		}
		if err := s.readRows(s.at(lo+at), end-at, buf[at*s.row:end*s.row:end*s.row]); err != nil {
			return nil, err
		}
		at = end
	}
	return buf, nil
}

// Bytes asks the dataset, see loader.Dataset.
func (s *Subset) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	i, err := s.find(sample)
	if err != nil {
		return nil, err
	}
	return s.Dataset.Bytes(i, ptr, size, buf)
}

// Lend asks the dataset, see loader.Loaner.
func (s *Subset) Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	i, err := s.find(sample)
	if err != nil {
		return nil, nil, err
	}
	return lend(s.Dataset, i, ptr, size)
}

// RegionSize asks the dataset, see loader.Dataset.
func (s *Subset) RegionSize(sample, field int, ptr uint64) (int64, error) {
	i, err := s.find(sample)
	if err != nil {
		return 0, err
	}
	return s.Dataset.RegionSize(i, field, ptr)
}

// Verifiable is an error unless the dataset has checksums.
func (s *Subset) Verifiable() error { return verifiable([]part{s.part}) }

// VerifyValue asks the dataset, see loader.Verifier.
func (s *Subset) VerifyValue(sample, field int, buf []byte) ([]byte, error) {
	i, err := s.find(sample)
	if err != nil {
		return buf, err
	}
	return s.verifyValue(i, field, buf)
}

// WillScan hands the hint to the dataset, if the subset is most of it.
func (s *Subset) WillScan() {
	if s.n > s.part.n/2 {
		s.willScan()
	}
}

// WillNeedRows hands the hint to the dataset.
func (s *Subset) WillNeedRows(samples []int, sizes bool) { s.willNeedRows(s.inDataset(samples), sizes) }

// WillNeedMarks hands the hint to the dataset.
func (s *Subset) WillNeedMarks(samples []int, field int, found bool) {
	s.willNeedMarks(s.inDataset(samples), field, found)
}

// inDataset returns the dataset's numbers of these samples, without those that there
// are none of.
func (s *Subset) inDataset(samples []int) []int {
	list := make([]int, 0, len(samples))
	for _, i := range samples {
		if i >= 0 && i < s.n {
			list = append(list, s.at(i))
		}
	}
	return list
}

// Borrow lends what the dataset lends.
func (s *Subset) Borrow(off, n int64) ([]byte, bool) {
	l, ok := s.Dataset.(loader.Lender)
	if !ok {
		return nil, false
	}
	return l.Borrow(off, n)
}

// Header is the dataset's, with the number of these samples.
func (s *Subset) Header() ffcv.Header {
	if p, ok := s.Dataset.(loader.Pager); ok {
		h := p.Header()
		h.NumSamples = uint64(s.n)
		return h
	}
	none := space{end: noPages}
	return none.header(len(s.fields), s.n)
}

// Entries yields the allocations of these samples, in the dataset's order.
func (s *Subset) Entries() iter.Seq2[alloc.Entry, error] {
	if s.indices == nil {
		lo, hi := uint64(s.lo), uint64(s.lo+s.n)
		return s.entries(func(sample uint64, yield func(uint64) bool) bool {
			return sample < lo || sample >= hi || yield(sample-lo)
		})
	}
	return func(yield func(alloc.Entry, error) bool) {
		order := make([]int, s.n) // by the dataset's numbers
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(a, b int) bool { return s.indices[order[a]] < s.indices[order[b]] })
		s.entries(func(sample uint64, yield func(uint64) bool) bool {
			at := sort.Search(s.n, func(k int) bool { return s.indices[order[k]] >= int(sample) })
			for ; at < s.n && s.indices[order[at]] == int(sample); at++ {
				if !yield(uint64(order[at])) {
					return false
				}
			}
			return true
		})(yield)
	}
}

// Marks returns the marks of a sample's value where the dataset keeps some.
func (s *Subset) Marks(sample, field int, buf []byte) ([]byte, error) {
	i, err := s.find(sample)
	if err != nil {
		return nil, err
	}
	return s.marks(i, field, buf)
}

// Key returns a sample's key in the dataset.
func (s *Subset) Key(sample int) (string, error) {
	i, err := s.find(sample)
	if err != nil {
		return "", err
	}
	return s.key(i)
}

// Locate returns the file of a sample's field, and the sample's number there.
func (s *Subset) Locate(sample, field int) (file string, number int) {
	i, err := s.find(sample)
	if err != nil {
		return s.name, sample
	}
	return s.locate(i, field)
}

// LocatePointer returns where a sample's pointer points in its file.
func (s *Subset) LocatePointer(sample, field int, ptr uint64) int64 {
	i, err := s.find(sample)
	if err != nil {
		return -1
	}
	return s.locatePointer(i, field, ptr)
}

// Identity is made of the dataset's identity and of which samples these are.
func (s *Subset) Identity() (ffcv.Identity, error) {
	what := fmt.Sprintf("range %d %d", s.lo, s.n)
	if s.indices != nil {
		what = fmt.Sprintf("subset %d %08x", s.n, s.sum)
	}
	return sum(what, s.n, []part{s.part})
}

// CacheStats tells what the dataset's cache did, false when it has none.
func (s *Subset) CacheStats() (ffcv.CacheStats, bool) { return cacheStats([]part{s.part}) }

// Distant says whether the dataset is read from farther away than a disk.
func (s *Subset) Distant() bool { return distant([]part{s.part}) }

// CacheBudget is how many bytes the dataset's cache may take, 0 when it has none.
func (s *Subset) CacheBudget() int64 { return cacheBudget([]part{s.part}) }

// Tables returns where the dataset's rows lie, see loader.Tabler.
func (s *Subset) Tables() ([]loader.Tables, bool) {
	list, ok := s.tables()
	if !ok {
		return nil, false
	}
	list = slices.Clone(list)
	for i := range list {
		inner := list[i].Places
		list[i].Places = func(dst, samples []int) {
			for k, sample := range samples {
				dst[k] = s.at(sample)
			}
			if inner != nil {
				inner(dst, dst)
			}
		}
	}
	return list, true
}

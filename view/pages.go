package view

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

const (
	mostBuckets = 4096
	mostValues  = 2000    // of a page that are listed
	mostRead    = 1 << 17 // samples of a file that are all read for its map
	drawnRows   = 1 << 17 // samples that are drawn for the map of a larger file without order
	bucketDraw  = 16      // samples that are drawn for a bucket
	mostWriters = 32      // processes that fill pages of a file at a time
	mapTime     = 250 * time.Millisecond
)

var _ = register((*Server).pageRoutes)

func (s *Server) pageRoutes() []route {
	return []route{
		{"GET", "/api/pages", s.pages},
		{"GET", "/api/page/{page}", s.page},
	}
}

// pagesAnswer is the map of a file's data pages. Pages are numbered from the file's
// first byte on, so that one begins at its number times PageSize.
type pagesAnswer struct {
	File      int          `json:"file"` // which of the dataset's
	Name      string       `json:"name"`
	PageSize  int64        `json:"page_size"`
	Pages     int64        `json:"pages"`      // that hold data
	FirstData int64        `json:"first_data"` // the number of the first one
	Fields    []string     `json:"fields"`
	Buckets   []pageBucket `json:"buckets"`
	Estimated bool         `json:"estimated"` // some bucket is
	Broken    int          `json:"broken"`    // values that point outside of the pages, of those read
	Meta      pageMeta     `json:"meta"`
}

// pageBucket is what pages from … to-1 hold.
type pageBucket struct {
	From    int64   `json:"from"`
	To      int64   `json:"to"`
	Used    int64   `json:"used"`   // bytes of values
	Fields  []int64 `json:"fields"` // of each field
	Samples int64   `json:"samples"`
	// First and Last are the least and the largest number of a sample that begins
	// here, as the dataset counts; null: none does.
	First     *int `json:"first"`
	Last      *int `json:"last"`
	Estimated bool `json:"estimated"`
}

// pageMeta is the bytes of what lies outside of the pages.
type pageMeta struct {
	Header      int64 `json:"header"`
	Descriptors int64 `json:"descriptors"`
	Metadata    int64 `json:"metadata"`
	Alloc       int64 `json:"alloc"`
	Extension   int64 `json:"extension"`
}

// pageFile opens the file that a request names by its number, the first by default.
func (s *Server) pageFile(r *http.Request) (*layout, func() error, error) {
	k, text := 0, r.URL.Query().Get("file")
	if text != "" {
		var err error
		if k, err = strconv.Atoi(text); err != nil || k < 0 || k >= len(s.files) {
			return nil, nil, badRequest("file %q; there are %d, counted from 0", text, len(s.files))
		}
	}
	f, done, err := s.open(r.Context(), &s.files[k])
	if err != nil {
		return nil, nil, err
	}
	return newLayout(f, k, s.files[k].first), done, nil
}

// layout is a file's pages, and how they are looked at.
type layout struct {
	f        *ffcv.File
	number   int
	base     int // the number of its first sample in the dataset
	fields   []ffcv.Field
	names    []string // of the fields, as a page knows them
	pageSize int64
	first    int64 // page
	pages    int64
	deadline time.Time
	regions  []fields.Region
	spans    []fieldSpan
	lends    bool
	row      []byte
	broken   int
}

// fieldSpan is the bytes of a value in a file.
type fieldSpan struct {
	field     int
	off, size int64
}

func newLayout(f *ffcv.File, number, base int) *layout {
	l := &layout{f: f, number: number, base: base, fields: f.Fields(), pageSize: int64(f.Header().PageSize), deadline: time.Now().Add(mapTime)}
	l.names = namesOf(l.fields)
	first, n := f.Pages()
	l.first, l.pages = first/l.pageSize, n
	_, l.lends = f.Borrow(0, 1)
	return l
}

// end is the page after the last.
func (l *layout) end() int64 { return l.first + l.pages }

// late says whether a request has looked long enough.
func (l *layout) late() bool { return time.Now().After(l.deadline) }

// sample lists what a sample keeps in the pages, valid until the next call; what
// can't be, as its metadata is damaged, is left out and counted.
func (l *layout) sample(i int) ([]fieldSpan, error) {
	l.spans = l.spans[:0]
	row, err := l.f.Rows(i, 1, l.row)
	if err != nil {
		return nil, err
	}
	if !l.lends {
		l.row = row[:0]
	}
	low, high := uint64(l.first*l.pageSize), uint64(l.end()*l.pageSize)
	for k := range l.fields {
		d := &l.fields[k]
		if d.Field == nil || d.Offset < 0 || d.Size < 0 || d.Offset > len(row)-d.Size {
			continue
		}
		if l.regions, err = d.Field.Regions(l.regions[:0], row[d.Offset:d.Offset+d.Size]); err != nil {
			l.broken++
			continue
		}
		for _, g := range l.regions {
			if g.Size < 0 {
				if g.Size, err = l.f.RegionSize(i, k, g.Ptr); err != nil {
					l.broken++
					continue
				}
			}
			switch {
			case g.Size == 0:
			case g.Ptr < low || g.Ptr > high || uint64(g.Size) > high-g.Ptr:
				l.broken++
			default:
				l.spans = append(l.spans, fieldSpan{k, int64(g.Ptr), g.Size})
			}
		}
	}
	return l.spans, nil
}

// at is where a sample's values begin; false for one without.
func (l *layout) at(i int) (int64, bool, error) {
	list, err := l.sample(i)
	if err != nil || len(list) == 0 {
		return 0, false, err
	}
	return slices.MinFunc(list, func(a, b fieldSpan) int { return cmp.Compare(a.off, b.off) }).off, true, nil
}

// ordered says whether the samples lie in the order of their numbers, as far as
// some hundred of them tell.
func (l *layout) ordered(ctx context.Context) (bool, error) {
	const looks = 256
	n, last := l.f.Len(), int64(-1)
	for k := range min(looks, n) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if k >= 8 && l.late() { // far away: what was seen has to do
			break
		}
		off, ok, err := l.at(k * (n - 1) / max(1, min(looks, n)-1))
		if err != nil {
			return false, err
		}
		if ok && off < last {
			return false, nil
		}
		if ok {
			last = off
		}
	}
	return true, nil
}

// pages answers with the map of a file, or of some of its pages.
func (s *Server) pages(w http.ResponseWriter, r *http.Request) error {
	l, closed, err := s.pageFile(r)
	if err != nil {
		return err
	}
	defer closed() // what is read was read
	query := r.URL.Query()
	buckets, from, to := int64(1024), l.first, l.end()
	for _, q := range []struct {
		name string
		at   *int64
		most int64
	}{{"buckets", &buckets, mostBuckets}, {"from", &from, math.MaxInt64}, {"to", &to, math.MaxInt64}} {
		if text := query.Get(q.name); text != "" {
			if *q.at, err = strconv.ParseInt(text, 10, 64); err != nil || *q.at < 0 || *q.at > q.most {
				return badRequest("%s is %q; expected a whole number up to %d", q.name, text, q.most)
			}
		}
	}
	asked := [2]int64{from, to}
	if from, to = max(from, l.first), min(to, l.end()); buckets < 1 || from > to {
		return badRequest("%d buckets of the pages from %d up to %d; data lies from page %d up to %d", buckets, asked[0], asked[1], l.first, l.end())
	}
	done, err := s.busy(r.Context())
	if err != nil {
		return err
	}
	defer done()
	m := newPageMap(l, from, to, min(buckets, to-from))
	if err := m.fill(r.Context()); err != nil {
		return err
	}
	return writeJSON(w, m.answer())
}

// pageAnswer is what lies in a page.
type pageAnswer struct {
	File   int         `json:"file"`
	Page   int64       `json:"page"`
	Offset int64       `json:"offset"`
	Used   int64       `json:"used"`
	Values []pageValue `json:"values"`
	Count  int         `json:"count"`
	Cut    bool        `json:"cut"`     // there are more than are listed
	Part   bool        `json:"partial"` // there may be more: the file is too large to look at all samples
}

// pageValue is a value in it; one of several pages may begin before.
type pageValue struct {
	Sample int    `json:"sample"`
	Field  string `json:"field"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
}

// page answers with what lies in a page.
func (s *Server) page(w http.ResponseWriter, r *http.Request) error {
	l, closed, err := s.pageFile(r)
	if err != nil {
		return err
	}
	defer closed()
	page, err := strconv.ParseInt(r.PathValue("page"), 10, 64)
	if err != nil || page < l.first || page >= l.end() {
		return errorf(http.StatusNotFound, "page %q; data lies in pages %d to %d", r.PathValue("page"), l.first, l.end()-1)
	}
	done, err := s.busy(r.Context())
	if err != nil {
		return err
	}
	defer done()
	a := pageAnswer{File: l.number, Page: page, Offset: page * l.pageSize, Values: []pageValue{}}
	if err := l.inPage(r.Context(), &a); err != nil {
		return err
	}
	slices.SortFunc(a.Values, func(x, y pageValue) int {
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.Sample, y.Sample))
	})
	if a.Cut = len(a.Values) > mostValues; a.Cut {
		a.Values = a.Values[:mostValues]
	}
	return writeJSON(w, a)
}

// side is one of the two ways from where a page's samples are looked for.
type side struct {
	at, step int // the next sample, and 1 or -1
	idle     int // samples in a row that had nothing in the page
}

// inPage finds the values of a page. Where samples lie in order it looks on both sides
// of the first that should be there: a value of several pages begins in one before, and
// a writer of several processes, each of which fills pages of its own, keeps the order
// only on the whole.
func (l *layout) inPage(ctx context.Context, a *pageAnswer) error {
	n, lo, most := l.f.Len(), 0, math.MaxInt
	if n > mostRead {
		sorted, err := l.ordered(ctx)
		if err != nil {
			return err
		}
		if sorted {
			if lo, err = l.search(0, n, a.Offset); err != nil {
				return err
			}
			most = int(min(mostWriters*(int64(n)/l.pages+1), mostRead/2))
		}
	}
	sides := [2]side{{at: lo, step: 1}, {at: lo - 1, step: -1}}
	open := func(s *side) bool { return s.at >= 0 && s.at < n && s.idle < most }
	for k := 0; open(&sides[0]) || open(&sides[1]); k++ {
		if k%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n > mostRead && k%256 == 255 && l.late() {
			a.Part = true
			break
		}
		s := &sides[k%2]
		if !open(s) {
			continue
		}
		found, err := l.addTo(a, s.at)
		if err != nil {
			return err
		}
		if s.idle++; found {
			s.idle = 0
		}
		s.at += s.step
	}
	a.Used = min(a.Used, l.pageSize) // values that overlap are damage
	return nil
}

// addTo adds to a page what a sample has in it, and says whether it has something.
func (l *layout) addTo(a *pageAnswer, i int) (found bool, err error) {
	spans, err := l.sample(i)
	if err != nil {
		return false, err
	}
	for _, v := range spans {
		part := min(v.off+v.size, a.Offset+l.pageSize) - max(v.off, a.Offset)
		if part <= 0 {
			continue
		}
		found = true
		a.Used += part
		if a.Count++; len(a.Values) <= 4*mostValues {
			a.Values = append(a.Values, pageValue{l.base + i, l.names[v.field], v.off, v.size})
		}
	}
	return found, nil
}

// search is the first of the samples lo to hi-1, which lie in order, whose values
// begin at off or behind; hi when none do. Samples without values are passed over.
func (l *layout) search(lo, hi int, off int64) (int, error) {
	for lo < hi {
		mid := lo + (hi-lo)/2
		at, ok, i := int64(0), false, mid
		for ; i < hi && i < mid+64 && !ok; i++ {
			var err error
			if at, ok, err = l.at(i); err != nil {
				return 0, err
			}
		}
		if ok && at < off {
			lo = i
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// meta is the bytes outside of the pages.
func (l *layout) meta() pageMeta {
	h := l.f.Header()
	m := pageMeta{Header: ffcv.HeaderSize, Descriptors: int64(h.NumFields) * ffcv.DescriptorSize, Alloc: l.f.NumEntries() * alloc.EntrySize}
	if row := l.f.RowSize(); row > 0 {
		m.Metadata = int64(l.f.Len()) * int64(row)
	}
	sections, _ := l.f.Sections() // those before damage
	for _, s := range sections {
		m.Extension = max(m.Extension, int64(h.AllocTable)-s.Offset)
	}
	return m
}

package view_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
)

// pagesTold is what GET /api/pages tells.
type pagesTold struct {
	File      int
	PageSize  int64 `json:"page_size"`
	Pages     int64
	FirstData int64 `json:"first_data"`
	Fields    []string
	Buckets   []bucketTold
	Estimated bool
	Broken    int
	Meta      struct{ Header, Descriptors, Metadata, Alloc, Extension int64 }
}

type bucketTold struct {
	From, To, Used, Samples int64
	Fields                  []int64
	First, Last             *int
	Estimated               bool
}

type pageTold struct {
	File         int
	Page, Offset int64
	Used         int64
	Values       []struct {
		Sample       int
		Field        string
		Offset, Size int64
	}
	Count   int
	Cut     bool
	Partial bool
}

// byEntries is how many bytes each page has, as the allocation table says.
func byEntries(t *testing.T, f *ffcv.File) (used map[int64]int64, total int64) {
	t.Helper()
	used = map[int64]int64{}
	size := int64(f.Header().PageSize)
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for at, left := int64(e.Ptr), int64(e.Size); left > 0; {
			part := min(left, size-at%size)
			used[at/size] += part
			total += part
			at, left = at+part, left-part
		}
	}
	return used, total
}

// TestPagesExact: of small files the map is exact, for every number of buckets, and
// pages tell the values that lie in them.
func TestPagesExact(t *testing.T) {
	files := map[string]*ffcv.File{"photos": ffcvtest.Map(t, photoFile(t), nil)}
	for _, name := range []string{"mixed", "mixed_w4", "bytes_page_edges", "ndarray_multipage", "bytes_all_empty", "ints_floats"} {
		for kind, f := range ffcvtest.Golden(t, name) {
			files[name+" "+kind] = f
		}
	}
	specs := []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}}
	large := ffcvtest.Write(t, specs, 5, func(i int) []any { return []any{make([]byte, 1<<20+i*3<<20)} }, &ffcv.Options{PageSize: ffcv.MinPageSize, LargeSamples: true})
	files["large samples"] = ffcvtest.Map(t, large, nil)
	for name, f := range files {
		used, total := byEntries(t, f)
		a := ask(t, f)
		for _, buckets := range []int{1, 2, 3, 7, 4096} {
			var got pagesTold
			a.get(fmt.Sprintf("/api/pages?buckets=%d", buckets), &got)
			first, n := f.Pages()
			if got.PageSize != int64(f.Header().PageSize) || n > 0 && got.FirstData*got.PageSize != first || got.Pages != n || got.Estimated || got.Broken != 0 || len(got.Fields) != len(f.Fields()) {
				t.Fatalf("%s: %+v", name, got)
			}
			if want := min(int64(buckets), n); int64(len(got.Buckets)) != want {
				t.Fatalf("%s: %d buckets of %d pages, want %d", name, len(got.Buckets), n, want)
			}
			at, sum, samples := got.FirstData, int64(0), int64(0)
			for _, b := range got.Buckets {
				want := int64(0)
				for p := b.From; p < b.To; p++ {
					want += used[p]
				}
				byField := int64(0)
				for _, n := range b.Fields {
					byField += n
				}
				if b.From != at || b.To <= b.From || b.Used != want || byField != want || b.Estimated || (b.First == nil) != (b.Samples == 0) {
					t.Fatalf("%s of %d: %+v, want %d bytes from page %d", name, buckets, b, want, at)
				}
				at, sum, samples = b.To, sum+b.Used, samples+b.Samples
			}
			if sum != total {
				t.Errorf("%s: %d bytes, want %d", name, sum, total)
			}
			if total > 0 && samples > int64(f.Len()) || name == "photos" && samples != 64 {
				t.Errorf("%s: %d samples", name, samples)
			}
			if got.Meta.Header != ffcv.HeaderSize || got.Meta.Descriptors != int64(len(f.Fields()))*ffcv.DescriptorSize || got.Meta.Metadata != int64(f.Len()*f.RowSize()) || got.Meta.Alloc != f.NumEntries()*alloc.EntrySize {
				t.Errorf("%s: %+v", name, got.Meta)
			}
		}
		first, n := f.Pages()
		count := 0
		for p := first / int64(f.Header().PageSize); n > 0; n, p = n-1, p+1 {
			var got pageTold
			a.get(fmt.Sprintf("/api/page/%d", p), &got)
			if got.Page != p || got.Offset != p*int64(f.Header().PageSize) || got.Used != used[p] || got.Cut || got.Partial || len(got.Values) != got.Count {
				t.Fatalf("%s, page %d: %+v, want %d bytes", name, p, got, used[p])
			}
			last := int64(0)
			for _, v := range got.Values {
				if v.Offset < last || v.Size <= 0 || v.Sample >= f.Len() || !slices.ContainsFunc(f.Fields(), func(d ffcv.Field) bool { return d.Name == v.Field }) {
					t.Fatalf("%s, page %d: %+v behind %d", name, p, v, last)
				}
				last = v.Offset
			}
			count += got.Count
		}
		if name == "photos" && count != 2*64-1 { // the first text is empty
			t.Errorf("%s: %d values in all pages", name, count)
		}
	}
}

// TestPagesPart: a part of the map, and several files.
func TestPagesPart(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	g := ffcvtest.Map(t, photosFile(t, 200), nil)
	both, err := dataset.NewConcat(f, g)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, both)
	var whole, part pagesTold
	a.get("/api/pages?file=1", &whole)
	if len(whole.Buckets) < 2 || whole.File != 1 || *whole.Buckets[0].First != 64 {
		t.Fatalf("the second file: %+v", whole)
	}
	b := whole.Buckets[1]
	a.get(fmt.Sprintf("/api/pages?file=1&from=%d&to=%d", b.From, b.To), &part)
	if len(part.Buckets) != 1 || part.Buckets[0].Used != b.Used || *part.Buckets[0].First != *b.First || *part.Buckets[0].Last != *b.Last {
		t.Errorf("got %+v, want %+v", part.Buckets, b)
	}
	var page pageTold
	a.get(fmt.Sprintf("/api/page/%d?file=1", b.From), &page)
	if page.File != 1 || len(page.Values) == 0 || page.Values[0].Sample < 64 {
		t.Errorf("its page: %+v", page)
	}
	a.get(fmt.Sprintf("/api/pages?file=1&from=%d", whole.FirstData+whole.Pages), &part)
	if len(part.Buckets) != 0 {
		t.Errorf("behind the last page: %+v", part.Buckets)
	}
	for _, query := range []string{"/api/pages?file=2", "/api/pages?file=-1", "/api/pages?file=x", "/api/pages?buckets=0", "/api/pages?buckets=4097", "/api/pages?buckets=x", "/api/pages?from=-1", "/api/pages?from=9&to=3"} {
		a.fails("GET", query, "", http.StatusBadRequest)
	}
	for _, p := range []string{"0", "999999", "-1", "x", "99999999999999999999"} {
		a.fails("GET", "/api/page/"+p, "", http.StatusNotFound)
	}
	join, err := dataset.NewSubset(f, []int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, join).fails("GET", "/api/pages", "", http.StatusNotFound)
}

// TestPagesDamaged: values that point outside are counted, and nothing else is lost.
func TestPagesDamaged(t *testing.T) {
	path := photoFile(t)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := int64(ffcv.HeaderSize + 3*ffcv.DescriptorSize + 5*f.RowSize() + f.Fields()[0].Offset + 5)
	f.Close()
	for _, ptr := range []uint64{0, 1 << 63, ^uint64(0), ^uint64(0) - 5, 1 << 40} {
		spoil(t, path, row, binary.LittleEndian.AppendUint64(nil, ptr))
		var got pagesTold
		a := ask(t, ffcvtest.Map(t, path, nil))
		a.get("/api/pages", &got)
		if got.Broken != 1 || got.Buckets[0].Samples == 0 {
			t.Errorf("pointer %#x: %+v", ptr, got)
		}
		a.do("GET", fmt.Sprintf("/api/page/%d", got.FirstData), "")
		var charts chartsTold
		a.get("/api/charts", &charts)
		if charts.Samples != 64 || charts.Broken != 1 || charts.Images[0].Width.check(63) != nil && charts.Images[0].Width.check(64) != nil || charts.Fields[2].Bytes.check(64) != nil || charts.Labels.Samples != 64 {
			t.Errorf("pointer %#x: %+v", ptr, charts)
		}
	}
}

func spoil(t testing.TB, path string, off int64, b []byte) {
	t.Helper()
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.WriteAt(b, off); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// huge is a file of any number of samples, made up as it is read: pictures of JPEGs
// that are nothing but zeros, and labels. Its regions lie in the order of the samples,
// or, with mixed, of numbers that are shuffled.
type huge struct {
	head           []byte
	n              int64
	row, image     int64 // bytes a row, and where the picture's member lies in it
	label          int64
	meta, pages    int64
	perPage, pageN int64
	table          int64
	mixed          int64 // odd; 0: none
	first          int64 // bytes of the first sample's picture, 0: as the others'
	lanes          int64 // pages that are filled at the same time, as by so many processes; 0: one
}

const hugeSlot = 8000

func newHuge(t testing.TB, n, mixed int64) *huge {
	t.Helper()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}, 1, func(int) []any {
		return []any{onePicture(), int64(0)}
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := ffcvtest.Map(t, path, nil)
	h := &huge{n: n, mixed: mixed, row: int64(f.RowSize()), image: int64(f.Fields()[0].Offset), label: int64(f.Fields()[1].Offset), meta: ffcv.HeaderSize + 2*ffcv.DescriptorSize}
	h.head = b[:h.meta]
	header := f.Header()
	size := int64(header.PageSize)
	h.pages = (h.meta + n*h.row + size - 1) / size * size
	h.perPage = size / hugeSlot
	h.pageN = (n + h.perPage - 1) / h.perPage
	h.table = h.pages + h.pageN*size
	header.NumSamples, header.AllocTable = uint64(n), uint64(h.table)
	header.Put(h.head)
	return h
}

func (h *huge) at(i int64) (ptr, size int64) {
	size = 4000 + i*2654435761%3000
	if i == 0 && h.first > 0 {
		size = h.first
	}
	if h.mixed != 0 {
		i = i * h.mixed % h.n
	}
	if block := h.perPage * h.lanes; block > 0 {
		i = i/block*block + i%block%h.lanes*h.perPage + i%block/h.lanes
	}
	return h.pages + i/h.perPage*int64(ffcv.DefaultPageSize) + i%h.perPage*hugeSlot, size
}

func (h *huge) Name() string                       { return "huge.beton" }
func (h *huge) Size() int64                        { return h.table + h.n*alloc.EntrySize }
func (h *huge) Borrow(off, n int64) ([]byte, bool) { return nil, false }
func (h *huge) WillNeed([]ffcv.Range)              {}
func (h *huge) Close() error                       { return nil }

// ReadAt makes up what lies there.
func (h *huge) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > h.Size() {
		return 0, io.EOF
	}
	clear(p)
	put := func(at int64, b []byte) { // the part of b, which lies at at, that is asked for
		lo, hi := max(at, off), min(at+int64(len(b)), off+int64(len(p)))
		if lo < hi {
			copy(p[lo-off:hi-off], b[lo-at:hi-at])
		}
	}
	end := off + int64(len(p))
	put(0, h.head)
	row := make([]byte, h.row)
	for i := max(0, (off-h.meta)/h.row); off < h.meta+h.n*h.row && i < h.n && h.meta+i*h.row < end; i++ {
		ptr, _ := h.at(i)
		binary.LittleEndian.PutUint16(row[h.image+1:], uint16(200+i%300))
		binary.LittleEndian.PutUint16(row[h.image+3:], 100)
		binary.LittleEndian.PutUint64(row[h.image+5:], uint64(ptr))
		binary.LittleEndian.PutUint64(row[h.label:], uint64(i%1000))
		put(h.meta+i*h.row, row)
	}
	var entry [alloc.EntrySize]byte
	for i := max(0, (off-h.table)/alloc.EntrySize); i < h.n && h.table+i*alloc.EntrySize < end; i++ {
		ptr, size := h.at(i)
		alloc.Entry{Sample: uint64(i), Ptr: uint64(ptr), Size: uint64(size)}.Put(entry[:])
		put(h.table+i*alloc.EntrySize, entry[:])
	}
	return len(p), nil
}

// TestPagesHuge: a map of 10^8 samples takes no longer than a request may, and is
// right to a few hundredths.
func TestPagesHuge(t *testing.T) {
	const n = 100_000_000
	for _, mixed := range []int64{0, 61_803_399} {
		h := newHuge(t, n, mixed)
		f, err := ffcv.New(h, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := ask(t, f)
		began := time.Now()
		var got pagesTold
		a.get("/api/pages?buckets=512", &got)
		took := time.Since(began)
		t.Logf("mixed %d: map in %v", mixed, took)
		if took > 3*time.Second { // a tenth of that on an idle machine
			t.Errorf("the map took %v", took)
		}
		if len(got.Buckets) != 512 || got.Pages != h.pageN || !got.Estimated {
			t.Fatalf("%d buckets of %d pages, %v", len(got.Buckets), got.Pages, got.Estimated)
		}
		used, group, off := 0., 0., 0.02
		if mixed != 0 {
			off = 0.6 // of some hundred samples a group, on a busy machine
		}
		for i, b := range got.Buckets {
			group += float64(b.Samples) / n
			if i%64 == 63 {
				if group < (1-off)/8 || group > (1+off)/8 {
					t.Errorf("mixed %d: %.3f of the samples up to page %d, want an eighth", mixed, group, b.To)
				}
				group = 0
			}
			if want := (b.From - got.FirstData) * h.perPage; mixed == 0 && took < 200*time.Millisecond && int64(*b.First) != want {
				t.Errorf("pages %d to %d begin with sample %d, want %d", b.From, b.To, *b.First, want)
				break
			}
			used += float64(b.Used)
		}
		if r := used / (n * 5499.5); r < 0.95 || r > 1.05 {
			t.Errorf("mixed %d: %.3f of the bytes", mixed, r)
		}
		began = time.Now()
		var page pageTold
		a.get(fmt.Sprintf("/api/page/%d", got.FirstData+h.pageN/2), &page)
		t.Logf("mixed %d: page in %v, %d values", mixed, time.Since(began), page.Count)
		if mixed == 0 && (int64(page.Count) != h.perPage || page.Partial) || mixed != 0 && !page.Partial {
			t.Errorf("mixed %d: a page of %d values, partial %v; want %d", mixed, page.Count, page.Partial, h.perPage)
		}
		if time.Since(began) > 3*time.Second {
			t.Errorf("a page took %v", time.Since(began))
		}
	}
}

// TestPageOfSeveralWriters: a page's values are found where processes have filled pages
// side by side, so that samples lie in order only on the whole.
func TestPageOfSeveralWriters(t *testing.T) {
	h := newHuge(t, 600_000, 0)
	h.lanes = 8
	f, err := ffcv.New(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, f)
	for _, at := range []int64{0, 1, 13, 290, 291} {
		var page pageTold
		for try := 0; try == 0 || page.Partial && try < 5; try++ { // a request looks for a quarter of a second
			page = pageTold{}
			a.get(fmt.Sprintf("/api/page/%d", h.pages/int64(ffcv.DefaultPageSize)+at), &page)
		}
		if page.Partial && race.Enabled {
			continue // in which it gets a tenth as far
		}
		if int64(page.Count) != h.perPage && !page.Partial || int64(page.Count) < h.perPage/8 {
			t.Errorf("page %d: %d values, partial %v; want %d", page.Page, page.Count, page.Partial, h.perPage)
		}
	}
}

// TestChartsHuge: so do charts.
func TestChartsHuge(t *testing.T) {
	f, err := ffcv.New(newHuge(t, 100_000_000, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, f)
	began := time.Now()
	var got chartsTold
	a.get("/api/charts?count=20000", &got)
	took := time.Since(began)
	t.Logf("charts of %d in %v", got.Samples, took)
	if took > 3*time.Second || got.Whole || got.Of != 100_000_000 || got.Samples < 32 {
		t.Errorf("%d samples in %v", got.Samples, took)
	}
	if c := got.Images[0]; c.Width.Edges[0] < 200 || c.Width.Edges[len(c.Width.Edges)-1] > 500 || c.Modes["jpg"] != got.Samples {
		t.Errorf("%+v", c)
	}
	if got.Labels == nil || got.Labels.Whole || got.Labels.Samples != int64(got.Samples) {
		t.Errorf("labels %+v", got.Labels)
	}
}

func onePicture() []byte {
	paths, _ := filepath.Glob(filepath.Join("..", "testdata", "photos", "*", "*.jpg"))
	b, _ := os.ReadFile(paths[0])
	return b
}

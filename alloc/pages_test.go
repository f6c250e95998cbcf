package alloc_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/alloc"
)

func TestPlace(t *testing.T) {
	const first = 0x400
	type step struct {
		sizes []int
		want  []uint64 // nil: an error
	}
	p := uint64(128)
	tests := []struct {
		name  string
		large bool
		steps []step
		count uint64
	}{
		{"nothing", false, nil, 0},
		{"no regions", false, []step{{[]int{}, []uint64{}}}, 0},
		{"byte-tight", false, []step{{[]int{3, 5}, []uint64{first, first + 3}}, {[]int{1}, []uint64{first + 8}}}, 1},
		{"empty takes a byte", false, []step{{[]int{0, 0, 4}, []uint64{first, first + 1, first + 2}}, {[]int{0}, []uint64{first + 6}}}, 1},
		{"exactly a page", false, []step{{[]int{100, 28}, []uint64{first, first + 100}}, {[]int{1}, []uint64{first + p}}}, 2},
		{"one byte less, one more", false, []step{{[]int{127}, []uint64{first}}, {[]int{0}, []uint64{first + 127}}, {[]int{0}, []uint64{first + p}}}, 2},
		{"moves whole", false, []step{{[]int{100}, []uint64{first}}, {[]int{20, 20}, []uint64{first + p, first + p + 20}}, {[]int{8}, []uint64{first + p + 40}}}, 2},
		{"too large", false, []step{{[]int{10}, []uint64{first}}, {[]int{129}, nil}, {[]int{100, 29}, nil}, {[]int{128, 0}, nil}, {[]int{10}, []uint64{first + 10}}}, 1},
		{"negative", false, []step{{[]int{1, -1}, nil}}, 0},
		{"sum too large", true, []step{{[]int{math.MaxInt, math.MaxInt, 2}, nil}, {[]int{math.MaxInt}, nil}, {[]int{math.MaxInt, 1}, nil}}, 0},
		{"run", true, []step{
			{[]int{10}, []uint64{first}},
			{[]int{300, 5, 0}, []uint64{first + p + 6, first + p, first + p + 5}}, // 306 bytes: three pages
			{[]int{10}, []uint64{first + 4*p}},
			{[]int{10}, []uint64{first + 4*p + 10}},
		}, 5},
		{"run of whole pages", true, []step{{[]int{256}, []uint64{first}}, {[]int{0}, []uint64{first + 2*p}}}, 3},
		{"run after a run", true, []step{{[]int{129}, []uint64{first}}, {[]int{129}, []uint64{first + 2*p}}}, 4},
		{"largest begins in the last byte", true, []step{{[]int{500, 127}, []uint64{first + 127, first}}}, 5},
		{"largest would begin in the next page", true, []step{{[]int{500, 128}, nil}, {[]int{200, 64, 64}, nil}}, 0},
		{"last of equals goes last", true, []step{{[]int{70, 70}, []uint64{first, first + 70}}}, 2},
		{"fits: order kept", true, []step{{[]int{90, 5}, []uint64{first, first + 90}}}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pages := alloc.NewPages(first, p, test.large)
			for i, s := range test.steps {
				got := make([]uint64, len(s.sizes))
				err := pages.Place(s.sizes, got)
				if (err == nil) != (s.want != nil) || err == nil && !slices.Equal(got, s.want) {
					t.Errorf("step %d: Place(%d) = %d, %v; want %d", i, s.sizes, got, err, s.want)
				}
			}
			if pages.Count() != test.count || pages.End() != first+test.count*p {
				t.Errorf("got %d pages, end %d; want %d pages", pages.Count(), pages.End(), test.count)
			}
		})
	}
}

func TestPlaceEndOfFile(t *testing.T) {
	const page = 1 << 20
	first := uint64(math.MaxInt64) &^ (page - 1) // no whole page fits any more
	for _, large := range []bool{false, true} {
		for _, size := range []int{1, page, page + 1} {
			if err := alloc.NewPages(first, page, large).Place([]int{size}, make([]uint64, 1)); err == nil {
				t.Errorf("large %v, %d bytes: no error", large, size)
			}
		}
		if err := alloc.NewPages(first-page, page, large).Place([]int{page}, make([]uint64, 1)); err != nil {
			t.Errorf("large %v: the last page: %v", large, err)
		}
	}
	if err := alloc.NewPages(0, page, false).Place([]int{1}, nil); err == nil {
		t.Error("one size, no pointer: no error")
	}
}

func TestTooLargeError(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		sizes []int
		large bool
		want  alloc.TooLargeError
		text  string
	}{
		{[]int{2*mib + 1}, false, alloc.TooLargeError{Size: 2*mib + 1, PageSize: 2 * mib, Fits: 4 * mib}, "4194304 (4 MiB)"},
		{[]int{4 * mib}, false, alloc.TooLargeError{Size: 4 * mib, PageSize: 2 * mib, Fits: 4 * mib}, "4194304"},
		{[]int{4 * mib, 0}, false, alloc.TooLargeError{Size: 4*mib + 1, PageSize: 2 * mib, Fits: 8 * mib}, "8388608"},
		{[]int{1 << 30}, false, alloc.TooLargeError{Size: 1 << 30, PageSize: 2 * mib, Fits: 1 << 30}, "1024 MiB"},
		{[]int{1<<30 + 1}, false, alloc.TooLargeError{Size: 1<<30 + 1, PageSize: 2 * mib}, "no page size up to 1073741824"},
		{[]int{3 * mib, 2 * mib}, true, alloc.TooLargeError{Size: 5 * mib, PageSize: 2 * mib, Fits: 8 * mib, Before: 2 * mib}, "run of pages"},
	} {
		err := alloc.NewPages(0, 2*mib, test.large).Place(test.sizes, make([]uint64, len(test.sizes)))
		var got *alloc.TooLargeError
		if !errors.As(err, &got) || *got != test.want || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%d: got %v, want %+v", test.sizes, err, test.want)
		}
	}
}

func TestNewPagesPanics(t *testing.T) {
	for _, n := range [][2]uint64{{0, 0}, {0, 3}, {1, 2}, {1 << 63, 1 << 20}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewPages(%d, %d): no panic", n[0], n[1])
				}
			}()
			alloc.NewPages(n[0], n[1], false)
		}()
	}
}

// FuzzPlace checks what every placement promises: regions inside of the pages
// given out, one page a sample or a run of its own, no byte twice, and the
// same answers for the same calls.
func FuzzPlace(f *testing.F) {
	f.Add([]byte{10, 0, 255, 3, 3, 128, 127, 1}, uint8(7), uint8(2), false)
	f.Add([]byte{255, 255, 1, 200, 64, 64}, uint8(7), uint8(3), true)
	f.Add([]byte{0, 0, 0}, uint8(0), uint8(1), true)
	f.Fuzz(func(t *testing.T, data []byte, shift, perSample uint8, large bool) {
		page := uint64(1) << (shift % 12)
		k := int(perSample%5) + 1
		first := 3 * page
		a, b := alloc.NewPages(first, page, large), alloc.NewPages(first, page, large)
		next := first // nothing before it is free
		for ; len(data) >= k; data = data[k:] {
			sizes := make([]int, k)
			for i := range sizes {
				sizes[i] = int(data[i]) * int(data[i]) / 16
			}
			count := a.Count()
			ptrs, again := make([]uint64, k), make([]uint64, k)
			err, err2 := a.Place(sizes, ptrs), b.Place(sizes, again)
			if (err == nil) != (err2 == nil) || !slices.Equal(ptrs, again) || a.End() != b.End() {
				t.Fatalf("Place(%d) twice: %d %v, %d %v", sizes, ptrs, err, again, err2)
			}
			if err != nil {
				var tooLarge *alloc.TooLargeError
				if !errors.As(err, &tooLarge) || tooLarge.Size <= page || a.Count() != count {
					t.Fatalf("Place(%d) in pages of %d: %v, %d pages were %d", sizes, page, err, a.Count(), count)
				}
				continue
			}
			next = checkSample(t, a, first, page, next, sizes, ptrs)
		}
	})
}

// checkSample checks one sample's places and returns where they end.
func checkSample(t *testing.T, p *alloc.Pages, first, page, next uint64, sizes []int, ptrs []uint64) uint64 {
	t.Helper()
	order := make([]int, len(ptrs))
	var total, end uint64
	for i := range order {
		order[i] = i
		total += uint64(max(sizes[i], 1))
	}
	slices.SortFunc(order, func(a, b int) int { return int(int64(ptrs[a] - ptrs[b])) })
	begin := ptrs[order[0]]
	if begin < next {
		t.Fatalf("%d at %d overlaps what ends at %d", sizes, ptrs, next)
	}
	for i, at := 0, begin; i < len(order); i++ {
		j := order[i]
		if ptrs[j] != at || ptrs[j]/page != begin/page {
			t.Fatalf("%d at %d: region %d: want it at %d, in page %d", sizes, ptrs, j, at, begin/page)
		}
		at += uint64(max(sizes[j], 1))
		end = at
	}
	if total <= page && (begin-first)/page != (end-1-first)/page {
		t.Fatalf("%d at %d: crosses a page of %d", sizes, ptrs, page)
	}
	if total > page && begin%page != 0 {
		t.Fatalf("%d at %d: the run does not begin with a page of %d", sizes, ptrs, page)
	}
	if end > p.End() || p.End() != first+p.Count()*page {
		t.Fatalf("%d at %d: end at %d, pages end at %d", sizes, ptrs, end, p.End())
	}
	if total > page {
		return p.End() // the run's rest is nobody's
	}
	return end
}

func BenchmarkPlace(b *testing.B) {
	p := alloc.NewPages(8<<20, 8<<20, false)
	r := rand.New(rand.NewPCG(1, 2))
	sizes, ptrs := []int{0, 0}, make([]uint64, 2)
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		sizes[0], sizes[1] = r.IntN(200_000), r.IntN(100)
		if err := p.Place(sizes, ptrs); err != nil {
			b.Fatal(err)
		}
	}
}

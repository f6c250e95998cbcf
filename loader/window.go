package loader

import (
	"fmt"
	"strings"
)

// defaultWindow is how many blocks or pages are mixed where nothing says how many.
const defaultWindow = 64

// Budgeter is the ability of a Dataset that reads through a cache, as an
// *ffcv.File opened with a budget of memory does, to tell of how many bytes that
// is; 0: the dataset is mapped.
type Budgeter interface{ CacheBudget() int64 }

// window is how many pages or blocks an order mixes, each of so many bytes of the
// file.
type window struct {
	n      int
	open   bool  // n was not set
	budget int64 // of the dataset's cache
}

// newWindow makes a window of set of all pages or blocks, each of so many bytes, or
// where set is 0 of no more than the dataset's cache has room for, or each would be
// read many times. What there is no room for goes to s.Warn. order and what are
// names for messages.
func newWindow(s *Selection, order, what string, set, all int, each float64) window {
	w := window{n: set, open: set == 0}
	if w.open {
		w.n = defaultWindow
	}
	if b, ok := s.Dataset.(Budgeter); ok {
		w.budget = b.CacheBudget()
	}
	room := float64(w.budget) / max(each, 1)
	if w.budget <= 0 || float64(all) <= room { // all of them stay
		return w
	}
	fits := max(int(min(room*3/4, defaultWindow)), 1) // of the rest the next window takes some
	if w.open {
		w.n = fits
	}
	if s.Warn == nil || float64(w.n) <= room {
		return w
	}
	size := mib(float64(w.budget))
	if w.open {
		s.Warn(fmt.Sprintf("%s: a cache of %s has no room for one of the %s of %s, parts of which may be read several times; %s is enough",
			order, size, what, mib(each), mib(each*4/3+1<<16)))
	} else {
		s.Warn(fmt.Sprintf("%s: a cache of %s has no room for a window of %d %s of %s, parts of which may be read several times; where none is set it is %d",
			order, size, set, what, mib(each), fits))
	}
	return w
}

// note tells why the order's name may have been another when the dataset was opened
// otherwise; "" if it can't.
func (w *window) note() string {
	switch {
	case !w.open:
		return ""
	case w.budget > 0:
		return "no window is set: it is what the dataset's cache of " + mib(float64(w.budget)) + " has room for"
	}
	return "no window is set, and the dataset has no cache that would limit it"
}

// noted is the ability of a Plan to explain its name.
type noted interface{ note() string }

// noteOf is a plan's note, in brackets, where its name was another by its numbers
// alone.
func noteOf(p Plan, was string) string {
	n, ok := p.(noted)
	if !ok || n.note() == "" || noDigits(was) != noDigits(planName(p)) {
		return ""
	}
	return " (" + n.note() + "; with the state's window, or the memory of then, it goes on)"
}

func noDigits(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, name)
}

// mib writes a number of bytes for people.
func mib(n float64) string { return fmt.Sprintf("%.1f MiB", n/(1<<20)) }

// bytesOfPage is what one of so many pages with samples takes, and their metadata.
func bytesOfPage(s *Selection, pages int) float64 {
	return float64(s.Dataset.(Pager).Header().PageSize) + float64(s.Len)/float64(max(pages, 1))*rowBytes(s.Dataset)
}

// sampleBytes is what a sample takes on average.
func sampleBytes(ds Dataset) float64 {
	if p, ok := ds.(Pager); ok {
		return float64(p.Header().AllocTable) / float64(max(ds.Len(), 1))
	}
	return rowBytes(ds)
}

// rowBytes is the size of a sample's metadata.
func rowBytes(ds Dataset) (n float64) {
	for _, f := range ds.Fields() {
		n += float64(f.Size)
	}
	return n
}

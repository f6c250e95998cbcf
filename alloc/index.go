package alloc

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// minRun is how many samples make a run worth its longer record.
const minRun = 4

// index finds a sample's entries in a table of any order. A group is the
// entries of one sample that follow each other; a run is groups of one length
// whose samples count up by one. FFCV's workers write tables of few runs: one
// for each stretch of chunks that a worker took, so the index is small however
// many samples there are. A table without any order costs 16 bytes a group.
type index struct {
	runs []run // by first sample; no two have a sample in common
	odd  []odd // the groups outside of runs, by sample and entry
}

type run struct {
	sample uint64 // of the first group
	count  uint64 // groups, one for each sample
	entry  int64  // the first
	length int64  // entries of a group
}

type odd struct {
	sample uint64
	entry  int64
}

// newIndex reads all entries once.
func newIndex(entries iter.Seq2[Entry, error]) (*index, error) {
	x := &index{}
	var r run            // the open run, without the open group
	var sample uint64    // of the open group
	var at, length int64 // the open group's first entry, how many there are
	closeGroup := func() {
		switch {
		case length == 0:
		case r.count > 0 && length == r.length && sample != 0 && sample == r.sample+r.count:
			r.count++
		default:
			x.add(r)
			r = run{sample: sample, count: 1, entry: at, length: length}
		}
		at, length = at+length, 0
	}
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if length > 0 && e.Sample != sample {
			closeGroup()
		}
		sample, length = e.Sample, length+1
	}
	closeGroup()
	x.add(r)
	x.sort()
	return x, nil
}

// add keeps a run, or its groups when it is too short.
func (x *index) add(r run) {
	if r.count >= minRun {
		x.runs = append(x.runs, r)
		return
	}
	x.addOdd(r, r.count)
}

// addOdd keeps the first n groups of a run as single ones.
func (x *index) addOdd(r run, n uint64) {
	for i := range n {
		x.odd = append(x.odd, odd{r.sample + i, r.entry + int64(i)*r.length})
	}
}

// sort orders the index and takes out of a run the samples that an earlier run
// has too, so that a look-up meets one run at most.
func (x *index) sort() {
	slices.SortFunc(x.runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.sample, b.sample), cmp.Compare(a.entry, b.entry))
	})
	kept := x.runs[:0]
	var end uint64 // of the last run kept
	for _, r := range x.runs {
		if r.sample < end {
			n := min(end-r.sample, r.count)
			x.addOdd(r, n)
			r = run{r.sample + n, r.count - n, r.entry + int64(n)*r.length, r.length}
		}
		if r.count > 0 {
			kept = append(kept, r)
			end = r.sample + r.count
		}
	}
	x.runs = slices.Clip(kept)
	slices.SortFunc(x.odd, func(a, b odd) int {
		return cmp.Or(cmp.Compare(a.sample, b.sample), cmp.Compare(a.entry, b.entry))
	})
}

// groups yields the first entry of each of a sample's groups, in the order of
// the table.
func (x *index) groups(sample uint64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		group, in := int64(0), false // the one in a run
		after := sort.Search(len(x.runs), func(i int) bool { return x.runs[i].sample > sample })
		if after > 0 {
			r := &x.runs[after-1]
			if i := sample - r.sample; i < r.count {
				group, in = r.entry+int64(i)*r.length, true
			}
		}
		at := sort.Search(len(x.odd), func(i int) bool { return x.odd[i].sample >= sample })
		for ; at < len(x.odd) && x.odd[at].sample == sample; at++ {
			if in && group < x.odd[at].entry {
				if in = false; !yield(group) {
					return
				}
			}
			if !yield(x.odd[at].entry) {
				return
			}
		}
		if in {
			yield(group)
		}
	}
}

package export

import (
	"fmt"
	"strings"

	"github.com/betongo/betongo/internal/hash"
)

// names finds samples of one name.
type names struct {
	plan   *plan
	folded bool // look for names that differ in case only, too
	exact  sums
	lower  sums
	hits   int
	alike  string // a name that differs from another in case only; "" none
}

// searched is how many times the sample that has a name already is searched for.
const searched = 16

// add takes the next sample's name. That of another one is the sample's error.
func (n *names) add(r *record, name string) error {
	if n.plan.keyFrom == KeyIndex {
		return nil
	}
	if !n.exact.add(hash.FNV(name)) {
		if n.folded && n.lower.add(hash.FNV(strings.ToLower(name))) && n.alike == "" {
			n.alike = name
		}
		return nil
	}
	what := "another sample"
	if n.hits++; n.plan.keyField < 0 && n.hits <= searched {
		first, err := n.first(r)
		if err != nil {
			return err
		}
		if first < 0 {
			return nil // other names of the same sum
		}
		what = fmt.Sprintf("sample %d", first)
	}
	return n.plan.bad(r, "", fmt.Errorf("its name %q is that of %s already: %w", name, what, ErrTwice))
}

// first returns the first sample that is called as r is, -1 when none before is.
func (n *names) first(r *record) (int, error) {
	for i := range r.sample {
		key, err := n.plan.ds.Key(i)
		if err != nil {
			return 0, err
		}
		other := record{sample: i, key: key}
		if n.plan.nameRecord(&other) != nil || other.stem != r.stem {
			continue
		}
		if n.plan.label >= 0 {
			if other.label, err = n.plan.labelOf(i); err != nil || other.label != r.label {
				continue
			}
		}
		return i, nil
	}
	return -1, nil
}

// sums are the sums of names, in a table that is at most three quarters full.
type sums struct {
	table []uint64
	count int
	zero  bool
}

// add says whether a sum was there before.
func (s *sums) add(sum uint64) bool {
	if sum == 0 {
		was := s.zero
		s.zero = true
		return was
	}
	if 4*(s.count+1) > 3*len(s.table) {
		old := s.table
		s.table = make([]uint64, max(1024, 2*len(old)))
		for _, v := range old {
			if v != 0 {
				s.table[s.place(v)] = v
			}
		}
	}
	at := s.place(sum)
	if s.table[at] == sum {
		return true
	}
	s.table[at] = sum
	s.count++
	return false
}

// place is where a sum is, or belongs.
func (s *sums) place(sum uint64) int {
	mask := uint64(len(s.table) - 1)
	at := hash.Mix(sum) & mask
	for s.table[at] != 0 && s.table[at] != sum {
		at = (at + 1) & mask
	}
	return int(at)
}

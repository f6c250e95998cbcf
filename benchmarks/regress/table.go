package regress

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the table of all works, and of those beyond the bound which
// functions grew.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	if r.Same {
		fmt.Fprintf(&b, "%.12s and %.12s give the same program: nothing to count\n", r.Base, r.Head)
		_, err := io.WriteString(w, b.String())
		return err
	}
	without := "the start"
	if r.Counter == (valgrind{}).name() {
		without += " and the scheduler"
	}
	fmt.Fprintf(&b, "instructions in millions, by %s, without %s\n", r.Counter, without)
	fmt.Fprintf(&b, "%-32s %14s %14s %9s\n", "work", fmt.Sprintf("%.12s", r.Base), fmt.Sprintf("%.12s", r.Head), "change")
	for _, row := range r.Rows {
		switch {
		case row.New:
			fmt.Fprintf(&b, "%-32s %14s %14.3f %9s\n", row.Work, "", float64(row.Head)/1e6, "new")
			continue
		case row.Change() > r.Bound:
			fmt.Fprintf(&b, "%-32s %14.3f %14.3f %+8.2f%%  SLOWER\n", row.Work, float64(row.Base)/1e6, float64(row.Head)/1e6, row.Change())
		default:
			fmt.Fprintf(&b, "%-32s %14.3f %14.3f %+8.2f%%\n", row.Work, float64(row.Base)/1e6, float64(row.Head)/1e6, row.Change())
		}
		for _, g := range row.Grown {
			fmt.Fprintf(&b, "  %-30s %14.3f %14.3f\n", g.Function, float64(g.Base)/1e6, float64(g.Head)/1e6)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

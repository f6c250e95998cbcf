package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/betongo/betongo/benchmarks/result"
)

// three writes a number with three digits that count, or all before the point.
func three(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// scale is the unit that fits a time in seconds.
func scale(s float64) (factor float64, unit string) {
	switch {
	case s < 0.9995e-6:
		return 1e9, "ns"
	case s < 0.9995e-3:
		return 1e6, "µs"
	case s < 0.9995:
		return 1e3, "ms"
	}
	return 1, "s"
}

// seconds writes a time with its unit.
func seconds(s float64) string {
	factor, unit := scale(s)
	return three(s*factor) + " " + unit
}

// size writes bytes.
func size(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if n < 1023.5 {
			if unit == "B" {
				return fmt.Sprintf("%.0f B", n)
			}
			return three(n) + " " + unit
		}
		n /= 1024
	}
	return three(n) + " GiB"
}

// count writes a number with commas.
func count(n int) string {
	s := strconv.Itoa(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// rate writes how many a second seconds each are.
func rate(each float64) string {
	if each <= 0 {
		return ""
	}
	n := 1 / each
	switch {
	case n >= 999_500:
		return three(n/1e6) + " M"
	case n >= 10:
		return count(int(n + 0.5))
	}
	return three(n)
}

// of writes a figure's median; "" if no run had it.
func of(s result.Stat, format func(float64) string) string {
	if s.N == 0 {
		return ""
	}
	return format(s.Median)
}

// times writes a ratio with its spread: with 95 % where there are rounds enough,
// else from the least to the greatest pair.
func times(r result.Ratio) string {
	switch {
	case r.Pairs == 0:
		return ""
	case r.Low > 0:
		return fmt.Sprintf("**%s** (%s…%s, 95 %%)", three(r.Median), three(r.Low), three(r.High))
	case r.Pairs == 1:
		return fmt.Sprintf("**%s** (one pair)", three(r.Median))
	}
	return fmt.Sprintf("**%s** (%s…%s)", three(r.Median), three(r.Min), three(r.Max))
}

// plain makes text of others a piece of a line of Markdown.
func plain(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", "*", "\\*", "_", "\\_", "`", "'", "[", "\\[").Replace(text)
}

// table writes rows, the first being the head, without the columns that no other
// row has anything in.
func table(w *strings.Builder, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	var keep []int
	for c := range rows[0] {
		for _, row := range rows[1:] {
			if row[c] != "" {
				keep = append(keep, c)
				break
			}
		}
	}
	for i, row := range rows {
		for _, c := range keep {
			w.WriteString("| " + row[c] + strings.Repeat(" ", min(1, len(row[c]))))
		}
		w.WriteString("|\n")
		if i == 0 {
			w.WriteString(strings.Repeat("|---", len(keep)) + "|\n")
		}
	}
}

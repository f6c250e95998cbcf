package term

import "strings"

// Near returns the name that was most likely meant by word: one that differs in
// capitals only, that word is the beginning or the stem of, or else the nearest
// by edits, of which a third of the letters may be; "" if there is none.
func Near(word string, names []string) string {
	lower := strings.ToLower(word)
	best, least := "", len([]rune(word))/3+1
	if len([]rune(word)) < 3 {
		least = 1
	}
	for _, name := range names {
		other := strings.ToLower(name)
		switch {
		case other == lower || len(lower) > 2 && strings.TrimSuffix(other, ".beton") == lower:
			return name
		case len(lower) > 2 && strings.HasPrefix(other, lower):
			if least > 0 {
				best, least = name, 0
			}
		default:
			if d := edits([]rune(lower), []rune(other)); d < least {
				best, least = name, d
			}
		}
	}
	return best
}

// edits is how many letters must be added, dropped, changed or swapped with their
// neighbour to make one word of another.
func edits(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i, x := range a {
		row[0] = i + 1
		for j, y := range b {
			cost := 1
			if x == y {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x == b[j-1] && a[i-1] == y {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

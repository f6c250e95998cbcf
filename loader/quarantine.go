package loader

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/internal/regular"
)

// Quarantined is a line of a quarantine list: a sample that is not to be loaded.
type Quarantined struct {
	Sample int    // its number in the dataset
	Note   string // why, one line; "" none
}

// ReadQuarantine reads a quarantine list (docs/format.md): a sample's number a
// line, and after a blank whatever one wants to note. Empty lines and those that
// begin with # say nothing. The list is in the order of the file.
func ReadQuarantine(r io.Reader) ([]Quarantined, error) {
	var list []Quarantined
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for line := 1; in.Scan(); line++ {
		text := strings.TrimSpace(strings.TrimPrefix(in.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		number, note := text, ""
		if i := strings.IndexAny(text, " \t"); i >= 0 {
			number, note = text[:i], strings.TrimSpace(text[i:])
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("quarantine list: line %d begins with %q, want a sample's number", line, number)
		}
		list = append(list, Quarantined{n, note})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("quarantine list: %w", err)
	}
	return list, nil
}

// WriteQuarantine writes a quarantine list as ReadQuarantine reads it. Line
// breaks in notes become blanks.
func WriteQuarantine(w io.Writer, list []Quarantined) error {
	out := bufio.NewWriter(w)
	for _, q := range list {
		if q.Sample < 0 {
			return fmt.Errorf("quarantine list: sample %d", q.Sample)
		}
		out.WriteString(strconv.Itoa(q.Sample))
		if note := strings.Join(strings.Fields(q.Note), " "); note != "" {
			out.WriteByte('\t')
			out.WriteString(note)
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}

// QuarantineFile returns the samples of the quarantine list in a file, for
// Options.Quarantine.
func QuarantineFile(path string) (samples []int, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	list, err := ReadQuarantine(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	samples = make([]int, len(list))
	for i, q := range list {
		samples[i] = q.Sample
	}
	return samples, nil
}

// quarantine is a set of samples: in order, and a filter before them that holds
// back nearly all others, so that asking costs the same for a large dataset as
// for a small one.
type quarantine struct {
	samples []int
	filter  []uint64 // by the lowest bits of a sample's number
	mask    int
}

func newQuarantine(list []int, total int) (*quarantine, error) {
	if len(list) == 0 {
		return nil, nil
	}
	q := &quarantine{samples: slices.Clone(list)}
	slices.Sort(q.samples)
	q.samples = slices.Compact(q.samples)
	if first, last := q.samples[0], q.samples[len(q.samples)-1]; first < 0 {
		return nil, fmt.Errorf("sample %d", first)
	} else if last >= total {
		return nil, fmt.Errorf("sample %d, the dataset has %d", last, total)
	}
	size := 1 << 10 // bits
	for size < total && size < 64*len(q.samples) {
		size *= 2
	}
	q.mask, q.filter = size-1, make([]uint64, size/64)
	for _, v := range q.samples {
		q.filter[v&q.mask>>6] |= 1 << (v & 63)
	}
	return q, nil
}

// has tells whether a sample is in quarantine. Without one none is.
func (q *quarantine) has(sample int) bool {
	if q == nil || q.filter[sample&q.mask>>6]>>(sample&63)&1 == 0 {
		return false
	}
	_, found := slices.BinarySearch(q.samples, sample)
	return found
}

// without returns the samples that are not in quarantine.
func (q *quarantine) without(samples []int) []int {
	if q == nil {
		return samples
	}
	return slices.DeleteFunc(slices.Clone(samples), q.has)
}

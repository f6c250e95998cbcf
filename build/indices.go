package build

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/store"
)

// maxIndices bounds how many samples a list of indices has.
const maxIndices = math.MaxInt32

// ParseIndices reads the numbers of samples, of n: numbers and ranges, with commas
// between, in this order. A range is A:B or A:B:C as in Python, from A to B-1 in
// steps of C; each may be left out, and negative numbers count from the end. What of
// a range lies outside is left out; numbers are not looked at. "" is none.
func ParseIndices(text string, n int) ([]int, error) { return indicesOf(text, &n) }

// indicesOf is ParseIndices; with no n it checks the text alone.
func indicesOf(text string, n *int) ([]int, error) {
	list := []int{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(", \t\r\n[]", r) // a JSON list too
	}) {
		parts := strings.Split(word, ":")
		if len(parts) == 1 {
			i, err := strconv.Atoi(word)
			if err != nil {
				return nil, fmt.Errorf("%q; expected numbers of samples, or ranges such as 0:100", word)
			}
			if n != nil && i < 0 {
				i += *n
			}
			list = append(list, i)
			continue
		}
		var err error
		if list, err = appendRange(list, parts, n); err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
	}
	return list, nil
}

// appendRange appends a range, as Python slices.
func appendRange(list []int, parts []string, n *int) ([]int, error) {
	if len(parts) > 3 {
		return nil, fmt.Errorf("expected A:B or A:B:C")
	}
	var at [3]*int
	for i, p := range parts {
		if p == "" {
			continue
		}
		v, err := strconv.Atoi(p)
		if err != nil {
			return nil, fmt.Errorf("expected A:B or A:B:C with whole numbers")
		}
		at[i] = &v
	}
	step := 1
	if at[2] != nil {
		step = *at[2]
	}
	if step == 0 || step == math.MinInt {
		return nil, fmt.Errorf("a step of %d", step)
	}
	if n == nil {
		return list, nil
	}
	// Where a range may begin and end: one before the first sample when it goes back.
	least, most := 0, *n
	if step < 0 {
		least, most = -1, *n-1
	}
	bound := func(v *int, without int) int {
		if v == nil {
			return without
		}
		if *v < 0 {
			return max(least, *v+*n)
		}
		return min(most, *v)
	}
	from, to := bound(at[0], least), bound(at[1], most)
	if step < 0 {
		from, to = bound(at[0], most), bound(at[1], least)
	}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if len(list) >= maxIndices {
			return nil, fmt.Errorf("more than %d samples", maxIndices)
		}
		list = append(list, i)
		if step > 0 && i > math.MaxInt-step {
			break
		}
	}
	return list, nil
}

// readIndices reads a file of numbers: text with white space or commas between, or a
// .npy of integers.
func readIndices(ctx context.Context, name string, st *store.Options) ([]int, error) {
	data, err := store.ReadFile(ctx, name, st)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("\x93NUMPY")) {
		return npyIndices(store.Name(name), data)
	}
	list := []int{}
	for i, line := range strings.Split(string(data), "\n") {
		more, err := indicesOf(line, nil)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", store.Name(name), i+1, err)
		}
		if strings.Contains(line, ":") {
			return nil, fmt.Errorf("%s:%d: a range; expected numbers alone in a file", store.Name(name), i+1)
		}
		list = append(list, more...)
	}
	return list, nil
}

// npyIndices reads the numbers of a .npy file.
func npyIndices(name string, data []byte) ([]int, error) {
	a, err := npy.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	size := a.DType.ItemSize()
	if len(a.Shape) != 1 || a.DType != array.Int64 && a.DType != array.Int32 {
		return nil, fmt.Errorf("%s: array %v; expected one axis of <i8 or <i4", name, a.Spec)
	}
	list := make([]int, 0, a.Shape[0])
	for b := a.Data; len(b) >= size; b = b[size:] {
		if size == 8 {
			list = append(list, int(int64(binary.LittleEndian.Uint64(b))))
		} else {
			list = append(list, int(int32(binary.LittleEndian.Uint32(b))))
		}
	}
	return list, nil
}

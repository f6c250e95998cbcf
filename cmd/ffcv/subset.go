package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/label"
	"github.com/betongo/betongo/splice"
)

type subsetCommand struct {
	fileFlags
	Output string `short:"o" required:"" complete:"beton" placeholder:"OUT" help:"What to write: a path or a URL."`
	indicesFlags
	Class []string `sep:"none" complete:"class" placeholder:"NAME" help:"Only samples of this class, by its name or the number of its label; the flag repeats."`
	labelFlag
	Balance  bool   `help:"As many samples of each class (of --class, if given) as of any other, which --seed chooses."`
	PerClass int    `placeholder:"N" help:"How many with --balance; as many as the smallest class has unless given."`
	Shuffle  bool   `help:"Put the samples in a random order, which --seed decides."`
	Seed     uint64 `default:"0" placeholder:"S" help:"Seed of all that is random. It decides --shuffle and --balance."`
	packFlags
	spliceFlags
}

// Validate is kong's hook.
func (c *subsetCommand) Validate() error {
	switch {
	case c.PerClass < 0:
		return fmt.Errorf("--per-class: %d; expected 1 or more", c.PerClass)
	case c.PerClass > 0 && !c.Balance:
		return errors.New("--per-class: needs --balance")
	case c.Balance && (c.Indices != "" || c.Range != ""):
		return errors.New("--balance: chooses from the whole file, so --indices and --range don't go with it")
	}
	if err := errors.Join(c.indicesFlags.check(), c.spliceFlags.check()); err != nil {
		return err
	}
	if err := c.packFlags.check(); err != nil {
		return err
	}
	return c.fileFlags.Validate()
}

// Run is kong's hook.
func (c *subsetCommand) Run(e *env) error {
	if err := checkOutputs([]string{c.Output}, []string{c.File}); err != nil {
		return err
	}
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	sel, err := c.selection(e, f)
	if err != nil {
		return err
	}
	s := c.begin(e, &c.packFlags)
	out, err := c.output(s, c.Output)
	if err != nil {
		return err
	}
	stats, err := splice.Subset(e.ctx, out[0], f, sel, &s.opts)
	return s.end(err, []string{c.Output}, stats)
}

// selection makes the selection of the flags.
func (c *subsetCommand) selection(e *env, f *ffcv.File) (sel splice.Selection, err error) {
	sel.Shuffle, sel.Seed = c.Shuffle, c.Seed
	if c.Indices != "" {
		list, err := c.fetch(e, c.Indices)
		if err != nil {
			return sel, err
		}
		if sel.Indices, err = readIndices(list); err != nil {
			return sel, err
		}
		for i, at := range sel.Indices {
			if at < 0 || at >= f.Len() {
				return sel, fmt.Errorf("--indices: number %d is %d; %s has the samples 0 to %d", i, at, f.Name(), f.Len()-1)
			}
		}
	}
	if c.Range != "" {
		r, err := parseSlice(c.Range, f.Len())
		if err != nil {
			return sel, err
		}
		sel.Range = &r
	}
	if len(c.Class) > 0 {
		if sel.Field, err = labelField(f, c.LabelField); err != nil {
			return sel, err
		}
		if sel.Labels, err = labels(f, c.Class); err != nil {
			return sel, err
		}
	}
	if c.Balance {
		sel.Indices, err = c.balanced(e, f, sel.Labels)
		sel.Labels = nil // they are what was chosen from
	}
	return sel, err
}

// balanced chooses as many samples of each class, of all if there are none
// given.
func (c *subsetCommand) balanced(e *env, f *ffcv.File, only []int64) ([]int, error) {
	field, err := labelField(f, c.LabelField)
	if err != nil {
		return nil, err
	}
	all, err := splice.Labels(e.ctx, f, field)
	if err != nil {
		return nil, err
	}
	of := all
	var numbers []int // in the file, of the samples chosen from; nil all
	if only != nil {
		of, numbers = nil, []int{}
		for i, l := range all {
			if slices.Contains(only, l) {
				of, numbers = append(of, l), append(numbers, i)
			}
		}
	}
	list, err := label.Balanced(of, c.PerClass, c.Seed)
	if err != nil {
		return nil, fmt.Errorf("--balance: %w", err)
	}
	for i, at := range list {
		if numbers != nil {
			list[i] = numbers[at]
		}
	}
	if list == nil {
		list = []int{} // none, and not all
	}
	return list, nil
}

// labels finds the labels of classes.
func labels(f *ffcv.File, classes []string) ([]int64, error) {
	known := f.Classes()
	var list []int64
	for _, name := range classes {
		at := int64(slices.Index(known, name))
		if at < 0 {
			var err error
			if at, err = strconv.ParseInt(name, 10, 64); err != nil {
				if known == nil {
					return nil, fmt.Errorf("--class: %q; %s has no class names, expected the number of a label", name, f.Name())
				}
				hint := fmt.Sprintf("'ffcv info --json %s' lists them", f.Name())
				if near := term.Near(name, known); near != "" {
					hint = fmt.Sprintf("did you mean %s? %s", term.Name(near), hint)
				}
				return nil, term.WithHint(fmt.Errorf("--class: %q is none of the %d classes of %s", name, len(known), f.Name()), hint)
			}
		}
		list = append(list, at)
	}
	return list, nil
}

// readIndices reads the numbers of samples from a list or a file.
func readIndices(text string) ([]int, error) {
	if strings.Trim(text, "0123456789, -") == "" {
		return scanIndices(strings.NewReader(text), "--indices")
	}
	if strings.HasSuffix(text, ".npy") {
		return npyIndices(text)
	}
	f, err := regular.Open(text)
	if err != nil {
		return nil, fmt.Errorf("--indices: %w", err)
	}
	defer f.Close()
	return scanIndices(f, text)
}

// scanIndices reads numbers with commas or white space between, or in brackets as
// JSON's lists, which are a line however long they are.
func scanIndices(from io.Reader, where string) ([]int, error) {
	const longest = 64 // bytes of a word; no number has so many
	r := bufio.NewReaderSize(from, 64<<10)
	list, word, line := []int{}, []byte(nil), 1
	for {
		c, err := r.ReadByte()
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		if err == nil && !strings.ContainsRune(", \t\r\n[]", rune(c)) && len(word) <= longest {
			word = append(word, c)
			continue
		}
		if len(word) > 0 {
			i, err := strconv.Atoi(string(word))
			if err != nil || len(word) > longest {
				return nil, fmt.Errorf("%s, line %d: %q; expected the numbers of samples", where, line, word)
			}
			list, word = append(list, i), word[:0]
		}
		switch {
		case err != nil:
			return list, nil
		case c == '\n':
			line++
		}
	}
}

// npyIndices reads the numbers of a .npy file.
func npyIndices(path string) ([]int, error) {
	f, err := npy.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--indices: %w", err)
	}
	defer f.Close()
	a := f.Array()
	list := []int{}
	switch {
	case len(a.Shape) == 1 && a.DType == array.Int64:
		for b := a.Data; len(b) >= 8; b = b[8:] {
			list = append(list, int(int64(binary.LittleEndian.Uint64(b))))
		}
	case len(a.Shape) == 1 && a.DType == array.Int32:
		for b := a.Data; len(b) >= 4; b = b[4:] {
			list = append(list, int(int32(binary.LittleEndian.Uint32(b))))
		}
	default:
		return nil, fmt.Errorf("--indices: %s: array %v; expected one axis of <i8 or <i4", path, a.Spec)
	}
	return list, nil
}

// parseSlice reads A:B:C as Python's slice of n samples: what lies outside is
// left out.
func parseSlice(text string, n int) (splice.Range, error) {
	r := splice.Range{Step: 1, Count: n}
	if text == "" {
		return r, nil
	}
	bad := func() (splice.Range, error) {
		return splice.Range{}, fmt.Errorf("--range: %q; expected A:B or A:B:C with whole numbers, C not 0", text)
	}
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return bad()
	}
	var v [3]int
	for k, p := range parts {
		if p == "" {
			continue
		}
		var err error
		if v[k], err = strconv.Atoi(p); err != nil {
			return bad()
		}
	}
	if len(parts) == 3 && parts[2] != "" {
		if r.Step = v[2]; r.Step == 0 {
			return bad()
		}
	}
	// A is at most n and B as well going up; going down they may be before 0.
	low, high := 0, n
	if r.Step < 0 {
		low, high = -1, n-1
	}
	end := func(k, without int) int {
		if parts[k] == "" {
			return without
		}
		i := v[k]
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	if r.Step > 0 {
		first, last := end(0, low), end(1, high)
		r.First, r.Count = first, max(0, (last-first-1)/r.Step+1)
		if last <= first {
			r.Count = 0
		}
		return r, nil
	}
	first, last := end(0, high), end(1, low)
	r.First, r.Count = first, 0
	if first > last {
		r.Count = int(uint(first-last-1)/-uint(r.Step)) + 1
	}
	return r, nil
}

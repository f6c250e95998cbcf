package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestReadIndices: as lists, as text, and as what split writes, which is one line
// of any length.
func TestReadIndices(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "list.txt")
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	long := strings.Repeat("1234567,", 9<<20)
	zeros := strings.Repeat("0", 64)
	for _, test := range []struct {
		text  string
		want  []int
		count int    // of numbers where want is nil
		fails string // part of the error
	}{
		{text: "3,1, 2", want: []int{3, 1, 2}},
		{text: "-1", want: []int{-1}},
		{text: "1,-", fails: `--indices, line 1: "-"; expected`},
		{text: file(""), want: []int{}},
		{text: file("[]\n"), want: []int{}},
		{text: file("7"), want: []int{7}},
		{text: file("[5,\n 6]\r\n\n\t7 8,,9"), want: []int{5, 6, 7, 8, 9}},
		{text: file("1\n2 x\n"), fails: `list.txt, line 2: "x"; expected`},
		{text: file("99999999999999999999"), fails: "expected"},
		{text: file(zeros[1:] + "5"), want: []int{5}},
		{text: file(zeros + "05"), fails: "expected"},
		{text: file(strings.Repeat("x", 1<<20)), fails: `line 1: "xxx`},
		{text: file("[" + long + "1]"), count: 9<<20 + 1},
	} {
		got, err := readIndices(test.text)
		short := test.text[max(0, len(test.text)-40):]
		switch {
		case test.fails != "":
			if err == nil || !strings.Contains(err.Error(), test.fails) || len(err.Error()) > 400 {
				t.Errorf("%q: error %.500v, want one with %q", short, err, test.fails)
			}
		case err != nil:
			t.Errorf("%q: %v", short, err)
		case test.want != nil && (got == nil || !slices.Equal(got, test.want)):
			t.Errorf("%q: got %v, want %v", short, got, test.want)
		case test.want == nil && len(got) != test.count:
			t.Errorf("%q: got %d numbers, want %d", short, len(got), test.count)
		}
	}
}

package text

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

// bothWays reads a line in one go and word by word, and compares: what the
// first reads is what the second does.
func bothWays(t *testing.T, line []byte, opts OpenOptions, columns int) (quick bool) {
	t.Helper()
	f := &File{path: "x.csv", opts: opts}
	if err := f.settle(); err != nil {
		t.Fatal(err)
	}
	if err := f.layout(columns); err != nil {
		t.Fatal(err)
	}
	s := &stream{f: f, s: &scanner{f: f, blank: f.blank()}, quick: f.quick()}
	if s.quick == noNumber {
		return false
	}
	// Digits stand behind the line in the buffer, which aren't its own.
	line = append(slices.Clip(line), "1234567890123456"...)[:len(line)]
	got, want := make([]byte, f.item), make([]byte, f.item)
	if !s.quickRow(got, line) {
		return false
	}
	s.s.text = line
	words, err := s.s.cut()
	if err != nil || len(words) != columns {
		t.Fatalf("%q: read in one go, but word by word %q, %v", line, words, err)
	}
	for c, field := range f.fields {
		if err := f.element(want[field.Offset:field.Offset+field.DType.ItemSize()], words[c], field.DType); err != nil {
			t.Fatalf("%q: read in one go, but word by word: %v", line, err)
		}
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%q as %v, in one go %x, word by word %x", line, field0(f), got, want)
	}
	return true
}

func field0(f *File) array.DType { return f.fields[0].DType }

func TestQuickRows(t *testing.T) {
	for _, test := range []struct {
		line, delimiter string
		dtype           array.DType
		columns         int
		quick           bool
	}{
		{"1,2.5,-3e2", ",", array.Float64, 3, true},
		{" 1 , 2.5,-3E-2 ", ",", array.Float64, 3, true},
		{"1\t2\t3", "\t", array.Float64, 3, true},
		{"1 \t 2", "\t", array.Float64, 2, true},
		{"  1 2\t 3 ", " ", array.Float32, 3, true},
		{"1;.5;1.;+1;-0;0e999;00012", ";", array.Float64, 7, true},
		{"9007199254740993,9007199254740992,9007199254740991", ",", array.Float64, 3, true},
		{"1e22,1e23,1e-22,1e-23,1e999,-1e-999", ",", array.Float64, 6, true},
		{"0.1234567890123456789012345678901,123456789012345678901234567890", ",", array.Float64, 2, true},
		{"1.0000000596046448,16777217,3.5e38", ",", array.Float32, 3, true},
		{"1,2", ",", array.Float64, 3, false},
		{"1,2,3,4", ",", array.Float64, 3, false},
		{"1,,3", ",", array.Float64, 3, false},
		{"1,2,", ",", array.Float64, 3, false},
		{"1,nan,3", ",", array.Float64, 3, false},
		{"1,0x10,1_0", ",", array.Float64, 3, false},
		{`1,"2",3`, ",", array.Float64, 3, false},
		{"1,2,3 # four", ",", array.Float64, 3, false},
		{"1,2,3#", ",", array.Float64, 3, false},
		{"1,2e,3", ",", array.Float64, 3, false},
		{"1,2e123456,3", ",", array.Float64, 3, false},
		{".,e5,-", ",", array.Float64, 3, false},
		{"1 2", ",", array.Float64, 1, false},
		{"12", " ", array.Float64, 2, false},
		{"127,-128,+0", ",", array.Int8, 3, true},
		{"128,0,0", ",", array.Int8, 3, false},
		{"-129,0,0", ",", array.Int8, 3, false},
		{"255,0,007", ",", array.Uint8, 3, true},
		{"256,0,0", ",", array.Uint8, 3, false},
		{"-0,0,0", ",", array.Uint8, 3, false},
		{"9223372036854775807,-9223372036854775808", ",", array.Int64, 2, true},
		{"9223372036854775808,0", ",", array.Int64, 2, false},
		{"18446744073709551615,0", ",", array.Uint64, 2, true},
		{"18446744073709551616,0", ",", array.Uint64, 2, false},
		{"1.0,2", ",", array.Int32, 2, false},
		{"1e2,2", ",", array.Int32, 2, false},
		{"1,2", ",", array.Int32.Swapped(), 2, false},
		{"1,2", ",", array.Complex128, 2, false},
	} {
		opts := OpenOptions{Delimiter: test.delimiter, DType: test.dtype}
		if got := bothWays(t, []byte(test.line), opts, test.columns); got != test.quick {
			t.Errorf("%q as %d columns of %v: in one go %v, want %v", test.line, test.columns, test.dtype, got, test.quick)
		}
	}
	for _, opts := range []OpenOptions{{Missing: []string{"1"}}, {Comment: "-"}, {Comment: "1"}, {Comment: " #"}, {Delimiter: "e"}, {Delimiter: ",,"}} {
		if bothWays(t, []byte("1,2"), opts, 2) {
			t.Errorf("%+v: rows in one go", opts)
		}
	}
}

// TestQuickNumbers compares numbers of all lengths with those of strconv.
func TestQuickNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200_000 {
		var text string
		switch i % 4 {
		case 0:
			text = strconv.FormatFloat(r.NormFloat64()*100, 'g', 1+r.IntN(18), 64)
		case 1:
			text = strconv.FormatFloat(float64(r.Uint64()>>r.IntN(64)), 'f', r.IntN(24), 64)
		case 2:
			text = strconv.FormatFloat(r.ExpFloat64(), 'e', r.IntN(20), 64)
		default:
			text = fmt.Sprintf("%d.%0*d", r.IntN(1<<r.IntN(30)), 1+r.IntN(17), r.Uint32())
		}
		for _, dtype := range []array.DType{array.Float64, array.Float32} {
			if !bothWays(t, []byte(text), OpenOptions{Delimiter: ",", DType: dtype}, 1) {
				t.Fatalf("%q isn't read in one go", text)
			}
		}
	}
}

func FuzzQuickRow(f *testing.F) {
	for _, s := range []string{"1,2", "1.5e-3 ,\t7", "-.5,5.", "1 2", "12345678,123456789", "1#,2", "\"1\",2", "0x1,1_0", "1e400,1e-400"} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(strings.ReplaceAll(s, ",", "\t")), uint8(5))
	}
	types := []array.DType{array.Float64, array.Float32, array.Int8, array.Uint64}
	delimiters := []string{",", "\t", " "}
	f.Fuzz(func(t *testing.T, line []byte, how uint8) {
		if bytes.ContainsAny(line, "\n\r") {
			return
		}
		opts := OpenOptions{DType: types[how%4], Delimiter: delimiters[how/4%3]}
		for columns := 1; columns < 4; columns++ {
			bothWays(t, line, opts, columns)
		}
	})
}

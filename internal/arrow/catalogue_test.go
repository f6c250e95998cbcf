package arrow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
)

// TestCatalogue: what is asked for, twice there, broken or too large.
func TestCatalogue(t *testing.T) {
	number := arrow.Field{Type: arrow.Int, Bits: 32, Signed: true}
	text := arrow.Field{Type: arrow.Utf8}
	named := func(f arrow.Field, name string) *arrow.Field {
		f.Name = name
		return &f
	}
	own := errors.New("another program's own")
	k := arrow.Catalogue[int]{File: "x.arrow", Only: []string{"a", "texts", "wide", "missing", "list"}, Rows: 7, Size: 100}
	fine := func(*arrow.Entry[int]) error { return nil }
	none := func(e *arrow.Entry[int]) ([]int, error) {
		t.Errorf("%q is measured", e.Field.Name)
		return nil, nil
	}
	add := func(f *arrow.Field, at int, find func(*arrow.Entry[int]) error, measure func(*arrow.Entry[int]) ([]int, error)) {
		t.Helper()
		if err := k.Add(f, at, find, measure); err != nil {
			t.Errorf("%q: %v", f.Name, err)
		}
	}
	add(named(number, "other"), 0, func(*arrow.Entry[int]) error { t.Error("one that isn't asked for"); return nil }, none)
	add(named(number, "a"), 1, fine, none)
	add(named(number, "a"), 2, fine, none)
	add(named(arrow.Field{Type: arrow.List, Children: []arrow.Field{number}}, "list"), 3, fine, none)
	add(named(text, "texts"), 4, fine, func(*arrow.Entry[int]) ([]int, error) { return []int{3}, nil })
	// Each text as wide as the longest are rows that no array has.
	add(named(arrow.Field{Type: arrow.FixedSizeList, Size: 1 << 30, Children: []arrow.Field{text}}, "wide"), 5, fine,
		func(*arrow.Entry[int]) ([]int, error) { return []int{4096}, nil })
	add(named(number, "missing"), 6, func(*arrow.Entry[int]) error { return own }, none)

	var got []string
	for _, m := range k.Members() {
		got = append(got, m.Name+" "+m.Spec.String())
	}
	if want := []string{"a <i4 (7,)", "texts <U3 (7,)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	err := k.Refused()
	if err == nil || !errors.Is(err, own) || !errors.As(err, new(*array.UnsupportedError)) {
		t.Fatalf("refused: %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{`"a": a column of that name is there already`, `"list"`, `"wide"`, `"missing": another program's own`} {
		if len(lines) != 4 || !strings.Contains(lines[i], "x.arrow") || !strings.Contains(lines[i], want) {
			t.Errorf("refused %q, want %s", lines, want)
		}
	}
	if e, err := k.Find("a"); err != nil || e.Own != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
	if _, err := k.Find("missing"); !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"", "other"} {
		if _, err := k.Find(name); err == nil || !strings.Contains(err.Error(), "no array") {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if e, err := k.Find("texts"); err == nil {
		if spec, size, err := k.Whole(e, 84); err != nil || size != 84 || spec.String() != "<U3 (7,)" {
			t.Errorf("got %v of %d bytes, %v", spec, size, err)
		}
		if _, _, err := k.Whole(e, 83); err == nil || !strings.Contains(err.Error(), "84 bytes to read at once, OpenOptions.MaxArray is 83") {
			t.Errorf("got %v", err)
		}
	}
	broken := &array.FormatError{File: "x.arrow", Msg: "cut off"}
	if err := k.Add(named(number, "missing"), 0, func(*arrow.Entry[int]) error { return broken }, none); err != nil {
		t.Errorf("one that is there already is looked into: %v", err)
	}
	k.Only = nil
	if err := k.Add(named(number, "broken"), 0, func(*arrow.Entry[int]) error { return broken }, none); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	scalar := named(number, "scalar")
	scalar.Meta = []arrow.KeyValue{{Key: arrow.ScalarKey}}
	if err := k.Add(scalar, 0, fine, none); err == nil || !strings.Contains(err.Error(), "7 rows of a column that says it is a scalar") {
		t.Errorf("got %v", err)
	}
}

package ffcv

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
)

func TestHeader(t *testing.T) {
	h := Header{Version: 2, NumFields: 0x0102, PageSize: 8 << 20, NumSamples: 0x1122334455667788, AllocTable: math.MaxUint64 - 1}
	var b [HeaderSize]byte
	h.Put(b[:])
	var second bytes.Buffer // the second opinion: the struct's members in order, without padding
	if err := binary.Write(&second, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[:], second.Bytes()) {
		t.Errorf("% x, want % x", b, second.Bytes())
	}
	if got := HeaderAt(b[:]); got != h {
		t.Errorf("%+v, want %+v", got, h)
	}
}

func TestCheckPageSize(t *testing.T) {
	for n, ok := range map[int64]bool{0: false, -MinPageSize: false, MinPageSize - 1: false, MinPageSize / 2: false, MinPageSize: true, 3 << 20: false,
		DefaultPageSize: true, MaxPageSize: true, MaxPageSize + 1: false, maxReadPageSize: false, math.MinInt64: false} {
		if err := CheckPageSize(n); (err == nil) != ok {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestFieldDesc(t *testing.T) {
	for _, c := range []struct{ stored, name string }{
		{"", ""},
		{"label", "label"},
		{"sixteen_chars_ab", "sixteen_chars_ab"},
		{"a b", "a b"},
		{"a\x00junk", "a"},
		{"\x00hidden", ""},
		{"n\xc3\xa4me", "näme"},
		{"\xff\xfe", "\xff\xfe"},
	} {
		b := make([]byte, DescriptorSize)
		b[0] = 255
		copy(b[1:17], c.stored)
		b[17], b[DescriptorSize-1] = 7, 9
		d := FieldDescAt(b)
		if d.Type != fields.TypeCustom || d.Name != c.name || d.Args[0] != 7 || d.Args[fields.ArgsSize-1] != 9 {
			t.Errorf("%q: %d %q", c.stored, d.Type, d.Name)
		}
		again := bytes.Repeat([]byte{0xee}, DescriptorSize)
		d.Put(again)
		if back := FieldDescAt(again); back != d {
			t.Errorf("%q: %q after Put", c.stored, back.Name)
		}
	}
}

func TestCheckNames(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string // in the error, "" none
	}{
		{nil, ""},
		{[]string{"", "a", "A", "a b", strings.Repeat("x", 16)}, ""},
		{[]string{strings.Repeat("x", 17)}, "17 bytes"},
		{[]string{"a", "näme"}, "ASCII"},
		{[]string{"a\x00b"}, "NUL"},
		{[]string{"a", "b", "a"}, "fields 0 and 2"},
		{[]string{"", ""}, "twice"},
		{make([]string, MaxFields+1), "at most 65535"},
	} {
		err := CheckNames(c.names)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %q", c.names, err, c.want)
		}
	}
}

// The rows are NumPy's: np.dtype([(”, t0), …], align=True), run with the real one.
func TestLayoutRow(t *testing.T) {
	i8 := &fields.Layout{Size: 8, Align: 8}
	img := &fields.Layout{Size: 13, Align: 1}
	blob := &fields.Layout{Size: 16, Align: 1}
	u1 := &fields.Layout{Size: 1, Align: 1}
	u4 := &fields.Layout{Size: 4, Align: 4}
	none := &fields.Layout{Size: 0, Align: 1}
	for _, c := range []struct {
		in      []*fields.Layout
		offsets []int
		size    int
	}{
		{[]*fields.Layout{i8, i8}, []int{0, 8}, 16},
		{[]*fields.Layout{img, i8}, []int{0, 16}, 24},
		{[]*fields.Layout{i8, img}, []int{0, 8}, 24},
		{[]*fields.Layout{img, img, i8}, []int{0, 13, 32}, 40},
		{[]*fields.Layout{img}, []int{0}, 13},
		{[]*fields.Layout{blob, img, i8}, []int{0, 16, 32}, 40},
		{[]*fields.Layout{i8, img, i8}, []int{0, 8, 24}, 32},
		{[]*fields.Layout{u1, i8, u1, u4, u1}, []int{0, 8, 16, 20, 24}, 32},
		{[]*fields.Layout{u1, u4, u1}, []int{0, 4, 8}, 12},
		{[]*fields.Layout{none, u1}, []int{0, 0}, 1},
		{[]*fields.Layout{i8, nil, u1}, []int{0, -1, -1}, -1},
		{[]*fields.Layout{nil}, []int{-1}, -1},
		{nil, nil, 0},
	} {
		l, err := layoutRow(c.in)
		if err != nil || l.size != c.size || len(l.offsets) != len(c.offsets) {
			t.Fatalf("%v: %+v, %v; want %v, %d", c.in, l, err, c.offsets, c.size)
		}
		for i := range c.offsets {
			if l.offsets[i] != c.offsets[i] {
				t.Errorf("%v: offsets %v, want %v", c.in, l.offsets, c.offsets)
			}
		}
	}
	for _, bad := range []fields.Layout{{Size: -1, Align: 1}, {Size: 1, Align: 0}, {Size: 1, Align: 3}, {Size: math.MaxInt, Align: 1}, {Size: 1, Align: math.MinInt}} {
		if l, err := layoutRow([]*fields.Layout{i8, &bad}); err == nil {
			t.Errorf("%+v: %+v", bad, l)
		}
	}
	if _, err := layoutRow([]*fields.Layout{{Size: maxRowSize, Align: 1}, u1}); err == nil {
		t.Error("a row above the limit")
	}
}

func TestFirstPage(t *testing.T) {
	const page = MinPageSize
	for _, c := range []struct {
		fields, size int
		n            uint64
		page, want   int64
		ok           bool
	}{
		{1, 16, 0, page, page, true},
		{1, 16, 10, page, page, true},
		{1, 1, page - 1065, page, page, true},
		{1, 1, page - 1065 - 1, page, page, true},
		{1, 1, page - 1065 + 1, page, 2 * page, true},
		{1, 0, math.MaxUint64, page, page, true},
		{1, 16, math.MaxUint64, page, 0, false},
		{1, 16, math.MaxInt64 / 16, page, 0, false},
		{1, 1, math.MaxInt64 - 1065, page, 0, false},
		{1, 1, math.MaxInt64 - 1064, page, 0, false},
		{65535, maxRowSize, 1 << 33, page, 0, false},
	} {
		got, ok := firstPage(c.fields, c.size, c.n, c.page)
		if got != c.want || ok != c.ok {
			t.Errorf("%+v: %d, %v", c, got, ok)
		}
	}
}

// FuzzDescriptor: what was read is written back the same, but for what follows
// a name's NUL.
func FuzzDescriptor(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{1}, "label"...))
	f.Add(append([]byte{255}, "sixteen_chars_abARGS"...))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := make([]byte, DescriptorSize)
		copy(b, p)
		d := FieldDescAt(b)
		if len(d.Name) > NameSize || strings.Contains(d.Name, "\x00") {
			t.Fatalf("name %q", d.Name)
		}
		var again [DescriptorSize]byte
		d.Put(again[:])
		if FieldDescAt(again[:]) != d {
			t.Fatal("another descriptor after Put")
		}
		CheckNames([]string{d.Name})
	})
}

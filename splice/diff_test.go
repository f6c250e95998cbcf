package splice_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/splice"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// differences are what Diff tells of two files.
func differences(t testing.TB, a, b *ffcv.File, byKey bool) (list []string, r *splice.DiffReport) {
	t.Helper()
	r, err := splice.Diff(context.Background(), a, b, &splice.DiffOptions{ByKey: byKey, Report: func(d splice.Difference) { list = append(list, d.String()) }})
	if err != nil {
		t.Fatal(err)
	}
	if int(r.Differences) != len(list) {
		t.Errorf("%d differences, %d reported", r.Differences, len(list))
	}
	return list, r
}

// One value of each kind is another; nothing else is told.
func TestDiffValues(t *testing.T) {
	specs := []ffcv.FieldSpec{
		{Name: "n", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}, {Name: "data", Field: fields.Bytes{}},
		{Name: "raw", Field: fields.RGBImage{Mode: fields.ModeRaw}}, {Name: "pic", Field: fields.Image{Channels: 1}},
	}
	values := func(i int) []any {
		return []any{i, float64(i) / 2, []byte(fmt.Sprint("text ", i)),
			rgb.Image{Width: 2, Height: 1, Pix: []byte{1, 2, 3, 4, 5, byte(i)}},
			rgb.Raster{Width: 40, Height: 20, Channels: 1, Depth: 1, Pix: slices.Repeat([]byte{byte(i)}, 800)}}
	}
	make := func(change func(i int, v []any)) *ffcv.File {
		return ffcvtest.Map(t, ffcvtest.Write(t, specs, 20, func(i int) []any {
			v := values(i)
			change(i, v)
			return v
		}, nil), nil)
	}
	a := make(func(int, []any) {})
	for _, test := range []struct {
		field int
		value any
		want  []string
	}{
		{0, 7, nil},
		{0, -1, []string{`sample 7: field "n": 7, -1`}},
		{1, 1.25, []string{`sample 7: field "x": 3.5, 1.25`}},
		{2, []byte("text 8"), []string{`sample 7: field "data": 6 bytes that differ from byte 5 on`}},
		{2, []byte("text"), []string{`sample 7: field "data": 6 bytes, 4`}},
		{3, rgb.Image{Width: 2, Height: 1, Pix: []byte{1, 2, 9, 4, 5, 7}}, []string{`sample 7: field "raw": 6 bytes that differ from byte 2 on`}},
		{3, rgb.Image{Width: 1, Height: 2, Pix: []byte{1, 2, 3, 4, 5, 7}}, []string{`sample 7: field "raw": metadata 01020001000000000000000000, 01010002000000000000000000`}},
	} {
		b := make(func(i int, v []any) {
			if i == 7 {
				v[test.field] = test.value
			}
		})
		if got, _ := differences(t, a, b, false); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.value, got, test.want)
		}
	}
	b := make(func(i int, v []any) {
		if i == 3 {
			v[4] = rgb.Raster{Width: 40, Height: 20, Channels: 1, Depth: 1, Pix: slices.Repeat([]byte{99}, 800)}
		}
	})
	if got, r := differences(t, a, b, false); len(got) != 1 || r.Differing != 1 || r.Samples != 20 {
		t.Errorf("%q, %+v", got, r)
	}
}

// Samples in another order are the same by their names; what one file lacks is
// told; and files through every source compare alike.
func TestDiffByKey(t *testing.T) {
	ctx := context.Background()
	path := everyKind{50, 0}.write(t, ffcv.Options{}, nil)
	a := open(t, path)
	var order []int
	for i := range 50 {
		if i%11 != 0 && i != 13 { // the others have no names
			order = append(order, i)
		}
	}
	named := filepath.Join(t.TempDir(), "a.beton")
	if _, err := splice.Subset(ctx, named, a, splice.Selection{Indices: order}, nil); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(order)
	mixed := filepath.Join(t.TempDir(), "b.beton")
	if _, err := splice.Subset(ctx, mixed, a, splice.Selection{Indices: order[:30]}, nil); err != nil {
		t.Fatal(err)
	}
	x, y := open(t, named), open(t, mixed)
	got, r := differences(t, x, y, true)
	if r.Samples != 30 || r.OnlyA != int64(len(order)-30) || r.OnlyB != 0 || r.Differing != 0 || len(got) != 1+len(order)-30 {
		t.Errorf("%+v: %q", r, got)
	}
	if got[1] != `sample 0: "folder/000001": sample: in the first file only` {
		t.Errorf("%q", got[1])
	}
	if _, r := differences(t, y, x, true); r.OnlyB != int64(len(order)-30) || r.OnlyA != 0 {
		t.Errorf("%+v", r)
	}
	if _, r := differences(t, x, y, false); r.Differing != 30 {
		t.Errorf("%+v", r)
	}
	for name, f := range ffcvtest.Open(t, readFile(t, path), nil) {
		if got, _ := differences(t, a, f, false); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
		if got, _ := differences(t, a, f, true); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Header, fields, classes and sections.
func TestDiffFile(t *testing.T) {
	a := everyKind{5, 0}.make(t, ffcv.Options{Sections: []ffcv.NewSection{{Tag: foreignTag, Data: []byte("one")}}}, nil)
	b := everyKind{4, 0}.make(t, ffcv.Options{PageSize: 4 * mib, Classes: []string{"ant", "bear"}, Sections: []ffcv.NewSection{{Tag: foreignTag, Data: []byte("two")}}}, nil)
	got, r := differences(t, a, b, false)
	want := []string{"page size: 2097152, 4194304", "number of samples: 5, 4", "classes: 4, 2", `classes: 1 is "bee", "bear"`,
		"section: abcd has other bytes", "sample 4: sample: in the first file only"}
	if !slices.Equal(got, want) || r.OnlyA != 1 || r.Samples != 4 || r.Differing != 0 {
		t.Errorf("%q, want %q; %+v", got, want, r)
	}
	c := openGolden(t, "mixed", true)
	if got, _ := differences(t, a, c, false); len(got) < 9 {
		t.Errorf("%q", got)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := splice.Diff(cancelled, a, a, nil); err == nil {
		t.Error("cancelled: no error")
	}
	if _, err := splice.Diff(context.Background(), a, unknownField(t), nil); err == nil {
		t.Error("an unknown field: no error")
	}
}

// A sealed file has nothing that differs, whichever way it was sealed.
func TestDiffSealed(t *testing.T) {
	for _, name := range []string{"mixed", "rgb_jpg", "bytes_zero_first", "ints_floats"} {
		f := openGolden(t, name, true)
		to := filepath.Join(t.TempDir(), "sealed.beton")
		if _, err := splice.Seal(context.Background(), to, f, nil); err != nil {
			t.Fatal(err)
		}
		if got, _ := differences(t, f, ffcvtest.Map(t, to, ffcvtest.Options(golden.Open(name))), false); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

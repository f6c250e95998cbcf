package ffcv_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// marked is a custom Bytes field whose marks are the first bytes of a value,
// turned round: marksOf.
type marked struct{ fields.Bytes }

func (marked) TypeID() fields.TypeID { return fields.TypeCustom }

func (marked) AppendMarks(dst, _ []byte, data [][]byte) ([]byte, error) {
	switch {
	case bytes.Equal(data[0], []byte("refuse")):
		return dst, errRefused
	case bytes.Equal(data[0], []byte("panic")):
		panic("no marks")
	case bytes.Equal(data[0], []byte("shrink")):
		return nil, nil
	}
	return append(dst, marksOf(data[0])...), nil
}

var errRefused = errors.New("refused")

func (marked) CheckMarks(_ []byte, data [][]byte, marks []byte) error {
	if want := marksOf(data[0]); !bytes.Equal(marks, want) {
		return fmt.Errorf("marks %x, want %x", marks, want)
	}
	return nil
}

// marksOf has no bytes for every third length, and up to 50.
func marksOf(b []byte) []byte {
	if len(b)%3 == 0 {
		return nil
	}
	out := bytes.Clone(b[:min(len(b), 50)])
	slices.Reverse(out)
	return out
}

// markedFields is a dataset with two fields that have marks; of the second few
// samples do, the first ones none.
func markedFields(n int) ([]ffcv.FieldSpec, made) {
	specs := []ffcv.FieldSpec{
		{Name: "n", Field: fields.Int{}},
		{Name: "a", Field: marked{}},
		{Name: "none", Field: fields.Bytes{}},
		{Name: "b", Field: marked{}},
	}
	return specs, made{n, func(i int) []any {
		b := []byte("abc")
		if i > n/2 {
			b = golden.Input(i, i%4)
		}
		return []any{i, golden.Input(i, i%100), golden.Input(i, 7), b}
	}, func(i int) string { return fmt.Sprint(i) }}
}

// checkMarks compares the marks of every value; from is as for checkFile.
func checkMarks(t *testing.T, f *ffcv.File, ds made, from func(row int) int) {
	t.Helper()
	for row := range f.Len() {
		i := row
		if from != nil {
			i = from(row)
		}
		for k, v := range ds.at(i) {
			var want []byte
			if k == 1 || k == 3 {
				want = marksOf(v.([]byte))
			}
			got, err := f.Marks(row, k, nil)
			if err != nil || !bytes.Equal(got, want) || (got == nil) != (len(want) == 0) {
				t.Fatalf("marks of row %d, field %d: %x (%v), want %x", row, k, got, err, want)
			}
		}
	}
}

func sectionTags(t *testing.T, f *ffcv.File) string {
	t.Helper()
	list, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, s := range list {
		tags = append(tags, s.Tag.String())
	}
	return strings.Join(tags, " ")
}

// The marks come back through every kind of source, and the file does not
// depend on the workers.
func TestMarks(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 17, 3000} {
		specs, ds := markedFields(n)
		var want string
		for _, workers := range []int{1, 2, 8} {
			for _, chunk := range []int{0, 1, 7, n + 1} {
				path := write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Workers: workers}, &ffcv.DatasetOptions{ChunkSize: chunk})
				got := fileSum(t, path)
				if want == "" {
					want = got
					checkFile(t, path, specs, ds, n, nil)
					b, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range ffcvtest.Open(t, b, custom(specs)) {
						checkMarks(t, f, ds, nil)
					}
				}
				if got != want {
					t.Fatalf("%d samples, %d workers, chunks of %d: sha256 %s, want %s", n, workers, chunk, got, want)
				}
				if n == 3000 && chunk == 1 {
					break
				}
			}
		}
	}
}

func TestMarksSections(t *testing.T) {
	specs, ds := markedFields(40)
	without := ds
	without.at = func(i int) []any { return []any{i, golden.Input(i, 6), []byte("no"), []byte("abc")} }
	for _, c := range []struct {
		name string
		ds   made
		opts ffcv.Options
		want string
	}{
		{"all", ds, ffcv.Options{}, "NAME NIDX MARK MARK SUMS"},
		{"plain", ds, ffcv.Options{Plain: true}, ""},
		{"no sample has any", without, ffcv.Options{}, "NAME NIDX SUMS"},
		{"nothing else", made{40, ds.at, nil}, ffcv.Options{}, "MARK MARK SUMS"},
		{"none of the second field", made{20, func(i int) []any { v := ds.at(i); v[3] = []byte{}; return v }, nil}, ffcv.Options{}, "MARK SUMS"},
	} {
		f, err := ffcv.Open(write(t, specs, c.ds, &c.opts, nil), custom(specs))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := sectionTags(t, f); got != c.want {
			t.Errorf("%s: sections %q, want %q", c.name, got, c.want)
		}
		if !strings.Contains(c.want, "MARK") {
			for i := range f.Len() {
				if m, err := f.Marks(i, 1, nil); m != nil || err != nil {
					t.Errorf("%s: marks %x, %v", c.name, m, err)
				}
			}
		}
	}
}

// Marks follow their samples: shuffled, streamed with pages that move, and past
// samples that are let go.
func TestMarksOrder(t *testing.T) {
	specs, ds := markedFields(300)
	o := &ffcv.Options{PageSize: 2 * mib, Workers: 3}
	open := func(path string) *ffcv.File {
		f, err := ffcv.Open(path, custom(specs))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
			t.Fatal(err)
		}
		return f
	}
	indices := []int{5, 250, 4, 4, 299, 151, 0}
	f := open(write(t, specs, ds, o, &ffcv.DatasetOptions{Indices: indices}))
	checkMarks(t, f, ds, func(row int) int { return indices[row] })

	fails := made{ds.n, func(i int) []any {
		v := ds.at(i)
		if i%7 == 3 {
			v[3] = []byte("refuse")
		}
		return v
	}, ds.key}
	w, path := create(t, specs, o)
	skipped := 0
	if err := w.WriteStream(t.Context(), fails.stream(), &ffcv.StreamOptions{OnError: func(_ string, err error) error {
		if e := (*ffcv.SampleError)(nil); !errors.Is(err, errRefused) || !errors.As(err, &e) || e.Field != "b" {
			t.Errorf("let go: %v", err)
		}
		skipped++
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if skipped != 43 {
		t.Errorf("%d samples let go, want 43", skipped)
	}
	checkMarks(t, open(path), ds, func(row int) int {
		n := row / 6 * 7
		if row%6 >= 3 {
			return n + row%6 + 1
		}
		return n + row%6
	})

	// A wide row makes the pages move.
	specs = append(specs, ffcv.FieldSpec{Name: "w", Field: wide{}})
	broad := made{60, func(i int) []any { return append(ds.at(i), golden.Input(i, 1000)) }, ds.key}
	w, path = create(t, specs, o)
	if err := w.WriteStream(t.Context(), broad.stream(), nil); err != nil {
		t.Fatal(err)
	}
	checkMarks(t, open(path), broad, nil)
	if fileSum(t, path) != fileSum(t, write(t, specs, broad, o, nil)) {
		t.Error("not the indexed file")
	}
}

// A Marker that fails refuses the sample, and leaves no file.
func TestMarksFail(t *testing.T) {
	specs, ds := markedFields(50)
	for value, want := range map[string]string{
		"refuse": `sample 30, field "a": marks: refused`,
		"panic":  `sample 30, field "a": panic: no marks`,
		"shrink": `sample 30, field "a": marks: 0 bytes with the marks`,
	} {
		bad := made{50, func(i int) []any {
			v := ds.at(i)
			if i == 30 {
				v[1] = []byte(value)
			}
			return v
		}, nil}
		w, path := create(t, specs, nil)
		if err := w.WriteDataset(t.Context(), bad, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", value, err, want)
		}
		checkNothing(t, path)
	}
}

// markedFile is a small file with marks.
func markedFile(t testing.TB, n int) ([]byte, []ffcv.FieldSpec) {
	t.Helper()
	specs, ds := markedFields(n)
	b, err := os.ReadFile(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Classes: []string{"x"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return b, specs
}

func TestMarksArguments(t *testing.T) {
	b, specs := markedFile(t, 20)
	for name, f := range ffcvtest.Open(t, b, custom(specs)) {
		for _, c := range [][2]int{{-1, 1}, {20, 1}, {0, -1}, {0, 4}, {20, 0}} {
			if m, err := f.Marks(c[0], c[1], nil); err == nil || m != nil {
				t.Errorf("%s: Marks(%d, %d) = %x, %v, want an error", name, c[0], c[1], m, err)
			}
		}
		for _, c := range [][3]int{{1, -1, 1}, {1, 0, 21}, {1, 20, 1}, {1, 0, -1}, {4, 0, 1}} {
			if r, err := f.MarksRange(c[0], c[1], c[2]); err == nil {
				t.Errorf("%s: MarksRange(%v) = %v, want an error", name, c, r)
			}
		}
		all, err := f.MarksRange(1, 0, 20)
		if err != nil {
			t.Fatal(err)
		}
		at := all.Off
		for i := range 20 {
			r, err := f.MarksRange(1, i, 1)
			if err != nil || r.Off != at {
				t.Fatalf("%s: sample %d: %v, %v, want offset %d", name, i, r, err, at)
			}
			at += r.Len
		}
		if at != all.Off+all.Len {
			t.Errorf("%s: the marks end at %d, want %d", name, at, all.Off+all.Len)
		}
		if r, err := f.MarksRange(0, 0, 20); r.Len != 0 || err != nil {
			t.Errorf("%s: of a field without marks: %v, %v", name, r, err)
		}
	}
}

// told notes what a source that reads is told.
type told struct {
	ffcv.Source
	ranges []ffcv.Range
}

func (s *told) WillNeed(ranges []ffcv.Range) { s.ranges = append(s.ranges, ranges...) }

// What is announced of marks is what Marks reads: first the offsets, then the marks.
func TestMarksAhead(t *testing.T) {
	b, specs := markedFile(t, 20)
	src := &told{Source: ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b)))}
	f, err := ffcv.New(src, custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.MarksRange(1, 0, 20)
	if err != nil {
		t.Fatal(err)
	}
	index := all.Off - 21*8
	f.WillNeedMarks([]int{3, -1, 20, 7}, 1, false)
	if want := []ffcv.Range{{Off: index + 3*8, Len: 16}, {Off: index + 7*8, Len: 16}}; !slices.Equal(src.ranges, want) {
		t.Errorf("where they lie: %v, want %v", src.ranges, want)
	}
	src.ranges = nil
	var want []ffcv.Range
	for _, i := range []int{12, 0, 1, 4, 7, 19} {
		f.WillNeedMarks([]int{i, 20}, 1, true)
		if r, err := f.MarksRange(1, i, 1); err != nil {
			t.Fatal(err)
		} else if r.Len > 0 {
			want = append(want, r)
		}
	}
	if !slices.Equal(src.ranges, want) || len(want) < 3 {
		t.Errorf("the marks: %v, want %v", src.ranges, want)
	}
	src.ranges = nil
	every := make([]int, 20)
	for i := range every {
		every[i] = i
	}
	f.WillNeedMarks(every, 1, true)
	if !slices.Equal(src.ranges, []ffcv.Range{all}) {
		t.Errorf("all marks: %v, want %v", src.ranges, all)
	}
	src.ranges = nil
	for _, field := range []int{-1, 0, 4} { // one has none
		f.WillNeedMarks(every, field, false)
		f.WillNeedMarks(every, field, true)
	}
	if len(src.ranges) > 0 {
		t.Errorf("of fields without marks: %v", src.ranges)
	}
	binary.LittleEndian.PutUint64(b[index+5*8:], 1<<60) // offsets of samples 4 and 5
	f.WillNeedMarks([]int{4, 5}, 1, true)
	if len(src.ranges) > 0 {
		t.Errorf("of damaged offsets: %v", src.ranges)
	}
}

// A look-up reads two offsets and the marks, whatever the number of samples,
// and allocates nothing where the source lends or buf is large enough.
func TestMarksCost(t *testing.T) {
	b, specs := markedFile(t, 3000)
	c := &counter{ReaderAt: bytes.NewReader(b)}
	f, err := ffcv.New(ffcv.ReaderAtSource("counted", c, int64(len(b))), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Marks(1, 1, nil); err != nil {
		t.Fatal(err)
	}
	c.reads, c.bytes = 0, 0
	if m, err := f.Marks(2000, 3, nil); err != nil || c.reads > 3 || c.bytes != 16+len(m) {
		t.Errorf("%d bytes of marks (%v) with %d reads of %d bytes", len(m), err, c.reads, c.bytes)
	}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { f.Marks(1501, 1, buf) }); n > 0 {
		t.Errorf("%v allocations for what is read into a buffer", n)
	}
	lent, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { lent.Marks(1501, 1, nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A file with marks that is cut anywhere behind its pages is not sound.
func TestMarksTruncation(t *testing.T) {
	b, specs := markedFile(t, 200)
	opts := custom(specs)
	if flawed(t, ffcvtest.Lend(b), opts) {
		t.Fatal("flawed when whole")
	}
	for n := 4*mib - 2; n < len(b); n += race.Step(23) {
		if !flawed(t, ffcvtest.Lend(b[:n]), opts) {
			t.Errorf("sound when cut to %d of %d bytes", n, len(b))
		}
		if n%97 == 0 && !flawed(t, ffcv.ReaderAtSource("cut", bytes.NewReader(b[:n]), int64(n)), opts) {
			t.Errorf("sound through a reader when cut to %d bytes", n)
		}
	}
}

// Verify finds every changed byte of the sections, and of the marks themselves
// also says whose they are.
func TestMarksVerify(t *testing.T) {
	b, specs := markedFile(t, 50)
	f, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.Sections()
	if err != nil || len(list) != 6 {
		t.Fatalf("sections %v, %v", list, err)
	}
	mine, err := f.MarksRange(1, 22, 1)
	if err != nil || mine.Len != 22 {
		t.Fatalf("marks of sample 22: %v, %v", mine, err)
	}
	for off := list[3].Offset - 16; off < list[4].Offset+list[4].Length; off++ {
		b[off] ^= 0x11
		f, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
		if err != nil {
			t.Fatalf("byte %d: %v", off, err)
		}
		var named bool
		err = f.Verify(context.Background(), func(e *ffcv.FormatError) {
			named = named || e.Sample == 22 && e.Field == "a" && e.What == "marks" && e.Offset == mine.Off
		})
		if err == nil {
			t.Errorf("byte %d changed: sound", off)
		}
		if inside := off >= mine.Off && off < mine.Off+mine.Len; inside && !named {
			t.Errorf("byte %d changed: sample 22 is not named (%v)", off, err)
		}
		touch(f)
		b[off] ^= 0x11
	}
}

// Photographs have checkpoints, which are the decoder's, unless the field or
// the writer leaves them out.
func TestMarksOfPhotos(t *testing.T) {
	photos, _ := filepath.Glob("../testdata/photos/*/*.jpg")
	if len(photos) < 20 {
		t.Fatalf("%d photos", len(photos))
	}
	ds := made{len(photos), func(i int) []any { return []any{fields.Path(photos[i])} }, nil}
	for _, c := range []struct {
		field fields.RGBImage
		plain bool
		want  string
	}{
		{fields.RGBImage{}, false, "MARK SUMS"},
		{fields.RGBImage{NoCheckpoints: true}, false, "SUMS"},
		{fields.RGBImage{}, true, ""},
		{fields.RGBImage{Mode: fields.ModeRaw, MaxResolution: 64}, false, "SUMS"},
	} {
		specs := []ffcv.FieldSpec{{"image", c.field}}
		f, err := ffcv.Open(write(t, specs, ds, &ffcv.Options{PageSize: 8 * mib, Plain: c.plain}, nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := sectionTags(t, f); got != c.want {
			t.Errorf("%+v, plain %v: sections %q, want %q", c.field, c.plain, got, c.want)
		}
		if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(c.want, "MARK") {
			continue
		}
		var total, data int
		for i := range f.Len() {
			e, err := f.Image(i, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Marks(i, 0, nil)
			if want, wantErr := rgb.AppendMarks(nil, e.Data); err != nil || wantErr != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes of marks (%v), want %d (%v)", photos[i], len(got), err, len(want), wantErr)
			}
			total, data = total+len(got), data+len(e.Data)
		}
		if total == 0 || total > data/100 {
			t.Errorf("%d bytes of marks for %d of JPEGs: want some, at most a hundredth", total, data)
		}
	}
}

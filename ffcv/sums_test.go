package ffcv_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// covered is which bytes of a file mean something: all but those of data pages
// that no region covers.
func covered(t testing.TB, f *ffcv.File, b []byte) []bool {
	t.Helper()
	mean := slices.Repeat([]bool{true}, len(b))
	first, n := f.Pages()
	meta := ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + f.Len()*f.RowSize()
	for i := meta; int64(i) < first+n*int64(f.Header().PageSize); i++ {
		mean[i] = false
	}
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.Size {
			mean[e.Ptr+i] = true
		}
	}
	return mean
}

// Whichever byte of a file with checksums changes, Verify tells; and what Check
// lets through is what was written.
func TestSumsEveryByte(t *testing.T) {
	specs, ds := everyKind(4)
	b, err := os.ReadFile(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Classes: []string{"x"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	want := values(t, f)
	mean := covered(t, f, b)
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(b); i += step {
		if !mean[i] {
			continue
		}
		b[i] ^= byte(1 + i%255)
		if !flawed(t, ffcvtest.Lend(b), custom(specs)) {
			t.Errorf("byte %d changed: sound", i)
		}
		checkedValues(t, b, specs, want, i)
		b[i] ^= byte(1 + i%255)
	}
}

// values are all values of a file, as text.
func values(t testing.TB, f *ffcv.File) map[[2]int]string {
	t.Helper()
	all := map[[2]int]string{}
	for i := range f.Len() {
		for k := range f.Fields() {
			v, err := f.Value(i, k)
			if err != nil {
				t.Fatal(err)
			}
			all[[2]int{i, k}] = fmt.Sprintf("%v", v)
		}
	}
	return all
}

// checkedValues fails when a value that Check found right is another one.
func checkedValues(t testing.TB, b []byte, specs []ffcv.FieldSpec, want map[[2]int]string, at int) {
	t.Helper()
	f, err := ffcv.New(ffcvtest.Lend(b), custom(specs))
	if err != nil {
		return
	}
	s, err := f.Sums()
	if err != nil || s == nil {
		return // the section or the trailer: said by Verify
	}
	if s.CheckHead() != nil {
		return
	}
	for i := range f.Len() {
		for k := range f.Fields() {
			if _, err := s.Check(i, []int{k}, nil); err != nil {
				var e *ffcv.FormatError
				if !errors.As(err, &e) || e.Sample != i {
					t.Fatalf("byte %d: %T %v", at, err, err)
				}
				continue
			}
			if v, err := f.Value(i, k); err != nil || fmt.Sprintf("%v", v) != want[[2]int{i, k}] {
				t.Fatalf("byte %d changed: sample %d, field %d is right by its checksum, but %v, %v", at, i, k, v, err)
			}
		}
	}
}

// A damaged value is named by sample, field and place, once for each.
func TestSumsNameTheValue(t *testing.T) {
	specs := []ffcv.FieldSpec{{"a", fields.Bytes{}}, {"n", fields.Int{}}, {"b", fields.Bytes{}}}
	ds := made{300, func(i int) []any { return []any{slices.Repeat([]byte{byte(i)}, 50), i, []byte("text")} }, nil}
	b, err := os.ReadFile(write(t, specs, ds, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range ffcvtest.Open(t, b, nil) {
		s, err := f.Sums()
		if err != nil || s == nil {
			t.Fatalf("%s: sums %v, %v", name, s, err)
		}
		for i := range 2 * f.Len() { // the second time from what is known
			if _, err := s.Check(i%f.Len(), nil, nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	f, _ := ffcv.New(ffcvtest.Lend(b), nil)
	at := map[int64]string{}
	for i, e := range entries(t, f) {
		if i == 34 || i == 301 {
			b[e.Ptr+e.Size-1]++
			at[int64(e.Ptr)] = fmt.Sprintf("sample %d: field %q", i/2, []string{"a", "b"}[i%2])
		}
	}
	var got []*ffcv.FormatError
	if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { got = append(got, e) }); err == nil {
		t.Error("sound")
	}
	if len(got) != 2 {
		t.Errorf("%d flaws, want 2: %v", len(got), got)
	}
	for _, e := range got {
		if !strings.Contains(e.Error(), at[e.Offset]+": at byte") || !strings.Contains(e.Error(), "checksum 0x") {
			t.Errorf("%v, want %q", e, at[e.Offset])
		}
	}
	for _, c := range []struct {
		sample int
		fields []int
		ok     bool
	}{{17, nil, false}, {17, []int{1, 2}, true}, {17, []int{0}, false}, {150, []int{0, 1}, true}, {150, []int{2}, false}, {299, nil, true}, {-1, nil, false}, {300, nil, false}, {0, []int{3}, false}, {0, []int{-1}, false}} {
		s, _ := f.Sums()
		if _, err := s.Check(c.sample, c.fields, nil); (err == nil) != c.ok {
			t.Errorf("sample %d, fields %v: %v", c.sample, c.fields, err)
		}
	}
}

// Goroutines that share a File's checksums look at the same values at once.
func TestSumsConcurrent(t *testing.T) {
	specs, ds := everyKind(200)
	f, err := ffcv.Open(write(t, specs, ds, nil, nil), custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() { // ends with the samples
			defer wg.Done()
			s, err := f.Sums()
			if err != nil {
				t.Error(err)
				return
			}
			var buf []byte
			for i := range f.Len() {
				if buf, err = s.Check(i, nil, buf); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// What is taken over from another file keeps that one's checksums, also of
// bytes that are damaged; single values that are damaged are refused.
func TestSumsTakenOver(t *testing.T) {
	specs := []ffcv.FieldSpec{{"a", fields.Bytes{}}, {"n", fields.Int{}}}
	ds := made{100, func(i int) []any { return []any{slices.Repeat([]byte{byte(i)}, i), i} }, nil}
	for _, plain := range []bool{false, true} {
		path := write(t, specs, ds, &ffcv.Options{Plain: plain}, nil)
		damage(t, path, 30)
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		own, err := f.Specs()
		if err != nil {
			t.Fatal(err)
		}
		whole, to := create(t, own, &ffcv.Options{Base: []ffcv.Base{{File: f}}})
		if err := whole.WriteStream(t.Context(), made{}.stream(), nil); err != nil {
			t.Fatal(err)
		}
		g, err := ffcv.Open(to, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		s, err := g.Sums()
		if err != nil || s == nil {
			t.Fatalf("sums %v, %v", s, err)
		}
		for i := range g.Len() {
			if _, err := s.Check(i, nil, nil); (err != nil) != (i == 30 && !plain) {
				t.Errorf("plain %v, sample %d: %v", plain, i, err)
			}
		}
		single := made{100, func(i int) []any { return []any{&ffcv.Stored{File: f, Sample: i}, i} }, nil}
		w, _ := create(t, own, nil)
		err = w.WriteDataset(t.Context(), single, nil)
		if plain {
			if err != nil {
				t.Error(err)
			}
		} else if err == nil || !strings.Contains(err.Error(), `sample 30`) || !strings.Contains(err.Error(), "checksum 0x") {
			t.Errorf("a damaged value: %v", err)
		}
	}
}

// damage changes the last byte of entry i's region.
func damage(t testing.TB, path string, i int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	e := entries(t, f)[i]
	b[e.Ptr+e.Size-1]++
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// entries is the allocation table.
func entries(t testing.TB, f *ffcv.File) (list []alloc.Entry) {
	t.Helper()
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

package dataset_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// TestCutMember cuts a member short under its map: the error names it and its
// sample.
func TestCutMember(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	wide := func(n int) string {
		return ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "v", Field: fields.NDArray{DType: array.Uint8, Shape: []int{4096}}}, {Name: "b", Field: fields.Bytes{}}}, n,
			func(i int) []any { return []any{bytes.Repeat([]byte{byte(i)}, 4096), []byte("text")} }, nil)
	}
	for _, c := range []struct {
		keep    int64
		outputs []loader.Output
		sample  int // in the member; -1: any
	}{
		{2<<20 + 100*4096, []loader.Output{{Name: "b", Disabled: true}}, -1},
		{2<<20 + 100*4096, []loader.Output{{Name: "v", Disabled: true}}, -1},
		{4096, []loader.Output{{Name: "b", Disabled: true}}, -1}, // rows too
		{4096, nil, -1},
	} {
		one, two := wide(300), wide(300)
		concat := opened(t, nil, one, two)
		settle := leak.Watch(t)
		l, err := loader.New(concat, &loader.Options{BatchSize: 64, Workers: 2, Order: loader.Random, Outputs: c.outputs})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(two, c.keep); err != nil {
			t.Fatal(err)
		}
		err = nil
		for b, e := range l.Epoch(t.Context(), 0) {
			if err = e; err == nil {
				b.Release()
			}
		}
		l.Close()
		var format *ffcv.FormatError
		if !errors.As(err, &format) || format.File != two || format.Sample < 0 || format.Sample >= 300 {
			t.Errorf("cut to %d: %v, want a FormatError of %s", c.keep, err, two)
		}
		refused(t, err, concat.Name(), "sample ")
		settle()
	}
}

// TestCorruptMember: a wrong pointer in a member is an error that names it, in
// every kind of composite, and never shows bytes of another file.
func TestCorruptMember(t *testing.T) {
	good, bad := writeFile(t, 0, 5), writeFile(t, 2, 5)
	data, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	f := ffcvtest.Map(t, bad, nil)
	list := f.Fields()
	row, err := f.Metadata(3)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, row)
	for _, ptr := range []uint64{0, 1 << 20, 5 << 20, 9 << 20, 13 << 20, 1 << 44, math.MaxInt64, math.MaxUint64, math.MaxUint64 - 5<<20} {
		for _, field := range []string{"x", "text", "image"} {
			i := f.FieldIndex(field)
			off := at + list[i].Offset
			if field == "image" {
				off += 5
			}
			broken := slices.Clone(data)
			for k := range 8 {
				broken[off+k] = byte(ptr >> (8 * k))
			}
			for kind, g := range ffcvtest.Open(t, broken, nil) {
				checkCorrupt(t, fmt.Sprintf("%s, %s, pointer %d", kind, field, ptr), good, g, field)
			}
		}
	}
}

// checkCorrupt loads a field of which g's sample 3 is broken.
func checkCorrupt(t *testing.T, what, good string, g *ffcv.File, field string) {
	t.Helper()
	a := ffcvtest.Map(t, good, nil)
	pick := func(ds dataset.Dataset, as string) dataset.Dataset {
		s, err := dataset.NewSelect(ds, dataset.Field{Name: field, As: as})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, how := range []struct {
		name   string
		make   func() (dataset.Dataset, error)
		sample int
		field  string
	}{
		{"concat", func() (dataset.Dataset, error) { return dataset.NewConcat(pick(a, "v"), pick(g, "v"), pick(a, "v")) }, 8, "v"},
		{"join first", func() (dataset.Dataset, error) { return dataset.NewJoin(pick(g, "v"), pick(a, "w")) }, 3, "v"},
		{"join last", func() (dataset.Dataset, error) { return dataset.NewJoin(pick(a, "w"), pick(g, "v")) }, 3, "v"},
		{"subset", func() (dataset.Dataset, error) { return dataset.NewSubset(pick(g, "v"), []int{4, 3}) }, 1, "v"},
	} {
		ds, err := how.make()
		if err != nil {
			t.Fatal(err)
		}
		outputs := []loader.Output{}
		if field == "image" {
			for _, f := range ds.Fields() {
				outputs = append(outputs, loader.Output{Name: f.Name, Decoder: loader.Raw{}})
			}
		}
		l, err := loader.New(ds, &loader.Options{BatchSize: 3, Outputs: outputs, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		err = nil
		for b, e := range l.Epoch(t.Context(), 0) {
			if err = e; err == nil {
				b.Release()
			}
		}
		l.Close()
		if err == nil {
			t.Errorf("%s, %s: no error", what, how.name)
			continue
		}
		if text := err.Error(); !strings.Contains(text, g.Name()) || !strings.Contains(text, "sample 3") {
			t.Errorf("%s, %s: error %q doesn't name sample 3 of %s", what, how.name, text, g.Name())
		}
	}
}

// TestReplacedMember: what is open stays as it was; a new one is another.
func TestReplacedMember(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be replaced on Windows")
	}
	one, two := writeFile(t, 0, 5), writeFile(t, 1, 5)
	concat := opened(t, nil, one, two)
	before, err := concat.Identity()
	if err != nil {
		t.Fatal(err)
	}
	m := modelOf(t, concat.Members()[0].(*ffcv.File))
	n := modelOf(t, concat.Members()[1].(*ffcv.File))
	if err := os.Rename(writeFile(t, 3, 5), two); err != nil {
		t.Fatal(err)
	}
	m.samples = append(m.samples, n.samples...)
	checkEpoch(t, made{ds: concat, model: m}, &loader.Options{BatchSize: 4, Outputs: []loader.Output{{Name: "image", Decoder: loader.Raw{}}}})
	if id, err := concat.Identity(); err != nil || id != before {
		t.Errorf("identity %v (%v), %v before", id, err, before)
	}
	if id, err := opened(t, nil, one, two).Identity(); err != nil || id == before {
		t.Errorf("opened anew the identity is the same: %v, %v", id, err)
	}
}

// TestPolicies: what fails in a member is skipped and told by its file, and Get
// gives samples of any.
func TestPolicies(t *testing.T) {
	good, bad := writeFile(t, 0, 5), writeFile(t, 2, 5)
	data, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	f := ffcvtest.Map(t, bad, nil)
	row, err := f.Metadata(3)
	if err != nil {
		t.Fatal(err)
	}
	off := bytes.Index(data, row) + f.Fields()[f.FieldIndex("x")].Offset
	for k := range 8 {
		data[off+k] = 0xee
	}
	if err := os.WriteFile(bad, data, 0o666); err != nil {
		t.Fatal(err)
	}
	concat := opened(t, nil, good, bad)
	l, err := loader.New(concat, &loader.Options{BatchSize: 5, OnError: loader.Skip, Outputs: []loader.Output{{Name: "image", Disabled: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var ids []int
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, b.Samples()...)
		b.Release()
	}
	if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 7, 9}; !slices.Equal(ids, want) {
		t.Errorf("samples %v, want %v", ids, want)
	}
	b, err := l.Get(t.Context(), 0, []int{9, 0, 5})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	for i, want := range []uint64{2004, 0, 2000} {
		if got := binary.LittleEndian.Uint64(b.Output("id").Value(i)); got != want {
			t.Errorf("row %d is sample %d, want %d", i, got, want)
		}
	}
}

// TestVerify compares samples of composites with the checksums of their files:
// a damaged one is passed over, under whatever numbers it comes.
func TestVerify(t *testing.T) {
	path := func(first int) string {
		return ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "v", Field: fields.NDArray{DType: array.Uint8, Shape: []int{100}}}, {Name: "n", Field: fields.Int{}}}, 50,
			func(i int) []any { return []any{bytes.Repeat([]byte{byte(first + i)}, 100), first + i} }, nil)
	}
	one, two := path(0), path(50)
	b, err := os.ReadFile(two)
	if err != nil {
		t.Fatal(err)
	}
	at := ffcv.HeaderSize + 2*ffcv.DescriptorSize
	b[binary.LittleEndian.Uint64(b[at+7*16:])+3]++ // value "v" of sample 57
	if err := os.WriteFile(two, b, 0o600); err != nil {
		t.Fatal(err)
	}
	concat := opened(t, nil, one, two)
	labels, err := dataset.NewSelect(concat, dataset.Field{Name: "n", As: "label"})
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := dataset.NewSelect(concat, dataset.Field{Name: "v"})
	if err != nil {
		t.Fatal(err)
	}
	join, err := dataset.NewJoin(vectors, labels)
	if err != nil {
		t.Fatal(err)
	}
	few, err := dataset.NewRange(join, 10, 60)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ds  loader.Dataset
		bad []int
	}{"concat": {concat, []int{57}}, "labels": {labels, nil}, "join": {join, []int{57}}, "range": {few, []int{47}}} {
		var bad []int
		l, err := loader.New(c.ds, &loader.Options{BatchSize: 16, Verify: loader.VerifyOnFirstRead, OnError: loader.Skip, ExactlyOnce: true})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range b.Skipped() {
				if !strings.Contains(s.Err.Error(), "checksum 0x") || !strings.Contains(s.Err.Error(), two) {
					t.Errorf("%s: %v", name, s.Err)
				}
				bad = append(bad, s.Sample)
			}
			n += len(b.Samples())
			b.Release()
		}
		l.Close()
		if !slices.Equal(bad, c.bad) || n != c.ds.Len()-len(bad) {
			t.Errorf("%s: %d samples without %v, want without %v", name, n, bad, c.bad)
		}
	}
}

package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestRaggedGolden holds ragged rows of FFCV's files to the padded ones.
func TestRaggedGolden(t *testing.T) {
	for file, field := range map[string]string{"bytes": "", "json": "", "rgb_jpg": "image"} {
		for name, f := range ffcvtest.Open(t, golden.Bytes(file), nil) {
			if field == "" {
				i := slices.IndexFunc(f.Fields(), func(f ffcv.Field) bool { return f.Type == fields.TypeBytes || f.Type == fields.TypeJSON })
				field = f.Fields()[i].Name
			}
			var decoder any
			if file == "rgb_jpg" {
				decoder = loader.Raw{}
			}
			l := newLoader(t, f, &loader.Options{BatchSize: 7, Order: loader.Random, Outputs: []loader.Output{
				{Name: field, Decoder: decoder}, {Name: "ragged", Field: field, Decoder: decoder, Ragged: true}}})
			for b, err := range l.Epoch(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				padded, c := b.Output(field), b.Output("ragged")
				total := 0
				for i := range b.Samples() {
					if !bytes.Equal(c.Value(i), padded.Value(i)) || int(c.Offsets[i]) != total || c.Lengths[i] != padded.Lengths[i] {
						t.Fatalf("%s, %s: row %d at %d: %q, want %q at %d", file, name, i, c.Offsets[i], c.Value(i), padded.Value(i), total)
					}
					if c.Images != nil && c.Images[i] != padded.Images[i] {
						t.Errorf("%s: image %d: %+v", file, i, c.Images[i])
					}
					total += c.Lengths[i]
				}
				if len(c.Data) != total || !slices.Equal(c.Shape, []int{total}) || int(c.Offsets[b.Len()]) != total || len(c.Offsets) != b.Len()+1 || c.Len() != b.Len() {
					t.Errorf("%s: %d bytes, shape %v, offsets %v, want %d", file, len(c.Data), c.Shape, c.Offsets, total)
				}
				b.Release()
			}
		}
	}
}

// tokens is a file of n rows of 0 to 6 pairs of int16.
func tokens(t testing.TB, n int) map[string]*ffcv.File {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "t", Field: fields.Bytes{}}, {Name: "n", Field: fields.Int{}}}, n, func(i int) []any {
		var b []byte
		for k := range i % 7 {
			b = binary.LittleEndian.AppendUint16(b, uint16(i))
			b = binary.LittleEndian.AppendUint16(b, uint16(k))
		}
		return []any{b, i}
	}, nil)
	return map[string]*ffcv.File{"map": ffcvtest.Map(t, path, nil)}
}

// TestItems: rows of typed items, padded and ragged, and their slices.
func TestItems(t *testing.T) {
	f := tokens(t, 50)["map"]
	item := array.Spec{DType: array.Int16, Shape: []int{2}}
	l := newLoader(t, f, &loader.Options{BatchSize: 16, Outputs: []loader.Output{{Name: "t", Item: item}, {Name: "r", Field: "t", Item: item, Ragged: true}}})
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		p, r := b.Output("t"), b.Output("r")
		longest, at := 0, 0
		pairs, flat := view[int16](t, p), view[int16](t, r)
		for _, id := range b.Samples() {
			longest = max(longest, id%7)
		}
		if !slices.Equal(p.Shape, []int{b.Len(), longest, 2}) || p.DType != array.Int16 {
			t.Fatalf("%v %v", p.DType, p.Shape)
		}
		for i, id := range b.Samples() {
			if p.Lengths[i] != id%7 || r.Lengths[i] != id%7 || int(r.Offsets[i]) != at {
				t.Errorf("sample %d: %d and %d items at %d, want %d at %d", id, p.Lengths[i], r.Lengths[i], r.Offsets[i], id%7, at)
			}
			for k := range longest {
				want := [2]int16{int16(id), int16(k)}
				if k >= id%7 {
					want = [2]int16{}
				}
				if got := [2]int16(pairs[2*(i*longest+k):]); got != want {
					t.Errorf("sample %d, item %d: %v, want %v", id, k, got, want)
				}
				if k < id%7 && [2]int16(flat[2*(at+k):]) != want {
					t.Errorf("sample %d, ragged item %d: %v, want %v", id, k, flat[2*(at+k):][:2], want)
				}
			}
			at += id % 7
		}
		for _, c := range b.Outputs() {
			for lo := range b.Len() + 1 {
				s := c.Slice(lo, b.Len())
				if s.Len() != b.Len()-lo {
					t.Errorf("%s: %d rows from %d", c.Name, s.Len(), lo)
				}
				for i := range s.Len() {
					if !bytes.Equal(s.Value(i), c.Value(lo+i)) {
						t.Errorf("%s: row %d from %d: %v, want %v", c.Name, i, lo, s.Value(i), c.Value(lo+i))
					}
				}
			}
		}
		r0, err := l.Replay(b.Samples()[1], 0)
		if err != nil || fmt.Sprint(r0.Outputs[0].Shape, r0.Outputs[2].Shape) != fmt.Sprintf("[%d 2] [%[1]d 2]", b.Samples()[1]%7) {
			t.Errorf("replayed: %+v, %v", r0, err)
		}
		b.Release()
	}
	// Rows of 4 bytes a pair are no whole items of 8.
	_, err := consume(t.Context(), newLoader(t, f, &loader.Options{Outputs: []loader.Output{{Name: "t", Item: array.Spec{DType: array.Int64}}}}), 1)
	var format *ffcv.FormatError
	if !errors.As(err, &format) || format.Sample != 1 || format.Field != "t" {
		t.Errorf("items of 8: %v", err)
	}
	for name, o := range map[string]loader.Output{
		"Ragged":       {Name: "n", Ragged: true},
		"Item":         {Name: "n", Item: item},
		"without a 0":  {Name: "t", Item: array.Spec{DType: array.Int16, Shape: []int{2, 0}}},
		"want a type":  {Name: "t", Item: array.Spec{Shape: []int{2}}},
		"differ in le": {Name: "t", Ragged: true, Ops: []any{widen{}}},
	} {
		if _, err := loader.New(f, &loader.Options{Outputs: []loader.Output{o}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCollate: a batch is finished when Collate sees it, Extra stays with the
// memory, and what it does is there for the consumer.
func TestCollate(t *testing.T) {
	f := numbers(t, 100)["map"]
	defer leak.Watch(t)()
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 3, OnError: loader.Skip,
		Outputs: []loader.Output{{Name: "n", Ops: []any{failsAt([]int{11, 50}, false)}}},
		Collate: func(b *loader.Batch) error {
			sum, _ := b.Extra.(*int)
			if sum == nil {
				sum = new(int)
				b.Extra = sum
			}
			*sum = 0
			for _, v := range view[int64](t, b.Output("n")) {
				*sum += int(v)
			}
			return nil
		}})
	for epoch := range 2 {
		for b, err := range l.Epoch(t.Context(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, id := range b.Samples() {
				want += id
			}
			if got := *b.Extra.(*int); got != want {
				t.Errorf("batch %d: %d, want %d", b.Index(), got, want)
			}
			b.Release()
		}
	}
}

// TestGet: a row is as in the epoch, whatever the samples asked for.
func TestGet(t *testing.T) {
	const n = 400
	sound, damaged, bad := damagedFile(t, n)
	files, f := ffcvtest.Open(t, sound, nil), ffcvtest.Open(t, damaged, nil)["map"]
	defer leak.Watch(t)()
	for name, f := range files {
		for _, ragged := range []bool{false, true} {
			l := newLoader(t, f, &loader.Options{BatchSize: 32, Order: loader.Random, Seed: 3, Outputs: all(ragged)})
			want := map[int]string{}
			for b, err := range l.Epoch(t.Context(), 4) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					want[id] = rowOf(b, i)
				}
				b.Release()
			}
			hold := func(b *loader.Batch, err error, ids []int) {
				t.Helper()
				if err != nil || !slices.Equal(b.Samples(), ids) || b.Index() != 0 {
					t.Fatalf("%s: %v, %v", name, ids, err)
				}
				for i, id := range ids {
					if rowOf(b, i) != want[id] {
						t.Errorf("%s: row %d, sample %d: %s\nwant %s", name, i, id, rowOf(b, i), want[id])
					}
				}
				b.Release()
			}
			for _, ids := range [][]int{{}, {7}, {399, 0, 7, 7, 7, 12}, slices.Concat(ints(100, 400), ints(0, 200))} {
				b, err := l.Get(t.Context(), 4, ids)
				hold(b, err, ids)
			}
			b, err := l.Slice(t.Context(), 4, 37, 141)
			hold(b, err, ints(37, 141))
			b, err = l.Slice(t.Context(), 4, 400, 400)
			hold(b, err, nil)
			for _, ids := range [][]int{{400}, {3, -1}} {
				if _, err := l.Get(t.Context(), 0, ids); err == nil || !strings.Contains(err.Error(), fmt.Sprint(ids[len(ids)-1])) {
					t.Errorf("%v: %v", ids, err)
				}
			}
			if _, err := l.Slice(t.Context(), 0, 5, 4); err == nil {
				t.Error("5 to 4 is no error")
			}
			if _, err := l.Get(t.Context(), -1, nil); err == nil {
				t.Error("epoch -1 is no error")
			}
		}
	}
	l := newLoader(t, f, &loader.Options{OnError: loader.Skip, Outputs: all(true)})
	b, err := l.Get(t.Context(), 0, []int{1, 3, 14, 2})
	if _, is := bad[3]; !is || err != nil || fmt.Sprint(b.Samples()) != "[1 1 1 2]" || len(b.Skipped()) != 2 {
		t.Errorf("%v, %v", b, err)
	}
	b.Release()
	if _, ok := l.Report(0); ok {
		t.Error("Get made a report")
	}
	var e *loader.SampleError
	if b, err := newLoader(t, f, &loader.Options{Outputs: all(true)}).Get(t.Context(), 0, []int{1, 3, 2}); !errors.As(err, &e) || e.Sample != 3 || b != nil {
		t.Errorf("%v, %v", b, err)
	}
}

// BenchmarkGet is one sample of a small table, and a batch.
func BenchmarkGet(b *testing.B) {
	f := numbers(b, 10000)["map"]
	for _, n := range []int{1, 256} {
		b.Run(fmt.Sprintf("samples=%d", n), func(b *testing.B) {
			l := newLoader(b, f, nil)
			for i := range b.N {
				got, err := l.Slice(b.Context(), 0, i%1000, i%1000+n)
				if err != nil {
					b.Fatal(err)
				}
				got.Release()
			}
		})
	}
}

// BenchmarkPolicies is an epoch of a sound file under each policy, and of one
// with ten samples in a hundred broken under Skip.
func BenchmarkPolicies(b *testing.B) {
	const n = 4000
	sound, damaged, bad := damagedFile(b, n)
	whole, broken := ffcvtest.Open(b, sound, nil)["map"], ffcvtest.Open(b, damaged, nil)["map"]
	var list []int
	for id := range bad {
		list = append(list, id)
	}
	for _, c := range []struct {
		name string
		f    *ffcv.File
		o    loader.Options
	}{
		{"fail", whole, loader.Options{}},
		{"skip", whole, loader.Options{OnError: loader.Skip}},
		{"quarantine", whole, loader.Options{Quarantine: list}},
		{"broken", broken, loader.Options{OnError: loader.Skip}},
		{"broken, in quarantine", broken, loader.Options{Quarantine: list}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.o.BatchSize, c.o.Outputs = 256, all(false)
			l := newLoader(b, c.f, &c.o)
			for b.Loop() {
				if _, err := consume(b.Context(), l, math.MaxInt); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/sample")
		})
	}
}

// TestWidth: padded rows have at least so many items, zeros behind a value, and
// more where a batch has longer ones.
func TestWidth(t *testing.T) {
	f := tokens(t, 50)["map"]
	item := array.Spec{DType: array.Int16, Shape: []int{2}}
	for _, width := range []int{0, 1, 6, 9} {
		l := newLoader(t, f, &loader.Options{BatchSize: 16, Order: loader.Random, Outputs: []loader.Output{
			{Name: "t", Width: 4 * width}, {Name: "i", Field: "t", Item: item, Width: width}, {Name: "r", Field: "t", Ragged: true}}})
		for epoch := range 2 { // the second in memory that was used
			for b, err := range l.Epoch(t.Context(), epoch) {
				if err != nil {
					t.Fatal(err)
				}
				bytesOf, items, ragged := b.Output("t"), b.Output("i"), b.Output("r")
				want := max(4*width, slices.Max(ragged.Lengths))
				if got := bytesOf.Shape; !slices.Equal(got, []int{b.Len(), want}) || !slices.Equal(items.Shape, []int{b.Len(), want / 4, 2}) {
					t.Fatalf("width %d: shapes %v, %v, want rows of %d bytes", width, got, items.Shape, want)
				}
				for i := range b.Len() {
					row := make([]byte, want)
					copy(row, ragged.Value(i))
					if got := bytesOf.Data[i*want : (i+1)*want]; !bytes.Equal(got, row) || !bytes.Equal(items.Data[i*want:(i+1)*want], row) {
						t.Fatalf("width %d: row %d: %v, want %v", width, i, got, row)
					}
				}
				b.Release()
			}
		}
	}
	for _, out := range []loader.Output{{Name: "t", Width: -1}, {Name: "t", Width: 8, Ragged: true}, {Name: "n", Width: 8}, {Name: "t", Item: item, Width: math.MaxInt}} {
		if _, err := loader.New(f, &loader.Options{BatchSize: 4, Outputs: []loader.Output{out}}); err == nil || !strings.Contains(err.Error(), "Width") {
			t.Errorf("%+v: %v", out, err)
		}
	}
}

package alloc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/alloc"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestEntry(t *testing.T) {
	e := alloc.Entry{Sample: 0x0102030405060708, Ptr: math.MaxUint64, Size: 3}
	got := make([]byte, alloc.EntrySize+1)
	e.Put(got)
	var want bytes.Buffer // the second opinion
	if err := binary.Write(&want, binary.LittleEndian, e); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:alloc.EntrySize], want.Bytes()) || got[alloc.EntrySize] != 0 {
		t.Errorf("got % x, want % x", got, want.Bytes())
	}
	if back := alloc.EntryAt(got); back != e {
		t.Errorf("got %+v, want %+v", back, e)
	}
	if short := alloc.EntryAt(got[:alloc.EntrySize-1]); short != (alloc.Entry{}) {
		t.Errorf("from 23 bytes: %+v", short)
	}
}

func encode(entries []alloc.Entry) []byte {
	b := make([]byte, len(entries)*alloc.EntrySize)
	for i, e := range entries {
		e.Put(b[i*alloc.EntrySize:])
	}
	return b
}

// memory reads a table by borrowing, count counts.
func memory(b []byte, count *atomic.Int64) func(off, n int64, buf []byte) ([]byte, error) {
	return func(off, n int64, buf []byte) ([]byte, error) {
		if int64(len(buf)) != n || off < 0 || n < 0 || off > int64(len(b)) || n > int64(len(b))-off {
			return nil, fmt.Errorf("read of %d bytes at %d of %d into %d", n, off, len(b), len(buf))
		}
		if count != nil {
			count.Add(n)
		}
		return b[off:][:n], nil
	}
}

// readerAt reads a table by filling.
func readerAt(r io.ReaderAt) func(off, n int64, buf []byte) ([]byte, error) {
	return func(off, n int64, buf []byte) ([]byte, error) {
		_, err := r.ReadAt(buf, off)
		return buf, err
	}
}

// naive is the look-up without any index.
func naive(entries []alloc.Entry, perSample, sample, j int, ptr uint64) (size uint64, ok bool) {
	if at := sample*perSample + j; sample <= len(entries) && j < perSample && at < len(entries) {
		if e := entries[at]; e.Sample == uint64(sample) && e.Ptr == ptr {
			return e.Size, true
		}
	}
	var mine []alloc.Entry
	together, ordered, last := true, true, -1
	for i, e := range entries {
		if e.Sample != uint64(sample) {
			continue
		}
		if n := len(mine); n > 0 {
			together = together && last == i-1
			ordered = ordered && e.Ptr >= mine[n-1].Ptr+mine[n-1].Size
		}
		mine, last = append(mine, e), i
	}
	if together && ordered && len(mine) == perSample && j < len(mine) && mine[j].Ptr == ptr {
		return mine[j].Size, true
	}
	for _, e := range mine {
		if e.Ptr == ptr && (!ok || size == 0) {
			size, ok = e.Size, true
		}
	}
	return size, ok
}

func dense(samples, perSample int) []alloc.Entry {
	var entries []alloc.Entry
	ptr := uint64(4096)
	for i := range samples {
		for j := range perSample {
			e := alloc.Entry{Sample: uint64(i), Ptr: ptr, Size: uint64(1 + (i*7+j*3)%50)}
			entries = append(entries, e)
			ptr += e.Size
		}
	}
	return entries
}

// reorder gives the tables that other writers may leave.
func reorder(entries []alloc.Entry, perSample int) map[string][]alloc.Entry {
	n := len(entries) / perSample
	rows := func(order []int) []alloc.Entry {
		var out []alloc.Entry
		for _, i := range order {
			out = append(out, entries[i*perSample:(i+1)*perSample]...)
		}
		return out
	}
	var workers [3][]int
	for i := range n {
		w := (i / 10 * 7) % 3
		workers[w] = append(workers[w], i)
	}
	var columns []alloc.Entry
	for j := range perSample {
		for i := range n {
			columns = append(columns, entries[i*perSample+j])
		}
	}
	shuffled := slices.Clone(entries)
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	reversed := slices.Clone(entries)
	slices.Reverse(reversed)
	return map[string][]alloc.Entry{
		"in order":          entries,
		"three workers":     rows(slices.Concat(workers[2], workers[0], workers[1])),
		"columns":           columns,
		"shuffled":          shuffled,
		"reversed":          reversed,
		"one entry missing": slices.Delete(slices.Clone(entries), len(entries)/2, len(entries)/2+1),
		"written twice":     slices.Concat(entries[len(entries)/2/perSample*perSample:], entries),
		"a sample in two":   slices.Concat(entries[1:], entries[:1]),
	}
}

func TestTableSize(t *testing.T) {
	for _, perSample := range []int{1, 3} {
		entries := dense(200, perSample)
		for name, table := range reorder(entries, perSample) {
			for _, known := range []int{perSample, 0, perSample + 1} {
				tab := alloc.NewTable(readerAt(bytes.NewReader(encode(table))), int64(len(table)), known)
				for _, e := range table {
					j := slices.Index(entries, e) % perSample
					size, ok, err := tab.Size(int(e.Sample), j, e.Ptr)
					if err != nil || !ok || size != int64(e.Size) {
						t.Fatalf("%d a sample (told %d), %s, %+v: got %d, %v, %v", perSample, known, name, e, size, ok, err)
					}
				}
				for _, miss := range []struct {
					sample, j int
					ptr       uint64
				}{{0, 0, 1}, {0, 1, 0}, {200, 0, 4096}, {math.MaxInt, 0, 4096}, {-1, 0, 4096}, {0, -1, 4096}, {1, 0, 4096}, {0, math.MaxInt, 1}} {
					if size, ok, err := tab.Size(miss.sample, miss.j, miss.ptr); err != nil || ok || size != 0 {
						t.Errorf("%d a sample, %s, %+v: got %d, %v, %v; want nothing", perSample, name, miss, size, ok, err)
					}
				}
			}
		}
	}
}

// TestTableShared: FFCV gives an empty value the pointer of what comes next.
func TestTableShared(t *testing.T) {
	group := func(sample uint64) []alloc.Entry {
		at := 1000 * (sample + 1)
		return []alloc.Entry{{sample, at, 0}, {sample, at, 9}, {sample, at + 9, 0}}
	}
	want := []int64{0, 9, 0}
	inOrder := slices.Concat(group(0), group(1), group(2))
	foreign := slices.Concat(group(2), group(0), group(1))
	for name, table := range map[string][]alloc.Entry{"in order": inOrder, "two workers": foreign} {
		tab := alloc.NewTable(memory(encode(table), nil), int64(len(table)), 3)
		for _, e := range []struct{ sample, j, ptr int }{{0, 0, 1000}, {0, 1, 1000}, {0, 2, 1009}, {1, 0, 2000}, {1, 1, 2000}, {2, 1, 3000}, {2, 2, 3009}} {
			size, ok, err := tab.Size(e.sample, e.j, uint64(e.ptr))
			if err != nil || !ok || size != want[e.j] {
				t.Errorf("%s, %+v: got %d, %v, %v; want %d", name, e, size, ok, err, want[e.j])
			}
		}
	}
	// Where positions can't be told the value with bytes counts.
	slices.Reverse(foreign)
	tab := alloc.NewTable(memory(encode(foreign), nil), int64(len(foreign)), 3)
	if size, ok, err := tab.Size(0, 1, 1000); err != nil || !ok || size != 9 {
		t.Errorf("reversed: got %d, %v, %v; want 9", size, ok, err)
	}
}

func TestTableSizeTooLarge(t *testing.T) {
	table := []alloc.Entry{{0, 10, 1 << 63}, {2, 10, math.MaxUint64}, {1, math.MaxUint64, math.MaxUint64}}
	tab := alloc.NewTable(memory(encode(table), nil), 3, 1)
	for _, e := range table {
		if size, ok, err := tab.Size(int(e.Sample), 0, e.Ptr); err == nil || ok || size != 0 {
			t.Errorf("%+v: got %d, %v, %v; want an error", e, size, ok, err)
		}
	}
}

// TestTableInOrderReadsLittle: our own tables are never read as a whole.
func TestTableInOrderReadsLittle(t *testing.T) {
	entries := dense(10_000, 2)
	var read atomic.Int64
	tab := alloc.NewTable(memory(encode(entries), &read), int64(len(entries)), 2)
	if read.Load() != 0 {
		t.Errorf("NewTable read %d bytes", read.Load())
	}
	for i := 0; i < len(entries); i += 1000 {
		e := entries[i]
		if size, ok, err := tab.Size(int(e.Sample), i%2, e.Ptr); err != nil || !ok || size != int64(e.Size) {
			t.Fatalf("%+v: got %d, %v, %v", e, size, ok, err)
		}
	}
	if got, want := read.Load(), int64(20*alloc.EntrySize); got != want {
		t.Errorf("20 look-ups read %d bytes, want %d", got, want)
	}
}

func TestTableErrors(t *testing.T) {
	entries := reorder(dense(100, 2), 2)["three workers"]
	b := encode(entries)
	broken := errors.New("the line is dead")
	var fail atomic.Bool
	fail.Store(true)
	tab := alloc.NewTable(func(off, n int64, buf []byte) ([]byte, error) {
		if fail.Load() {
			return nil, broken
		}
		return b[off:][:n], nil
	}, int64(len(entries)), 2)
	e := entries[0]
	for range 2 {
		if _, ok, err := tab.Size(int(e.Sample), 0, e.Ptr); !errors.Is(err, broken) || ok {
			t.Errorf("Size = %v, %v", ok, err)
		}
	}
	n := 0
	for _, err := range tab.Entries() {
		if n++; !errors.Is(err, broken) {
			t.Errorf("Entries: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("Entries yielded %d pairs", n)
	}
	fail.Store(false) // a failure is not for ever
	if size, ok, err := tab.Size(int(e.Sample), 0, e.Ptr); err != nil || !ok || size != int64(e.Size) {
		t.Errorf("afterwards: %d, %v, %v", size, ok, err)
	}
	// A table that ends early, at every byte.
	for cut := range len(b[:5*alloc.EntrySize]) {
		tab := alloc.NewTable(readerAt(bytes.NewReader(b[:cut])), 5, 2)
		if _, ok, err := tab.Size(7, 1, 1); err == nil || ok {
			t.Errorf("cut at %d: %v, %v", cut, ok, err)
		}
	}
	short := alloc.NewTable(func(off, n int64, buf []byte) ([]byte, error) { return buf[:n-1], nil }, 5, 1)
	if _, err := short.At(0); err == nil || !strings.Contains(err.Error(), "got 23 bytes, want 24") {
		t.Errorf("a short read: %v", err)
	}
	for _, i := range []int64{-1, 5, math.MaxInt64, math.MinInt64} {
		if _, err := short.At(i); err == nil {
			t.Errorf("At(%d): no error", i)
		}
	}
}

func TestTableEntries(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 9000} {
		want := dense(n, 1)
		tab := alloc.NewTable(readerAt(bytes.NewReader(encode(want))), int64(n), 1)
		var got []alloc.Entry
		for e, err := range tab.Entries() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
		}
		if !slices.Equal(got, want) || tab.Len() != int64(n) {
			t.Errorf("%d entries: got %d", n, len(got))
		}
		for range tab.Entries() {
			break
		}
	}
	for _, n := range []int64{-1, math.MinInt64} {
		if got := alloc.NewTable(nil, n, 1).Len(); got != 0 {
			t.Errorf("%d entries: Len = %d", n, got)
		}
	}
}

func TestTableConcurrent(t *testing.T) {
	entries := reorder(dense(2000, 2), 2)["three workers"]
	tab := alloc.NewTable(readerAt(bytes.NewReader(encode(entries))), int64(len(entries)), 2)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() { // ends with the table
			defer wg.Done()
			for i := w; i < len(entries); i += 8 {
				e := entries[i]
				if size, ok, err := tab.Size(int(e.Sample), i%2, e.Ptr); err != nil || !ok || size != int64(e.Size) {
					t.Errorf("%+v: got %d, %v, %v", e, size, ok, err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

// table returns the allocation table of a golden file and how many entries a
// sample has.
func table(g *golden.File) (table []byte, perSample int) {
	if n := g.Header.NumSamples; n > 0 {
		perSample = int(g.AllocCount) / int(n)
	}
	return g.Bytes()[g.Header.AllocTablePtr:], perSample
}

func TestTableGoldens(t *testing.T) {
	several := 0
	for _, g := range golden.Each() {
		b, perSample := table(g)
		if int64(len(b)) != g.AllocCount*alloc.EntrySize {
			t.Errorf("%s: table of %d bytes, manifest says %d entries", g.Name, len(b), g.AllocCount)
			continue
		}
		tab := alloc.NewTable(readerAt(bytes.NewReader(b)), g.AllocCount, perSample)
		for i, want := range g.AllocFirst {
			if e, err := tab.At(int64(i)); err != nil || [3]uint64{e.Sample, e.Ptr, e.Size} != want {
				t.Errorf("%s: entry %d is %+v, %v; want %d", g.Name, i, e, err, want)
			}
		}
		for i, want := range g.AllocLast {
			if e, err := tab.At(g.AllocCount - int64(len(g.AllocLast)-i)); err != nil || [3]uint64{e.Sample, e.Ptr, e.Size} != want {
				t.Errorf("%s: entry %d from the end is %+v, %v; want %d", g.Name, len(g.AllocLast)-i, e, err, want)
			}
		}
		if g.Workers > 1 {
			several++
		}
		// FFCV writes a sample's entries together, in field order.
		seen := map[uint64]int{}
		for e, err := range tab.Entries() {
			if err != nil {
				t.Fatal(err)
			}
			j := seen[e.Sample]
			seen[e.Sample]++
			size, ok, err := tab.Size(int(e.Sample), j, e.Ptr)
			if err != nil || !ok || uint64(size) != e.Size {
				t.Errorf("%s: region %d of sample %d at %d: got %d, %v, %v; want %d", g.Name, j, e.Sample, e.Ptr, size, ok, err, e.Size)
			}
			if want, known := regionSize(g, int(e.Sample), j); known && uint64(want) != e.Size {
				t.Errorf("%s: region %d of sample %d: table says %d, manifest %d", g.Name, j, e.Sample, e.Size, want)
			}
		}
	}
	if several == 0 {
		t.Error("no golden file of several workers")
	}
}

// regionSize is what the manifest says of region j of a sample.
func regionSize(g *golden.File, sample, j int) (size int64, known bool) {
	for _, f := range g.Fields {
		if f.Kind == "int" || f.Kind == "float" || f.Kind == "custom" {
			continue
		}
		if j--; j >= 0 {
			continue
		}
		switch f.Kind {
		case "rgb":
			return f.DataSize[sample], true
		case "bytes":
			return f.Size[sample], true
		case "json":
			return int64(len(f.Text[sample])) + 1, true
		}
		return 0, false
	}
	return 0, false
}

// FuzzTable looks regions up in hostile tables and compares with a plain scan.
func FuzzTable(f *testing.F) {
	for _, g := range golden.Each() {
		b, perSample := table(g)
		f.Add(b[:min(len(b), 4096)], uint8(perSample), uint8(3), uint8(0))
	}
	f.Add(encode([]alloc.Entry{{math.MaxUint64, 0, 1}, {0, 0, 1}, {1, 5, 1}, {2, 5, 1}, {3, 5, 1}}), uint8(1), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, table []byte, perSample, sample, j uint8) {
		table = table[:min(len(table), 1<<16)/alloc.EntrySize*alloc.EntrySize]
		var entries []alloc.Entry
		for i := 0; i < len(table); i += alloc.EntrySize {
			e := alloc.EntryAt(table[i:])
			if e.Sample%2 == 0 {
				e.Sample %= 64 // so that samples meet
				e.Put(table[i:])
			}
			entries = append(entries, e)
		}
		tab := alloc.NewTable(memory(table, nil), int64(len(entries)), int(perSample%8))
		check := func(sample, j int, ptr uint64) {
			want, wantOK := naive(entries, int(perSample%8), sample, j, ptr)
			size, ok, err := tab.Size(sample, j, ptr)
			if wantOK && want > math.MaxInt64 {
				if err == nil || ok {
					t.Fatalf("Size(%d, %d, %d) = %d, %v, %v; want an error", sample, j, ptr, size, ok, err)
				}
			} else if err != nil || ok != wantOK || uint64(size) != want {
				t.Fatalf("Size(%d, %d, %d) = %d, %v, %v; want %d, %v", sample, j, ptr, size, ok, err, want, wantOK)
			}
		}
		check(int(sample), int(j), 0)
		for i, e := range entries[:min(len(entries), 100)] {
			if e.Sample <= math.MaxInt64 {
				check(int(e.Sample), i%8, e.Ptr)
				check(int(e.Sample), int(j%8), e.Ptr)
			}
			check(int(sample), int(j%8), e.Ptr)
		}
	})
}

func BenchmarkTableSize(b *testing.B) {
	entries := dense(100_000, 2)
	for _, name := range []string{"in order", "three workers", "shuffled"} {
		table := reorder(entries, 2)[name]
		b.Run("table="+strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			tab := alloc.NewTable(memory(encode(table), nil), int64(len(table)), 2)
			if _, _, err := tab.Size(0, 0, 1); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				k := i * 7919 % len(entries)
				e := entries[k]
				if _, ok, err := tab.Size(int(e.Sample), k%2, e.Ptr); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

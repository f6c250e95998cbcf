package ffcv_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// flawed says whether Open or Verify finds the file wrong, and fails when that
// is another kind of error than they promise.
func flawed(t testing.TB, src ffcv.Source, opts *ffcv.OpenOptions) bool {
	t.Helper()
	f, err := ffcv.New(src, opts)
	if err == nil {
		if err = f.Verify(context.Background(), nil); err == nil {
			return false
		}
	}
	if e, u := new(ffcv.FormatError), new(ffcv.UnsupportedError); !errors.As(err, &e) && !errors.As(err, &u) {
		t.Fatalf("%T: %v", err, err)
	}
	return true
}

// lengths are the places to cut a file at: all of them up to 8 KiB after the
// metadata and in the table, and those around each page's end.
func lengths(m *golden.File) []int64 {
	size, table, page := m.Size, int64(m.Header.AllocTablePtr), int64(m.Header.PageSize)
	end := m.MetadataStart + int64(m.SampleItemsize)*int64(m.Header.NumSamples)
	var list []int64
	add := func(lo, hi int64) {
		for n := max(lo, 0); n < min(hi, size); n++ {
			list = append(list, n)
		}
	}
	add(0, end+8<<10)
	for p := page; p < table; p += page {
		add(p-2, p+3)
	}
	add(table-100, size)
	slices.Sort(list)
	return slices.Compact(list)
}

func TestTruncation(t *testing.T) {
	for _, m := range golden.Each() {
		if m.Name == "ndarray_zero_dim" {
			continue // never sound
		}
		b := m.Bytes()
		opts := ffcvtest.Options(m)
		if flawed(t, ffcvtest.Lend(b), opts) {
			t.Fatalf("%s is flawed when whole", m.Name)
		}
		list := lengths(m)
		for i := 0; i < len(list); i += race.Step(13) {
			n := list[i]
			if !flawed(t, ffcvtest.Lend(b[:n]), opts) {
				t.Errorf("%s is sound when cut to %d of %d bytes", m.Name, n, m.Size)
			}
		}
		for _, n := range []int64{23, 24, 1065, m.MetadataStart + 1, int64(m.Header.AllocTablePtr), m.Size - 1} {
			if n < m.Size && !flawed(t, ffcv.ReaderAtSource("cut", bytes.NewReader(b[:n]), n), opts) {
				t.Errorf("%s is sound through a reader when cut to %d bytes", m.Name, n)
			}
		}
	}
}

// A source that says more than it has: a file cut short after it was opened.
func TestShortReads(t *testing.T) {
	for _, name := range []string{"mixed", "rgb_raw", "ints_floats"} {
		m := golden.Open(name)
		b := m.Bytes()
		rng := rand.New(rand.NewPCG(1, 2))
		for range 100 {
			n := rng.Int64N(m.Size)
			if n > m.Size/2 {
				n = m.Size - rng.Int64N(2000) - 1
			}
			if !flawed(t, ffcv.ReaderAtSource("short", bytes.NewReader(b[:n]), m.Size), ffcvtest.Options(m)) {
				t.Errorf("%s is sound with %d of %d bytes", name, n, m.Size)
			}
		}
	}
}

// Verify of a mapped file that is cut short meanwhile returns an error instead
// of ending the program.
func TestCutUnderMap(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system may refuse to cut a mapped file")
	}
	for _, name := range []string{"rgb_raw", "bytes_page_edges"} {
		b := golden.Bytes(name)
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, n := range []int64{3 << 20, 1 << 20, 0} {
			if err := os.Truncate(path, n); err != nil {
				t.Fatal(err)
			}
			var e *ffcv.FormatError
			if err := f.Verify(context.Background(), func(*ffcv.FormatError) {}); !errors.As(err, &e) {
				t.Errorf("%s cut to %d: %v", name, n, err)
			}
		}
	}
}

// Every byte of header, descriptors, metadata and table flipped: an error or
// other values, never a panic, and never bytes outside the file.
func TestFlippedBytes(t *testing.T) {
	for _, name := range []string{"u1_then_i8", "ints_3_fields", "bytes_zero_first", "ndarray_bigendian", "rgb_tiny_odd_jpg", "subset"} {
		m := golden.Open(name)
		b := m.Bytes()
		opts := ffcvtest.Options(m)
		table := int64(m.Header.AllocTablePtr)
		end := m.MetadataStart + int64(m.SampleItemsize)*int64(m.Header.NumSamples)
		for i := int64(0); i < m.Size; i++ {
			if i == end {
				i = table
			}
			if in := (i - 24) % ffcv.DescriptorSize; i >= 24 && i < m.MetadataStart && in > 300 && in%50 != 0 {
				continue // arguments that nobody uses
			}
			for _, x := range []byte{0x01, 0x80, 0xff} {
				b[i] ^= x
				if f, err := ffcv.New(ffcvtest.Lend(b), opts); err == nil {
					touch(f)
				}
				b[i] ^= x
				if i > 24 && i < m.MetadataStart {
					break // one flip for each of the many argument bytes
				}
			}
		}
		if golden.Sum(b) != m.SHA256 {
			t.Errorf("%s changed", name)
		}
	}
}

// touch uses all of a File that a flaw may have reached.
func touch(f *ffcv.File) {
	for i := range min(f.Len(), 3) {
		for k := range f.Fields() {
			f.Value(i, k)
			f.Int(i, k)
			f.BytesValue(i, k)
			f.Image(i, k)
			f.Marks(i, k, nil)
		}
		f.Key(i)
	}
	f.Sections()
	f.Classes()
	f.Verify(context.Background(), func(*ffcv.FormatError) {})
}

// Map and reader agree on everything, from many goroutines at once.
func TestSourcesAgree(t *testing.T) {
	for _, name := range []string{"mixed_w4", "rgb_bytes"} {
		m, files := golden.Open(name), ffcvtest.Golden(t, name)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Add(1)
			go func() { // ends after its samples; waited for below
				defer wg.Done()
				rng := rand.New(rand.NewPCG(uint64(worker), 0))
				for range 200 {
					i, k := rng.IntN(files["map"].Len()), rng.IntN(len(m.Fields))
					for kind, f := range files {
						if err := checkValue(f, i, k, &m.Fields[k]); err != nil {
							t.Errorf("%s, %s: sample %d, field %d: %v", name, kind, i, k, err)
						}
					}
				}
			}()
		}
		for _, f := range files {
			if err := f.Verify(context.Background(), nil); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
	}
}

// counter counts what is read.
type counter struct {
	io.ReaderAt
	reads, bytes int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.reads++
	c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

// Open reads the header, the descriptors and the place of a trailer, whatever
// the number of samples.
func TestOpenReadsLittle(t *testing.T) {
	for _, name := range []string{"ints_floats", "cifar_like", "bytes_page16m"} {
		b := golden.Bytes(name)
		c := &counter{ReaderAt: bytes.NewReader(b)}
		f, err := ffcv.New(ffcv.ReaderAtSource(name, c, int64(len(b))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if most := ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + 64; c.bytes > most || c.reads > 3 {
			t.Errorf("%s: %d bytes in %d reads, want at most %d in 3", name, c.bytes, c.reads, most)
		}
	}
}

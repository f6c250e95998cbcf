package ffcv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestTenThousandOpens opens and closes files in every way, whole and damaged
// ones, on several goroutines: nothing stays open or mapped.
func TestTenThousandOpens(t *testing.T) {
	count := 10000
	if testing.Short() {
		count = 1000
	}
	dir := t.TempDir()
	whole, cut, none := filepath.Join(dir, "whole"), filepath.Join(dir, "cut"), filepath.Join(dir, "none")
	b := golden.Bytes("ints_floats")
	if err := errors.Join(os.WriteFile(whole, b, 0o666), os.WriteFile(cut, b[:len(b)/2], 0o666)); err != nil {
		t.Fatal(err)
	}
	settle := leak.Held(t)
	var opened, refused atomic.Int64
	leak.Side(8, func(k int) {
		for i := k; i < count; i += 8 {
			opts := []*ffcv.OpenOptions{nil, {Memory: 1 << 20}}[i%2]
			f, err := ffcv.Open([]string{whole, whole, whole, whole, whole, whole, cut, none}[i%8], opts)
			if err != nil {
				refused.Add(1)
				continue
			}
			opened.Add(1)
			if _, err := f.Int(i%f.Len(), 0); err != nil && i < 8 {
				t.Log(err)
			}
			if err := errors.Join(f.Close(), f.Close()); err != nil {
				t.Error(err)
			}
		}
	})
	settle()
	if o, r := opened.Load(), refused.Load(); o != int64(count*6/8) || r != int64(count*2/8) {
		t.Errorf("%d opened and %d refused of %d", o, r, count)
	}
}

// TestSharedFile has 256 goroutines read all values of one File, mapped and
// through a cache: they get what one alone gets.
func TestSharedFile(t *testing.T) {
	path := ffcvtest.Unpack(t, "bytes")
	settle := leak.Held(t)
	for _, opts := range []*ffcv.OpenOptions{nil, {Memory: 1 << 20}} {
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		samples := min(f.Len(), 8)
		all := func(from int) []string {
			list := make([]string, samples)
			for j := range samples {
				i := (from + j) % samples
				var text strings.Builder
				for k := range f.Fields() {
					v, err := f.Value(i, k)
					fmt.Fprintf(&text, "%v %v;", v, err)
				}
				key, err := f.Key(i)
				fmt.Fprint(&text, key, err)
				list[i] = text.String()
			}
			return list
		}
		want := all(0)
		leak.Side(256, func(i int) {
			if i%16 == 0 {
				n := 0
				for range f.Entries() {
					n++
				}
				if int64(n) != f.NumEntries() {
					t.Errorf("%d entries of %d", n, f.NumEntries())
				}
			}
			if got := all(i); !slices.Equal(got, want) {
				t.Errorf("goroutine %d read others", i)
			}
		})
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	settle()
}

// TestVerifySideBySide has a hundred readers verify one file with damaged
// pages: all find the same flaws.
func TestVerifySideBySide(t *testing.T) {
	count := 100
	if testing.Short() {
		count = 16
	}
	b := bytes.Clone(golden.Bytes("bytes"))
	whole, err := ffcv.New(ffcv.ReaderAtSource("golden", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := ffcv.HeaderSize + len(whole.Fields())*ffcv.DescriptorSize
	for i := 0; i < whole.Len(); i += 5 {
		for k := range whole.RowSize() {
			b[rows+i*whole.RowSize()+k] ^= 0x55
		}
	}
	path := filepath.Join(t.TempDir(), "damaged.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	settle := leak.Held(t)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	flaws := func() string {
		var text strings.Builder
		if err := f.Verify(t.Context(), func(flaw *ffcv.FormatError) { fmt.Fprintln(&text, flaw) }); err == nil {
			t.Error("sound")
		}
		return text.String()
	}
	want := flaws()
	if want == "" {
		t.Fatal("no flaws")
	}
	leak.Side(count, func(i int) {
		if got := flaws(); got != want {
			t.Errorf("reader %d finds\n%s\nwant\n%s", i, got, want)
		}
	})
	f.Close()
	settle()
}

// TestReplaced: who has a file open reads that one to the end, whatever is put
// in its place, by another process, or taken away meanwhile.
func TestReplaced(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be replaced on Windows")
	}
	path := filepath.Join(t.TempDir(), "x.beton")
	for _, opts := range []*ffcv.OpenOptions{nil, {Memory: 1 << 20}} {
		if err := os.WriteFile(path, golden.Bytes("bytes"), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		other := path + ".new"
		if err := errors.Join(os.WriteFile(other, golden.Bytes("ints_floats"), 0o666), exec.Command("mv", "-f", other, path).Run()); err != nil {
			t.Fatal(err)
		}
		compare := func(when string) {
			t.Helper()
			want, err := ffcv.New(ffcv.ReaderAtSource("golden", bytes.NewReader(golden.Bytes("bytes")), int64(len(golden.Bytes("bytes")))), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want.Len() {
				for k := range want.Fields() {
					a, err1 := f.Value(i, k)
					b, err2 := want.Value(i, k)
					if !reflect.DeepEqual(a, b) || err1 != nil || err2 != nil {
						t.Fatalf("%s, sample %d, field %d: other values, %v, %v", when, i, k, err1, err2)
					}
				}
			}
		}
		compare("replaced")
		g, err := ffcv.Open(path, opts)
		if err != nil || g.Len() == f.Len() {
			t.Errorf("the new one: %v", err)
		} else {
			g.Close()
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		compare("removed")
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// flaky is a file on a disk, or behind a network, with faults.
type flaky struct {
	*bytes.Reader
	reads atomic.Int64
	fault func(n int64, p []byte, off int64) (int, error, bool) // false: none
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if n, err, ok := f.fault(f.reads.Add(1), p, off); ok {
		return n, err
	}
	return f.Reader.ReadAt(p, off)
}

// TestFaultySource reads everything of a file, of which one read after the
// other fails, by errors and by reads that end early: the error names file and
// byte, wraps its cause, and the next read is whole.
func TestFaultySource(t *testing.T) {
	content := golden.Bytes("bytes")
	for _, tt := range []struct {
		name  string
		fault func(p []byte, off int64) (int, error)
		want  error
	}{
		{"EIO", func([]byte, int64) (int, error) { return 0, syscall.EIO }, syscall.EIO},
		{"EINTR", func([]byte, int64) (int, error) { return 0, syscall.EINTR }, syscall.EINTR},
		{"short with EIO", func(p []byte, off int64) (int, error) { n := copy(p[:len(p)/2], content[off:]); return n, syscall.EIO }, syscall.EIO},
		{"short", func(p []byte, off int64) (int, error) { n := copy(p[:len(p)/2], content[off:]); return n, nil }, io.ErrUnexpectedEOF},
		{"nothing", func([]byte, int64) (int, error) { return 0, nil }, io.ErrUnexpectedEOF},
		{"an early end", func([]byte, int64) (int, error) { return 0, io.EOF }, io.ErrUnexpectedEOF},
	} {
		for _, cached := range []bool{false, true} {
			open := func(fail int64) (*ffcv.File, *flaky, error) {
				src := &flaky{Reader: bytes.NewReader(content), fault: func(n int64, p []byte, off int64) (int, error, bool) {
					if n != fail || len(p) == 0 {
						return 0, nil, false
					}
					got, err := tt.fault(p, off)
					return got, err, true
				}}
				s := ffcv.ReaderAtSource("disk.beton", src, int64(len(content)))
				if cached {
					var err error
					if s, err = ffcv.CacheSource("disk.beton", src, int64(len(content)), 1<<20); err != nil {
						t.Fatal(err)
					}
				}
				f, err := ffcv.New(s, nil)
				if err != nil {
					s.Close()
				}
				return f, src, err
			}
			check := func(fail int64, err error) {
				t.Helper()
				var flaw *ffcv.FormatError
				if !errors.As(err, &flaw) || flaw.File != "disk.beton" || flaw.Offset < 0 || !errors.Is(err, tt.want) {
					t.Errorf("%s, cached %v, read %d: %v (%+v)", tt.name, cached, fail, err, flaw)
				}
			}
			total := int64(1)
			for fail := int64(1); fail <= total; fail++ {
				f, src, err := open(fail)
				if err != nil {
					check(fail, err)
					total = max(total, fail+1)
					continue
				}
				for i := 0; i < f.Len(); i += 7 {
					for k := range f.Fields() {
						before := src.reads.Load()
						if _, err := f.Value(i, k); err != nil {
							check(fail, err)
							if _, err := f.Value(i, k); err != nil {
								t.Errorf("%s, cached %v, read %d: once more: %v", tt.name, cached, fail, err)
							}
						} else if now := src.reads.Load(); before < fail && now >= fail && !cached {
							t.Errorf("%s: read %d failed, and nobody said so", tt.name, fail)
						}
					}
				}
				total = min(src.reads.Load(), 60)
				f.Close()
			}
		}
	}
}

package ffcv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

const sector = 512

// tornDisk is a file on a disk that loses its power: what was written since the
// last sync is there in part, in sectors.
type tornDisk struct {
	now     []byte // what a reader sees
	durable []byte
	pending []func(b []byte, rng *rand.Rand) []byte
	left    int   // operations until it stops, -1 never
	fail    error // with which it stops: an error, not a crash
	short   bool  // of a write half is done
	ops     int
}

var errCrash = errors.New("crash")

func newTornDisk(b []byte) *tornDisk {
	return &tornDisk{now: slices.Clone(b), durable: slices.Clone(b), left: -1}
}

func (d *tornDisk) step() bool {
	d.ops++
	if d.left == 0 {
		return false
	}
	if d.left > 0 {
		d.left--
	}
	return true
}

func (d *tornDisk) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(d.now).ReadAt(p, off)
}

func (d *tornDisk) WriteAt(p []byte, off int64) (int, error) {
	if !d.step() {
		switch {
		case d.fail == nil:
			d.queue(p, off) // the crash comes while it is written
			return 0, errCrash
		case d.short:
			d.left = -1
			d.queue(p[:len(p)/2], off)
			d.now = put(d.now, p[:len(p)/2], off)
			return len(p) / 2, d.fail
		}
		d.left = -1
		return 0, d.fail
	}
	d.queue(p, off)
	d.now = put(d.now, p, off)
	return len(p), nil
}

// queue notes a write of which any sectors may reach the disk.
func (d *tornDisk) queue(p []byte, off int64) {
	p = slices.Clone(p)
	d.pending = append(d.pending, func(b []byte, rng *rand.Rand) []byte {
		mode := rng.IntN(4) // none, all, some, all up to some place
		cut := rng.IntN(len(p) + 1)
		for at := 0; at < len(p); {
			n := min(len(p)-at, sector-int(off+int64(at))%sector)
			if mode == 1 || mode == 2 && rng.IntN(2) == 0 || mode == 3 && at+n <= cut {
				b = put(b, p[at:at+n], off+int64(at))
			}
			at += n
		}
		if rng.IntN(3) == 0 { // the length comes before the bytes
			b = put(b, nil, off+int64(rng.IntN(len(p)+1)))
		}
		return b
	})
}

func put(b, p []byte, off int64) []byte {
	if n := off + int64(len(p)); n > int64(len(b)) {
		b = append(b, make([]byte, n-int64(len(b)))...)
	}
	copy(b[off:], p)
	return b
}

func (d *tornDisk) Truncate(size int64) error {
	if !d.step() {
		if d.fail == nil {
			return errCrash
		}
		d.left = -1
		return d.fail
	}
	d.pending = append(d.pending, func(b []byte, rng *rand.Rand) []byte {
		if rng.IntN(2) == 0 && int64(len(b)) > size {
			b = b[:size]
		}
		return b
	})
	d.now = d.now[:min(size, int64(len(d.now)))]
	return nil
}

func (d *tornDisk) Sync() error {
	if !d.step() {
		if d.fail == nil {
			return errCrash
		}
		d.left = -1
		return d.fail
	}
	d.durable, d.pending = slices.Clone(d.now), nil
	return nil
}

func (d *tornDisk) Close() error { return nil }

// after is what the disk has when the machine starts again.
func (d *tornDisk) after(rng *rand.Rand) []byte {
	b := slices.Clone(d.durable)
	for _, w := range d.pending {
		b = w(b, rng)
	}
	return b
}

// sealable is a file that the tests seal.
type sealable struct {
	name string
	b    []byte
	opts *OpenOptions
}

func (s *sealable) open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := New(ReaderAtSource(s.name, bytes.NewReader(b), int64(len(b))), s.opts)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return f
}

// sealables are files by FFCV, with custom fields and without, with a table in
// any order and without one, and files of this package.
func sealables(t testing.TB) (list []sealable) {
	t.Helper()
	for _, name := range []string{"mixed", "mixed_w4", "rgb_jpg", "ints_floats", "bytes_zero_first", "json", "one_sample"} {
		g := golden.Open(name)
		custom := map[string]fields.Field{}
		for name, dtype := range g.Custom() {
			custom[name] = fields.Opaque{DType: dtype}
		}
		list = append(list, sealable{name, g.Bytes(), &OpenOptions{Custom: custom}})
	}
	specs := []FieldSpec{{"image", fields.RGBImage{}}, {"n", fields.Int{}}, {"pic", fields.Image{Channels: 1}}, {"text", fields.Bytes{}}}
	photo := fields.Path(filepath.Join("..", "testdata", "photos", "animal", "chelsea_1.jpg"))
	for name, o := range map[string]*Options{
		"plain": {Plain: true},
		"named": {Classes: []string{"a", "b"}, Sections: []NewSection{{Tag: 'w' | 'x'<<8 | 'y'<<16 | 'z'<<24, Data: []byte("kept")}}},
	} {
		path := filepath.Join(t.TempDir(), name)
		o.PageSize = MinPageSize
		if name == "named" {
			specs[0].Field = fields.RGBImage{NoCheckpoints: true}
		}
		w, err := Create(path, specs, o)
		if err != nil {
			t.Fatal(err)
		}
		err = w.WriteStream(t.Context(), func(yield func(Sample, error) bool) {
			for i := range 9 {
				gray := rgb.Raster{Width: 3, Height: 2, Channels: 1, Depth: 1, Pix: []byte{1, 2, 3, 4, 5, byte(i)}}
				if !yield(Sample{Values: []any{photo, i, gray, bytes.Repeat([]byte{byte(i)}, i)}, Key: fmt.Sprint("key", i)}, nil) {
					return
				}
			}
		}, &StreamOptions{Reserve: 9})
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sealable{name, b, nil})
	}
	return list
}

// contents are all values of a file, its names and classes.
func contents(t testing.TB, f *File) (list []any) {
	t.Helper()
	for i := range f.Len() {
		for k := range f.fields {
			v, err := f.Value(i, k)
			if x, ok := v.(float64); ok {
				v = math.Float64bits(x) // of any NaN too
			}
			list = append(list, v, err != nil)
		}
		key, err := f.Key(i)
		list = append(list, key, err != nil)
	}
	return append(list, f.Classes())
}

// seal seals a file in memory and returns the disk that it is on.
func (s *sealable) seal(t testing.TB, d *tornDisk) error {
	t.Helper()
	f := s.open(t, s.b)
	defer f.Close()
	dir := t.TempDir()
	f.src.(*readerSource).name = filepath.Join(dir, s.name) // where temporary files go
	_, err := sealInPlace(t.Context(), f, d, InPlaceOptions{Workers: 2})
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s: left %v", s.name, left)
	}
	return err
}

// A file is sealed in place: its bytes stay but for the pointer, it is sound, its
// values are as they were, and all of it is under checksums.
func TestSealInPlace(t *testing.T) {
	for _, s := range sealables(t) {
		d := newTornDisk(s.b)
		if err := s.seal(t, d); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if !bytes.Equal(d.now, d.durable) {
			t.Errorf("%s: not synced", s.name)
		}
		if b := slices.Clone(d.now[:len(s.b)]); !bytes.Equal(append(b[:16:16], s.b[16:24]...), s.b[:24]) || !bytes.Equal(b[24:], s.b[24:]) {
			t.Errorf("%s: more than the pointer was changed", s.name)
		}
		old, f := s.open(t, s.b), s.open(t, d.now)
		if err := f.Verify(t.Context(), func(e *FormatError) { t.Error(e) }); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if !reflect.DeepEqual(contents(t, f), contents(t, old)) {
			t.Errorf("%s: other values", s.name)
		}
		if s, err := f.Sums(); s == nil || err != nil {
			t.Errorf("%s: sums %v, %v", old.Name(), s, err)
		}
		first, n := f.Pages()
		if oldFirst, oldN := old.Pages(); first != oldFirst || n != oldN {
			t.Errorf("%s: %d pages from %d, want %d from %d", s.name, n, first, oldN, oldFirst)
		}
		if f.LacksMarks() && s.name != "mixed" && s.name != "mixed_w4" {
			t.Errorf("%s: lacks marks", s.name)
		}
		// Sealed files keep what they have when they are sealed once more.
		again := sealable{s.name, d.now, s.opts}
		if err := again.seal(t, newTornDisk(d.now)); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: sealed twice: %v", s.name, err)
		}
	}
}

// Checkpoints can be added to a file that was sealed in place without.
func TestSealInPlaceTwice(t *testing.T) {
	s := sealables(t)[2]
	d := newTornDisk(s.b)
	f := s.open(t, s.b)
	f.src.(*readerSource).name = filepath.Join(t.TempDir(), "x")
	if _, err := sealInPlace(t.Context(), f, d, InPlaceOptions{NoCheckpoints: true}); err != nil {
		t.Fatal(err)
	}
	twice := sealable{s.name, d.now, s.opts}
	if err := twice.seal(t, d); err != nil {
		t.Fatal(err)
	}
	g := s.open(t, d.now)
	if err := g.Verify(t.Context(), func(e *FormatError) { t.Error(e) }); err != nil || g.LacksMarks() {
		t.Errorf("%v, lacks marks: %v", err, g.LacksMarks())
	}
	if !reflect.DeepEqual(contents(t, g), contents(t, f)) {
		t.Error("other values")
	}
	_, n := g.Pages()
	if _, want := f.Pages(); n != want {
		t.Errorf("%d pages, want %d", n, want)
	}
}

// stopped holds a file that sealing left behind to what is promised, and has it
// finished or taken back.
func (s *sealable) stopped(t *testing.T, b, sealed []byte, want []any, at string) {
	t.Helper()
	f := s.open(t, b)
	if !reflect.DeepEqual(contents(t, f), want) {
		t.Fatalf("%s, %s: other values", s.name, at)
	}
	whole := bytes.Equal(b, s.b) || bytes.Equal(b, sealed)
	err := f.Verify(t.Context(), nil)
	if (err == nil) != whole {
		t.Fatalf("%s, %s: %d bytes, verify: %v", s.name, at, len(b), err)
	}
	if (f.Unfinished() != nil) == whole {
		t.Fatalf("%s, %s: %d bytes, unfinished: %v", s.name, at, len(b), f.Unfinished())
	}
	d := newTornDisk(b)
	done, err := finishSeal(t.Context(), f, d)
	if err != nil {
		t.Fatalf("%s, %s: %v", s.name, at, err)
	}
	if !bytes.Equal(d.now, d.durable) || !bytes.Equal(d.now, s.b) && !bytes.Equal(d.now, sealed) {
		t.Fatalf("%s, %s: repaired (%v): neither the file before nor the sealed one", s.name, at, done)
	}
	if (done == SealNothing) != whole {
		t.Errorf("%s, %s: outcome %v", s.name, at, done)
	}
}

// The machine stops at every write, sync and cut, with any part of what was not
// synced on the disk: no sample is ever lost, and what is repaired is the file
// before or the sealed one, to the byte.
func TestSealInPlaceCrash(t *testing.T) {
	rounds := race.Fewer(40, 1)
	if testing.Short() {
		rounds = min(rounds, 4)
	}
	rng := rand.New(rand.NewPCG(7, 9))
	for _, s := range sealables(t) {
		whole := newTornDisk(s.b)
		if err := s.seal(t, whole); err != nil {
			t.Fatal(err)
		}
		want := contents(t, s.open(t, s.b))
		for at := range whole.ops {
			d := newTornDisk(s.b)
			d.left = at
			if err := s.seal(t, d); err == nil {
				t.Fatalf("%s: no error of a crash at operation %d", s.name, at)
			}
			n := rounds
			if len(s.b) > 6<<20 {
				n = min(n, 4)
			}
			for range n {
				s.stopped(t, d.after(rng), whole.now, want, fmt.Sprintf("stopped at operation %d", at))
			}
			s.stopped(t, d.now, whole.now, want, fmt.Sprintf("killed at operation %d", at))
		}
	}
}

// It stops again while it is repaired.
func TestFinishSealCrash(t *testing.T) {
	rounds := race.Fewer(10, 1)
	if testing.Short() {
		rounds = min(rounds, 2)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	s := sealables(t)[1]
	whole := newTornDisk(s.b)
	if err := s.seal(t, whole); err != nil {
		t.Fatal(err)
	}
	want := contents(t, s.open(t, s.b))
	for at := range whole.ops {
		d := newTornDisk(s.b)
		d.left = at
		if err := s.seal(t, d); err == nil {
			t.Fatal("no crash")
		}
		for range rounds {
			left := d.after(rng)
			for again := range 3 {
				r := newTornDisk(left)
				r.left = again
				if _, err := finishSeal(t.Context(), s.open(t, left), r); err != nil {
					s.stopped(t, r.after(rng), whole.now, want, fmt.Sprintf("stopped at operation %d, then at %d of the repair", at, again))
				}
			}
		}
	}
}

// A disk that is full or broken at any moment: the file is as it was, or the
// error says that it wants a repair, which then makes it whole.
func TestSealInPlaceFailing(t *testing.T) {
	s := sealables(t)[0]
	whole := newTornDisk(s.b)
	if err := s.seal(t, whole); err != nil {
		t.Fatal(err)
	}
	want := contents(t, s.open(t, s.b))
	for _, fail := range []error{syscall.ENOSPC, syscall.EIO, syscall.EINTR, io.ErrShortWrite} {
		for _, short := range []bool{false, true} {
			for at := range whole.ops {
				d := newTornDisk(s.b)
				d.left, d.fail, d.short = at, fail, short
				err := s.seal(t, d)
				if !errors.Is(err, fail) {
					t.Fatalf("operation %d: %v, want %v", at, err, fail)
				}
				if errors.Is(err, ErrUnfinishedSeal) {
					s.stopped(t, d.now, whole.now, want, fmt.Sprintf("%v at operation %d", fail, at))
				} else if !bytes.Equal(d.now, s.b) || !bytes.Equal(d.durable, s.b) {
					t.Errorf("%v at operation %d (%v): the file was changed", fail, at, err)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, d := s.open(t, s.b), newTornDisk(s.b)
	f.src.(*readerSource).name = filepath.Join(t.TempDir(), "x")
	if _, err := sealInPlace(ctx, f, d, InPlaceOptions{}); !errors.Is(err, context.Canceled) || d.ops > 0 {
		t.Errorf("canceled: %v, %d operations", err, d.ops)
	}
}

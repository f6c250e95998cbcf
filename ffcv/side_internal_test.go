package ffcv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
)

// sideBytes is a side file of n samples with entries of several fields, and the
// values and marks that it was made of.
func sideBytes(t testing.TB, n int, list ...int) (b []byte, of Identity, values, marks [][]byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		v := make([]byte, 100+rng.IntN(900))
		for k := range v {
			v[k] = byte(rng.Uint32())
		}
		values = append(values, v)
		marks = append(marks, bytes.Clone(v[:rng.IntN(4)*(i%3)]))
	}
	of = Identity{Size: 12345, Samples: n, Sum: 77}
	path := filepath.Join(t.TempDir(), "x.marks")
	err := UpdateMarks(t.Context(), path, of, list, func(i, _ int) []byte {
		if i%5 == 4 {
			return nil
		}
		return AppendMarksEntry(nil, values[i], marks[i])
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return b, of, values, marks
}

// sideOf is a MarksFile without a map.
func sideOf(b []byte, of Identity) (*MarksFile, error) {
	list, err := parseSide(b, of)
	return &MarksFile{list: list}, err
}

// Whatever bytes are cut off or flipped, marks are those of the value or none.
func TestSideDamage(t *testing.T) {
	b, of, values, marks := sideBytes(t, 40, 3, 1)
	check := func(what string, b []byte, at int) (known int) {
		t.Helper()
		m, err := sideOf(b, of)
		if err != nil {
			if !errors.Is(err, ErrStale) && !errors.Is(err, ErrUnsupported) && at >= 8 {
				t.Fatalf("%s %d: %v", what, at, err)
			}
			return 0
		}
		for i, v := range values {
			for _, k := range []int{0, 1, 3} {
				got, ok := m.Marks(i, k, v)
				if !ok {
					continue
				}
				known++
				if i%5 == 4 || !bytes.Equal(got, marks[i]) {
					t.Fatalf("%s %d: sample %d of field %d has %x, want %x", what, at, i, k, got, marks[i])
				}
			}
		}
		return known
	}
	if n := check("whole", b, len(b)); n != 64 {
		t.Fatalf("%d entries are known, want 64", n)
	}
	for n := range b {
		if check("cut at", b[:n], n) > 0 {
			t.Fatalf("cut at %d: accepted", n)
		}
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[n] ^= 1 << bit
			check("flipped at", bad, n)
		}
	}
	if check("longer", append(slices.Clone(b), 0), len(b)) > 0 {
		t.Error("a byte more: accepted")
	}
	// Other values have no marks.
	m, err := sideOf(b, of)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		for _, other := range [][]byte{nil, v[1:], v[:len(v)-1], append(bytes.Clone(v), 0), values[(i+1)%len(values)]} {
			if got, known := m.Marks(i, 1, other); known {
				t.Fatalf("sample %d: marks %x for a value that they are not of", i, got)
			}
		}
	}
	for _, c := range [][2]int{{-1, 1}, {40, 1}, {0, -1}, {0, 2}, {0, 1 << 40}} {
		if _, known := m.Marks(c[0], c[1], values[0]); known {
			t.Errorf("sample %d of field %d is known", c[0], c[1])
		}
	}
	if n := testing.AllocsPerRun(100, func() { m.Marks(7, 1, values[7]) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A side file of another dataset, of a newer version, or none.
func TestSideRefused(t *testing.T) {
	b, of, _, _ := sideBytes(t, 3, 0)
	for _, other := range []Identity{{of.Size + 1, of.Samples, of.Sum}, {of.Size, of.Samples + 1, of.Sum}, {of.Size, of.Samples, of.Sum ^ 1}} {
		if _, err := parseSide(b, other); !errors.Is(err, ErrStale) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	newer := bytes.Clone(b)
	newer[8] = 2
	sealHeader(newer)
	if _, err := parseSide(newer, of); !errors.Is(err, ErrUnsupported) || errors.Is(err, ErrStale) {
		t.Errorf("newer: %v", err)
	}
	for _, none := range [][]byte{nil, []byte("photo"), make([]byte, 100)} {
		if _, err := parseSide(none, of); err == nil || errors.Is(err, ErrStale) || errors.Is(err, ErrUnsupported) {
			t.Errorf("%.10q: %v", none, err)
		}
	}
	// Those two are never replaced.
	for _, text := range [][]byte{newer, []byte("photo"), {}} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := CheckMarksTarget(path); err == nil {
			t.Errorf("%.10q may be replaced", text)
		}
		if err := UpdateMarks(t.Context(), path, of, []int{0}, func(_, _ int) []byte { return nil }); err == nil {
			t.Errorf("%.10q was replaced", text)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%.10q became %.10q, %v", text, got, err)
		}
	}
}

// sealHeader puts the right sum on a header that was changed.
func sealHeader(b []byte) {
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// Room for every length, up to where it is enough: what stood there stays, and
// nothing is left beside it.
func TestSideDiskFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.marks")
	old, _, values, _ := sideBytes(t, 7, 0)
	of := Identity{Size: 1, Samples: len(values)}
	attempt := func(set func(*faultyFile)) error {
		w, err := newSideWriter(path, of)
		if err != nil {
			t.Fatal(err)
		}
		f := &faultyFile{File: w.part.file.(*os.File)}
		set(f)
		w.part.file = f
		err = func() error {
			if err := w.begin(0); err != nil {
				return err
			}
			for _, v := range values {
				if err := w.add(AppendMarksEntry(nil, v, v)); err != nil {
					return err
				}
			}
			return w.finish()
		}()
		if err != nil {
			return errors.Join(err, w.discard())
		}
		return w.part.commit(w.target, true)
	}
	if err := os.WriteFile(path, old, 0o666); err != nil {
		t.Fatal(err)
	}
	unchanged := func() {
		t.Helper()
		got, err := os.ReadFile(path)
		list, dirErr := os.ReadDir(dir)
		if err != nil || dirErr != nil || !bytes.Equal(got, old) || len(list) != 1 {
			t.Fatalf("%d bytes of %d, %d files (%v, %v)", len(got), len(old), len(list), err, dirErr)
		}
	}
	if err := attempt(func(f *faultyFile) { f.syncErr = fs.ErrInvalid }); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a failed sync: %v", err)
	}
	unchanged()
	for room := int64(0); ; room += 97 {
		left := new(atomic.Int64)
		left.Store(room)
		err := attempt(func(f *faultyFile) { f.room = left })
		if err == nil {
			if room < 1000 {
				t.Errorf("done with room for %d bytes", room)
			}
			break
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("room for %d bytes: %v", room, err)
		}
		unchanged()
	}
}

func FuzzSide(f *testing.F) {
	b, of, values, marks := sideBytes(f, 9, 0, 2)
	f.Add(b)
	f.Add(b[:sideHeaderSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= sideHeaderSize { // past the checks that no fuzzer passes
			b = bytes.Clone(b)
			sideHeader{length: uint64(len(b)), of: of}.put(b)
		}
		m, err := sideOf(b, of)
		if err != nil {
			return
		}
		for i, v := range values {
			for k := range 3 {
				if got, known := m.Marks(i, k, v); known && !bytes.Equal(got, marks[i]) {
					t.Errorf("sample %d of field %d: marks %x, want %x", i, k, got, marks[i])
				}
			}
		}
	})
}

func BenchmarkSideMarks(b *testing.B) {
	of := Identity{Samples: 1}
	value, marks := make([]byte, 40_000), make([]byte, 320)
	path := filepath.Join(b.TempDir(), "x.marks")
	if err := UpdateMarks(b.Context(), path, of, []int{0}, func(_, _ int) []byte { return AppendMarksEntry(nil, value, marks) }); err != nil {
		b.Fatal(err)
	}
	m, err := OpenMarks(path, of)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for b.Loop() {
		if _, known := m.Marks(0, 0, value); !known {
			b.Fatal("not known")
		}
	}
}

package ffcv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// FuzzTail appends any bytes to a file: what it holds is read as before, or it
// is refused, and what FinishSeal makes of it is one of the two files.
func FuzzTail(f *testing.F) {
	whole := golden.Bytes("one_sample")
	path := filepath.Join(f.TempDir(), "x")
	if err := os.WriteFile(path, whole, 0o666); err != nil {
		f.Fatal(err)
	}
	if _, err := SealInPlace(f.Context(), path, nil); err != nil {
		f.Fatal(err)
	}
	sealed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	s := sealable{"x", whole, nil}
	want := contents(f, s.open(f, whole))
	for _, n := range []int{0, 1, 7, 80, 100, 300, len(sealed) - len(whole)} {
		f.Add(sealed[len(whole):][:min(n, len(sealed)-len(whole))])
	}
	f.Add(make([]byte, 90))
	f.Fuzz(func(t *testing.T, tail []byte) {
		b := append(bytes.Clone(whole), tail...)
		g, err := New(ReaderAtSource("x", bytes.NewReader(b), int64(len(b))), nil)
		if err != nil {
			t.Fatal(err) // the table is whole
		}
		if !reflect.DeepEqual(contents(t, g), want) {
			t.Fatal("other values")
		}
		if err := g.Verify(t.Context(), nil); (err == nil) != (len(tail) == 0) {
			t.Fatalf("%d bytes behind the table: %v", len(tail), err)
		}
		d := newTornDisk(b)
		done, err := finishSeal(t.Context(), g, d)
		switch {
		case err != nil:
			t.Fatal(err)
		case done == SealNothing && !bytes.Equal(d.now, b), done == SealTakenBack && !bytes.Equal(d.now, whole), done == SealFinished && !bytes.Equal(d.now, sealed):
			t.Fatalf("outcome %v: another file", done)
		}
	})
}

// FuzzExamine damages a file with checksums anywhere: what Examine says is whole
// is what was written.
func FuzzExamine(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x")
	specs := []FieldSpec{{"n", fields.Int{}}, {"text", fields.Bytes{}}, {"doc", fields.JSON{}}}
	w, err := Create(path, specs, &Options{PageSize: MinPageSize, Classes: []string{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	err = w.WriteStream(f.Context(), func(yield func(Sample, error) bool) {
		for i := range 300 {
			if !yield(Sample{Values: []any{i, bytes.Repeat([]byte{byte(i)}, i%20), i}, Key: string(rune('a' + i%26))}, nil) {
				return
			}
		}
	}, &StreamOptions{Reserve: 300})
	if err = errors.Join(err, w.Close()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	s := sealable{"x", whole, nil}
	old := s.open(f, whole)
	n := len(specs)*2 + 2
	want := contents(f, old)
	meta, pages, table := uint32(old.meta), uint32(old.pages), uint32(old.header.AllocTable)
	for _, at := range []uint32{0, 8, 16, 30, meta, meta + 40, meta + 9000, pages, pages + 100, uint32(old.ext.off), uint32(old.ext.off) + 20, table - 64, table - 3, table, table + 100, uint32(len(whole) - 1)} {
		f.Add(at, []byte{1, 2, 3}, uint16(0))
		f.Add(at, []byte{0, 0, 0xff}, uint16(50))
	}
	f.Fuzz(func(t *testing.T, at uint32, change []byte, cut uint16) {
		b := bytes.Clone(whole)
		for i, c := range change {
			b[(uint64(at)+uint64(i))%uint64(len(b))] ^= c
		}
		b = b[:len(b)-int(cut)]
		x, err := examine(t.Context(), ReaderAtSource("x", bytes.NewReader(b), int64(len(b))), nil, nil)
		if err != nil {
			return
		}
		if (x.Flaws == 0) != bytes.Equal(b, whole) && meansSomething(old, at, change) {
			t.Fatalf("%d flaws", x.Flaws)
		}
		if !x.Checked {
			return // nothing to hold it to
		}
		if x.File.Len() != old.Len() {
			t.Fatalf("%d samples", x.File.Len())
		}
		lost := map[int]bool{}
		for _, d := range x.Damaged {
			lost[d.Sample] = true
		}
		got := contents(t, x.File)
		for i := range old.Len() {
			if !lost[i] && !reflect.DeepEqual(got[i*n:][:n-2], want[i*n:][:n-2]) {
				t.Fatalf("sample %d: %v, want %v", i, got[i*n:][:n], want[i*n:][:n])
			}
		}
	})
}

// meansSomething says whether a change is not in padding: of the pages all is
// taken for that here.
func meansSomething(f *File, at uint32, change []byte) bool {
	if len(change) == 0 || len(change) > 8 || binary.LittleEndian.Uint64(append(change[:len(change):len(change)], make([]byte, 8)...)) == 0 {
		return false
	}
	end := f.meta + int64(f.Len())*int64(f.row)
	return int64(at)+8 < end || int64(at) >= f.ext.off && int64(at)+8 < int64(f.header.AllocTable)
}

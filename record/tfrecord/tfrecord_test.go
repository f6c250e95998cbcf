package tfrecord_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/betongo/betongo/record/tfrecord"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../testdata/records/tfrecord/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scan returns the records of a file.
func scan(b []byte) (list [][]byte, err error) {
	err = tfrecord.Scan(bytes.NewReader(b), int64(len(b)), func(off, n int64) error {
		p, err := tfrecord.Payload(b[off : off+tfrecord.HeaderSize+n+tfrecord.FooterSize])
		list = append(list, p)
		return err
	})
	return list, err
}

// TestGolden reads what TensorFlow wrote.
func TestGolden(t *testing.T) {
	var truth []struct {
		SHA256, Key string
		Label       int64
	}
	if err := json.Unmarshal(golden(t, "truth.json"), &truth); err != nil {
		t.Fatal(err)
	}
	b := golden(t, "plain.tfrecord")
	list, err := scan(b)
	if err != nil || len(list) != len(truth) {
		t.Fatalf("%v: %d records", err, len(list))
	}
	var again []byte
	for i, p := range list {
		again = tfrecord.Append(again, p)
		e, err := tfrecord.Parse(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(e.Feature("image/encoded").Bytes[0])); got != truth[i].SHA256 {
			t.Errorf("record %d: image %s", i, got)
		}
		if got := e.Feature("image/class/label").Ints; !slices.Equal(got, []int64{truth[i].Label}) {
			t.Errorf("record %d: label %d", i, got)
		}
		if got := e.Feature("count").Ints; !slices.Equal(got, []int64{int64(-i)}) {
			t.Errorf("record %d: count %d", i, got)
		}
		if got := e.Feature("vector").Floats; !slices.Equal(got, []float32{float32(i), 1, 2, 3}) {
			t.Errorf("record %d: vector %v", i, got)
		}
		if f := e.Feature("boxes"); f.Len() != i || f.Kind != tfrecord.Floats && i > 0 {
			t.Errorf("record %d: %v of %d boxes", i, f.Kind, f.Len())
		}
		if len(e.Features) != 10 || e.Feature("none") != nil || e.List("none") != nil {
			t.Errorf("record %d: %d features", i, len(e.Features))
		}
		one, err := tfrecord.Parse(p, func(name string) bool { return name == "count" })
		if err != nil || len(one.Features) != 1 || one.Features[0].Name != "count" {
			t.Errorf("%v: %v", err, one)
		}
	}
	if !bytes.Equal(again, b) {
		t.Error("records that are written again differ")
	}
	list, err = scan(golden(t, "sequence.tfrecord"))
	if err != nil || len(list) != 3 {
		t.Fatalf("%v: %d records", err, len(list))
	}
	for i, p := range list {
		e, err := tfrecord.Parse(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		steps := e.List("steps")
		if e.Feature("id").Ints[0] != int64(i) || len(steps.List) != i+1 || !slices.Equal(steps.List[i].Ints, []int64{0, 1, 2}[:i]) {
			t.Errorf("record %d: %+v", i, steps)
		}
	}
}

// TestMessages are ways to write a message that TensorFlow doesn't choose.
func TestMessages(t *testing.T) {
	field := func(id byte, b ...byte) []byte { return append([]byte{id<<3 | 2, byte(len(b))}, b...) }
	feature := func(name string, value ...byte) []byte {
		return field(1, append(field(1, []byte(name)...), field(2, value...)...)...)
	}
	floats := append(field(2, 0x0d, 0, 0, 0x80, 0x3f), field(2, 0x0a, 4, 0, 0, 0, 0x40)...) // one by one, and packed
	ints := field(3, 0x08, 0x05, 0x0a, 11, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)
	b := field(1, append(feature("f", floats...), feature("i", field(3, 0x08, 9)...)...)...)
	b = append(b, field(1, feature("i", ints...)...)...) // goes on with the first
	b = append(b, 0x79, 1, 2, 3, 4, 5, 6, 7, 8)          // field 15, unknown
	e, err := tfrecord.Parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Feature("f").Floats; !slices.Equal(got, []float32{1, 2}) {
		t.Errorf("got %v", got)
	}
	if got := e.Feature("i").Ints; len(e.Features) != 2 || !slices.Equal(got, []int64{5, 1, -1}) {
		t.Errorf("got %v of %d", got, len(e.Features))
	}
	for name, b := range map[string][]byte{
		"no field":        {0x02, 0},
		"group":           {0x0b},
		"cut":             {0x0a, 5, 1},
		"large":           {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"endless":         bytes.Repeat([]byte{0x80}, 11),
		"three bytes":     field(1, feature("f", field(2, 0x0a, 3, 0, 0, 0)...)...),
		"cut number":      field(1, feature("i", field(3, 0x0a, 1, 0x80)...)...),
		"name":            field(1, feature("\xff")...),
		"a fixed, cut":    {0x0d, 1},
		"in feature list": field(2, feature("x", field(1, 0x0b)...)...),
	} {
		if e, err := tfrecord.Parse(b, nil); err == nil || e != nil {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
}

// TestTruncated cuts a file at every byte.
func TestTruncated(t *testing.T) {
	b := golden(t, "sequence.tfrecord")
	ends := map[int]bool{0: true}
	at := 0
	for _, p := range must(scan(b)) {
		at += tfrecord.HeaderSize + len(p) + tfrecord.FooterSize
		ends[at] = true
	}
	for n := range b {
		if _, err := scan(b[:n]); (err == nil) != ends[n] || err != nil && !errors.As(err, new(*tfrecord.FormatError)) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		// Of a stream nobody knows the size.
		records := 0
		err := tfrecord.Scan(stream(b[:n]), -1, func(int64, int64) error { records++; return nil })
		if (err == nil) != ends[n] {
			t.Fatalf("%d bytes of a stream, %d records: %v", n, records, err)
		}
	}
	for _, p := range must(scan(b)) {
		for n := range p {
			_, _ = tfrecord.Parse(p[:n], nil)
		}
	}
}

// stream is a file of which nobody knows the size.
type stream []byte

func (s stream) ReadAt(p []byte, off int64) (int, error) {
	if off > int64(len(s)) {
		return 0, io.ErrUnexpectedEOF
	}
	return bytes.NewReader(s).ReadAt(p, off)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestBytesChanged: of a file with any other byte, something is told, with its
// place.
func TestBytesChanged(t *testing.T) {
	b := golden(t, "sequence.tfrecord")
	for i := range b {
		b[i] ^= 0x10
		if _, err := scan(b); err == nil {
			t.Fatalf("byte %d: no error", i)
		}
		b[i] ^= 0x10
	}
	b[12] ^= 1
	if _, err := tfrecord.Payload(b[:tfrecord.HeaderSize+tfrecord.FooterSize+int(must(tfrecord.Length(b)))]); err == nil {
		t.Error("no error")
	}
	for n, want := range map[uint64]bool{math.MaxInt32: true, math.MaxInt32 + 1: false, math.MaxUint64: false} {
		head := tfrecord.Append(nil, nil)[:8]
		for k := range head {
			head[k] = byte(n >> (8 * k))
		}
		head = append(head, tfrecord.Append(nil, head)[20:24]...) // whose sum is that of its bytes
		if _, err := tfrecord.Length(head); (err == nil) != want {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(golden(f, "sequence.tfrecord"))
	f.Add(tfrecord.Append(tfrecord.Append(nil, nil), []byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := scan(b)
		if err != nil {
			return
		}
		var again []byte
		for _, p := range list {
			again = tfrecord.Append(again, p)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("got %x, want %x", again, b)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"plain.tfrecord", "sequence.tfrecord"} {
		for _, p := range must(scan(golden(f, name))) {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := tfrecord.Parse(b, nil)
		if err != nil && e != nil {
			t.Error("an example beside an error")
		}
		if err != nil {
			return
		}
		for i, n := range e.Features {
			if e.Feature(n.Name) != &e.Features[i].Feature {
				t.Errorf("feature %q isn't found", n.Name)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	p := must(scan(golden(b, "plain.tfrecord")))[9]
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tfrecord.Parse(p, nil); err != nil {
			b.Fatal(err)
		}
	}
}

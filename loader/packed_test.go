package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
)

// packedFile is a file of n samples with the same values plain and packed. Of the
// packed ones some are stored compressed, some as they are.
func packedFile(t testing.TB, n int) []byte {
	words := array.Spec{DType: array.Int32, Shape: []int{6, 50}}
	specs := []ffcv.FieldSpec{
		{Name: "id", Field: fields.Int{}},
		{Name: "text", Field: fields.Bytes{}}, {Name: "text_lz4", Field: fields.LZ4{Of: fields.Bytes{}}},
		{Name: "doc", Field: fields.JSON{}}, {Name: "doc_lz4", Field: fields.LZ4{Of: fields.JSON{}}},
		{Name: "words", Field: fields.NDArray{DType: words.DType, Shape: words.Shape}},
		{Name: "words_lz4", Field: fields.LZ4{Of: fields.NDArray{DType: words.DType, Shape: words.Shape}}},
	}
	path := ffcvtest.Write(t, specs, n, func(i int) []any {
		rng := rand.New(rand.NewPCG(3, uint64(i)))
		size := []int{0, 60, 400, 1000, 4000, 9000}[i%6]
		text := make([]byte, size)
		for k := range text {
			if text[k] = byte(rng.Uint32()); i%4 > 0 {
				text[k] %= byte(1 + i%4) // noise in a quarter of the samples
			}
		}
		doc := json.RawMessage(`{"n": ` + strconv.Itoa(i) + `, "text": "` + strings.Repeat("word ", i%70) + `"}`)
		tokens := make([]byte, 6*50*4)
		for k := range 6 * 50 {
			v := rng.Uint32()
			if i%5 > 0 {
				v %= 3000
			}
			binary.LittleEndian.PutUint32(tokens[4*k:], v)
		}
		a := array.Array{Spec: words, Data: tokens}
		return []any{i, text, text, doc, doc, a, a}
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPacked: packed fields come as their plain ones do, in every form of rows,
// by every order and source.
func TestPacked(t *testing.T) {
	files := ffcvtest.Open(t, packedFile(t, 100), nil)
	if r := stored(t, files["map"], "text_lz4"); r[0] == 0 || r[1] == 0 {
		t.Fatalf("%v values are plain and compressed", r)
	}
	item := array.Spec{DType: array.Uint16, Shape: []int{10}}
	boxed := func(name string) []loader.Output {
		return []loader.Output{
			{Name: "item" + name, Field: "text" + name, Item: item}, {Name: "ragged items" + name, Field: "text" + name, Item: item, Ragged: true},
			{Name: "ragged doc" + name, Field: "doc" + name, Ragged: true}, {Name: "wide" + name, Field: "doc" + name, Width: 700},
			{Name: "wider" + name, Field: "words" + name, Ops: []any{widen{}}},
		}
	}
	outputs := append(boxed(""), boxed("_lz4")...)
	for name, f := range files {
		for _, order := range []loader.Order{loader.Sequential, loader.Random} {
			l := newLoader(t, f, &loader.Options{BatchSize: 16, Order: order, Workers: 3, Outputs: outputs})
			samples := 0
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				samplePacked(t, name, b)
				samples += b.Len()
				b.Release()
			}
			if samples != 100 {
				t.Errorf("%s: %d samples", name, samples)
			}
			b, err := l.Get(t.Context(), 0, []int{99, 4, 4, 0})
			if err != nil {
				t.Fatal(err)
			}
			samplePacked(t, name+", Get", b)
		}
	}
}

// samplePacked holds the outputs of packed fields to those of plain ones.
func samplePacked(t *testing.T, what string, b *loader.Batch) {
	t.Helper()
	for _, c := range b.Outputs() {
		plain, ok := strings.CutSuffix(c.Name, "_lz4")
		if !ok {
			continue
		}
		want := b.Output(plain)
		if c.DType != want.DType || !bytes.Equal(c.Data, want.Data) {
			t.Fatalf("%s, samples %v, %s: %v%v, other bytes than %v%v", what, b.Samples(), c.Name, c.DType, c.Shape, want.DType, want.Shape)
		}
		for i := range b.Len() {
			if !bytes.Equal(c.Value(i), want.Value(i)) || c.Lengths != nil && c.Lengths[i] != want.Lengths[i] || c.Offsets != nil && c.Offsets[i] != want.Offsets[i] {
				t.Fatalf("%s, sample %d, %s: another row", what, b.Samples()[i], c.Name)
			}
		}
	}
}

// stored counts a field's values that are stored plain and compressed.
func stored(t *testing.T, f *ffcv.File, name string) (n [2]int) {
	d := f.Fields()[f.FieldIndex(name)]
	for i := range f.Len() {
		row, err := f.Metadata(i)
		if err != nil {
			t.Fatal(err)
		}
		m := row[d.Offset:]
		if bytes.Equal(m[8:16], m[16:24]) {
			n[0]++
		} else {
			n[1]++
		}
	}
	return n
}

// TestPackedDamaged: what is wrong with a packed value is its sample's error, and
// where bad samples are passed over the others come right.
func TestPackedDamaged(t *testing.T) {
	whole := packedFile(t, 40)
	f0 := ffcvtest.Open(t, whole, nil)["map"]
	rows := ffcv.HeaderSize + len(f0.Fields())*ffcv.DescriptorSize
	const bad = 23 // both are compressed
	for _, name := range []string{"text_lz4", "doc_lz4", "words_lz4"} {
		at := rows + bad*f0.RowSize() + f0.Fields()[f0.FieldIndex(name)].Offset
		ptr := binary.LittleEndian.Uint64(whole[at:])
		size := binary.LittleEndian.Uint64(whole[at+16:])
		for _, c := range []struct {
			what  string
			at    int
			value uint64
		}{
			{"pointer beyond", at, 1 << 40}, {"pointer that overflows", at, 1<<64 - 1},
			{"nothing stored", at + 8, 0}, {"all that there is", at + 8, 1 << 63}, {"far more stored", at + 8, 1 << 40},
			{"a smaller value", at + 16, size - 1}, {"a larger value", at + 16, size + 1}, {"a bomb", at + 16, 1 << 40}, {"the largest", at + 16, 1<<64 - 1},
			{"another block", int(ptr), 0xffff_ffff_ffff_ffff},
		} {
			b := bytes.Clone(whole)
			binary.LittleEndian.PutUint64(b[c.at:], c.value)
			if c.what == "a bomb" { // of a region that isn't there
				binary.LittleEndian.PutUint64(b[at+8:], 1<<33)
			}
			for source, f := range ffcvtest.Open(t, b, nil) {
				_, err := consume(t.Context(), newLoader(t, f, &loader.Options{BatchSize: 40, Workers: 2}), 9)
				if err == nil || !strings.Contains(err.Error(), "sample 23:") {
					t.Errorf("%s, %s, %s: %v, want an error of sample 23", name, c.what, source, err)
				}
				for _, ragged := range []bool{false, true} {
					opts := &loader.Options{BatchSize: 16, Workers: 2, OnError: loader.Skip, ExactlyOnce: ragged}
					for _, n := range []string{"text", "text_lz4", "doc", "doc_lz4"} {
						opts.Outputs = append(opts.Outputs, loader.Output{Name: n, Ragged: ragged})
					}
					samples := 0
					for b, err := range newLoader(t, f, opts).Epoch(t.Context(), 0) {
						if err != nil {
							t.Fatalf("%s, %s, %s: %v", name, c.what, source, err)
						}
						samplePacked(t, name+", "+c.what+", "+source, b)
						if slices.Contains(b.Samples(), bad) {
							t.Errorf("%s, %s, %s: sample %d is in a batch", name, c.what, source, bad)
						}
						samples += b.Len()
						b.Release()
					}
					if want := map[bool]int{true: 39, false: 40}[ragged]; samples != want { // else others take the places of those
						t.Errorf("%s, %s, %s: %d samples, want %d", name, c.what, source, samples, want)
					}
				}
			}
		}
	}
}

// TestPackedAllocations: nothing is allocated per sample or per batch.
func TestPackedAllocations(t *testing.T) {
	if loader.Debugging || race.Enabled {
		t.Skip("a debug build allocates, and pools drop things at random with the race detector")
	}
	f := ffcvtest.Open(t, packedFile(t, 600), nil)["map"]
	count := func(size int) float64 {
		l := newLoader(t, f, &loader.Options{BatchSize: size, Workers: 1, Outputs: []loader.Output{{Name: "ragged", Field: "text_lz4", Ragged: true}}})
		return testing.AllocsPerRun(3, func() {
			if _, err := consume(t.Context(), l, 1000); err != nil {
				t.Fatal(err)
			}
		})
	}
	few, many := count(60), count(6) // 10 batches, 100 batches
	if few > 300 || many > few+50 {
		t.Errorf("%.0f allocations for 10 batches, %.0f for 100, of 600 samples", few, many)
	}
}

// TestPackedExplain: what is told of packed fields.
func TestPackedExplain(t *testing.T) {
	f := ffcvtest.Open(t, packedFile(t, 3), nil)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 2, Outputs: []loader.Output{{Name: "words_lz4"}, {Name: "raw", Field: "text_lz4", Decoder: loader.Raw{}}}})
	for _, p := range l.Explain() {
		want := map[string]string{"text_lz4": "unpack, padded to the longest of the batch", "words_lz4": "unpack", "raw": "copy of the metadata"}[p.Output]
		if want != "" && p.Steps[0].What != want {
			t.Errorf("%s: %q, want %q", p.Output, p.Steps[0].What, want)
		}
	}
	l = newLoader(t, f, &loader.Options{BatchSize: 2})
	b, err := l.Get(t.Context(), 0, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Value(1, f.FieldIndex("words_lz4")); err != nil || !bytes.Equal(v.(array.Array).Data, b.Output("words_lz4").Data) {
		t.Errorf("Value: %v", err)
	}
}

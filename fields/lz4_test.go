package fields_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/fields/fieldtest"
	"github.com/betongo/betongo/internal/race"
)

var lz4Bytes, lz4JSON = fields.LZ4{Of: fields.Bytes{}}, fields.LZ4{Of: fields.JSON{}}

func lz4Array(t testing.TB, typ string, shape ...int) fields.LZ4 {
	return fields.LZ4{Of: fields.NDArray{DType: dtype(t, typ), Shape: shape}}
}

// noise is bytes that nothing compresses.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// text is words in an order that means nothing.
func text(n int) []byte {
	rng := rand.New(rand.NewPCG(9, uint64(n)))
	words := strings.Fields("the quick brown fox jumps over a lazy dog and then some of these words come again in another order")
	var b []byte
	for len(b) < n {
		b = append(append(b, words[rng.IntN(len(words))]...), ' ')
	}
	return b[:n]
}

// tokens are numbers below 50,000, low ones more often, as a text's are.
func tokens(n int) []int32 {
	rng := rand.New(rand.NewPCG(11, uint64(n)))
	zipf := rand.NewZipf(rng, 1.1, 20, 49_999)
	v := make([]int32, n)
	for i := range v {
		v[i] = int32(zipf.Uint64())
	}
	return v
}

// isPacked tells whether a value is stored as a block, from its metadata.
func isPacked(v *value) bool { return !bytes.Equal(v.meta[8:16], v.meta[16:24]) }

func TestLZ4Field(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		fieldtest.Run(t, lz4Bytes, []byte{}, []byte("small"), text(5000), noise(300), bytes.Repeat([]byte{1}, 100_000), noise(70_000))
	})
	t.Run("json", func(t *testing.T) {
		fieldtest.Run(t, lz4JSON, json.RawMessage("{}"), json.RawMessage(`["`+string(text(3000))+`"]`), json.RawMessage(`"`+strings.Repeat("é", 200)+`"`))
	})
	for _, typ := range []string{"|u1", "<u2", ">i2", "<i4", "<f4", "<i8", ">f8", "<c8", "<c16"} {
		t.Run(typ, func(t *testing.T) {
			f := lz4Array(t, typ, 5, 31)
			spec := array.Spec{DType: dtype(t, typ), Shape: []int{5, 31}}
			n, _ := spec.Bytes()
			slope := make([]byte, n)
			for i := range slope {
				slope[i] = byte(i / 16 % 7)
			}
			flat, steps, wild := array.Array{Spec: spec, Data: make([]byte, n)}, array.Array{Spec: spec, Data: slope}, array.Array{Spec: spec, Data: noise(n)}
			fieldtest.Run(t, f, flat, steps, wild)
			f.NoShuffle = n > 5*31
			fieldtest.Run(t, f, flat, steps, wild)
		})
	}
	t.Run("torch", func(t *testing.T) {
		f := fields.LZ4{Of: fields.TorchTensor{DType: array.Int32, Shape: []int{64}}}
		fieldtest.Run(t, f, make([]int32, 64), tokens(64))
	})
}

// TestLZ4Chooses tells which values are compressed.
func TestLZ4Chooses(t *testing.T) {
	odd := noise(70_000)
	copy(odd[30_000:], text(3000)) // between the pieces that are tried
	for _, tt := range []struct {
		what  string
		f     fields.LZ4
		value any
		want  bool
	}{
		{"nothing", lz4Bytes, []byte{}, false},
		{"127 zeros", lz4Bytes, make([]byte, 127), false},
		{"128 zeros", lz4Bytes, make([]byte, 128), true},
		{"text", lz4Bytes, text(2000), true},
		{"long text", lz4Bytes, text(300_000), true},
		{"noise", lz4Bytes, noise(2000), false},
		{"long noise", lz4Bytes, noise(300_000), false},
		{"noise with some text", lz4Bytes, odd, false},
		{"an eighth less", lz4Bytes, append(make([]byte, 160), noise(1000)...), true},
		{"less than an eighth", lz4Bytes, append(make([]byte, 140), noise(1000)...), false},
		{"json", lz4JSON, json.RawMessage(`"` + string(text(2000)) + `"`), true},
		{"tokens", lz4Array(t, "<i4", 16384), tokens(16384), true},
		{"tokens as they lie", fields.LZ4{Of: fields.NDArray{DType: array.Int32, Shape: []int{16384}}, NoShuffle: true}, tokens(16384), true},
		{"noisy numbers", lz4Array(t, "<f4", 16384), array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{16384}}, Data: noise(1 << 16)}, false},
	} {
		v := mustEncode(t, tt.f, tt.value)
		if isPacked(v) != tt.want {
			t.Errorf("%s: %d bytes stored for %d, want packed %t", tt.what, len(v.data[0]), binary.LittleEndian.Uint64(v.meta[16:]), tt.want)
		}
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, text(9000), 0o666); err != nil {
		t.Fatal(err)
	}
	v := mustEncode(t, lz4Bytes, fields.Path(path))
	if got := mustDecode(t, lz4Bytes, v); !isPacked(v) || !bytes.Equal(got.([]byte), text(9000)) {
		t.Errorf("a file's contents: packed %t, or other bytes", isPacked(v))
	}
}

// TestLZ4Bytes holds the wire format.
func TestLZ4Bytes(t *testing.T) {
	for _, tt := range []struct {
		f    fields.Field
		want string
	}{
		{lz4Bytes, `{"field": "lz4", "type": 3, "version": 1}`},
		{lz4JSON, `{"field": "lz4", "type": 5, "version": 1}`},
		{lz4Array(t, "<i4", 128, 3), `{"dtype": "<i4", "field": "lz4", "shape": [128, 3], "shuffle": 4, "type": 4, "version": 1}`},
		{lz4Array(t, "|u1", 9), `{"dtype": "|u1", "field": "lz4", "shape": [9], "type": 4, "version": 1}`},
		{lz4Array(t, "<c16", 9), `{"dtype": "<c16", "field": "lz4", "shape": [9], "shuffle": 8, "type": 4, "version": 1}`},
		{fields.LZ4{Of: fields.TorchTensor{DType: array.Int16, Shape: []int{2}}, NoShuffle: true}, `{"dtype": "<i2", "field": "lz4", "shape": [2], "type": 6, "version": 1}`},
	} {
		args, err := tt.f.Args()
		if got := strings.TrimRight(string(args[:]), "\x00"); err != nil || got != tt.want {
			t.Errorf("arguments %s, %v; want %s", got, err, tt.want)
		}
		if made, ok, err := fields.Custom(&args); !ok || err != nil || fmt.Sprint(made) != fmt.Sprint(tt.f) {
			t.Errorf("%s makes %v, %t, %v; want %v", tt.want, made, ok, err, tt.f)
		}
	}
	// By hand: 64 numbers of four bytes, 0x01020300 to 0x0102033f, taken apart:
	// 64 bytes that rise, 64 times 3, 2 and 1.
	block := append([]byte{0xf0, 49}, make([]byte, 64)...)
	for i := range 64 {
		block[2+i] = byte(i)
	}
	block[0] = 0xff // 65 literals: the 64 and a 3, then a copy of 63 from one back
	block[1] = 50
	block = append(block, 3, 1, 0, 63-4-15)
	block = append(block, 0x1f, 2, 1, 0, 63-4-15)
	block = append(block, 0x1f, 1, 1, 0, 58-4-15, 0x50, 1, 1, 1, 1, 1)
	meta := make([]byte, 24)
	meta[8], meta[16], meta[17] = byte(len(block)), 0, 1
	v := &value{meta, [][]byte{block}}
	a := mustDecode(t, lz4Array(t, "<i4", 64), v).(array.Array)
	for i := range 64 {
		if got, want := binary.LittleEndian.Uint32(a.Data[4*i:]), uint32(0x01020300+i); got != want {
			t.Fatalf("number %d is %#x, want %#x", i, got, want)
		}
	}
}

func TestLZ4Args(t *testing.T) {
	for _, f := range []fields.LZ4{
		{}, {Of: fields.Int{}}, {Of: lz4Bytes}, {Of: fields.RGBImage{}}, {Of: fields.NDArray{}}, {Of: fields.Bytes{}, NoShuffle: true},
		{Of: fields.NDArray{DType: array.Int32, Shape: []int{0}}},
	} {
		if _, err := f.Args(); err == nil {
			t.Errorf("%v is a field", f)
		}
		if _, err := encode(f, []byte{1}); err == nil {
			t.Errorf("%v stores a value", f)
		}
	}
	for _, m := range []map[string]any{
		{"type": 3},
		{"version": 2, "type": 3},
		{"version": 1, "type": 0},
		{"version": 1, "type": 255},
		{"version": 1, "type": 259},
		{"version": 1, "type": "bytes"},
		{"version": 1, "type": 4},
		{"version": 1, "type": 4, "dtype": "<i4"},
		{"version": 1, "type": 4, "dtype": "<i4", "shape": []int{}},
		{"version": 1, "type": 4, "dtype": "<i4", "shape": []int{-1}},
		{"version": 1, "type": 4, "dtype": "<i4", "shape": []int{1 << 40, 1 << 40}},
		{"version": 1, "type": 4, "dtype": "<i4", "shape": []any{"2"}},
		{"version": 1, "type": 4, "dtype": "|O", "shape": []int{2}},
		{"version": 1, "type": 4, "dtype": "<i4", "shape": []int{2}, "shuffle": 2},
		{"version": 1, "type": 4, "dtype": "|u1", "shape": []int{2}, "shuffle": 1},
		{"version": 1, "type": 3, "shuffle": 4},
	} {
		m["field"] = "lz4"
		args, err := fields.PackArgs(m)
		if err != nil {
			t.Fatal(err)
		}
		if f, known, err := fields.Custom(&args); err == nil || !known {
			t.Errorf("%v: %v, known %t, want an error", m, f, known)
		}
	}
}

func TestLZ4Refused(t *testing.T) {
	for _, tt := range []struct {
		f     fields.LZ4
		value any
	}{
		{lz4Bytes, "text"}, {lz4JSON, json.RawMessage("{")}, {lz4Array(t, "<i4", 2), []int32{1}}, {lz4Array(t, "<i4", 2), []int64{1, 2}},
	} {
		if _, err := encode(tt.f, tt.value); !errors.Is(err, fields.ErrValue) {
			t.Errorf("%v takes %T: %v, want ErrValue", tt.f, tt.value, err)
		}
	}
}

// TestLZ4Sizes: sizes that can't be are refused from the metadata alone.
func TestLZ4Sizes(t *testing.T) {
	meta := func(stored, plain uint64) []byte {
		m := make([]byte, 24)
		binary.LittleEndian.PutUint64(m[8:], stored)
		binary.LittleEndian.PutUint64(m[16:], plain)
		return m
	}
	for _, tt := range []struct {
		f             fields.LZ4
		stored, plain uint64
		ok            bool
	}{
		{lz4Bytes, 0, 0, true},
		{lz4Bytes, 0, 1, false},
		{lz4Bytes, 5, 4, false},
		{lz4Bytes, 4, 4 * 255, true},
		{lz4Bytes, 4, 4*255 + 1, false},
		{lz4Bytes, 1000, 1000 * 255, true},
		{lz4Bytes, 1000, 1000*255 + 1, false},
		{lz4Bytes, 1 << 20, 1 << 29, false},
		{lz4Bytes, 1 << 63, 1 << 63, false},
		{lz4Bytes, 1<<64 - 1, 1<<64 - 1, false},
		{lz4Bytes, 1 << 40, 1<<63 - 1, false},
		{lz4Array(t, "<i4", 100), 400, 400, true},
		{lz4Array(t, "<i4", 100), 40, 400, true},
		{lz4Array(t, "<i4", 100), 401, 401, false},
		{lz4Array(t, "<i4", 100), 40, 404, false},
	} {
		m := meta(tt.stored, tt.plain)
		n, err := tt.f.PlainSize(m)
		if (err == nil) != tt.ok || err == nil && uint64(n) != tt.plain {
			t.Errorf("%d bytes stored for %d: %d, %v; want ok %t", tt.stored, tt.plain, n, err, tt.ok)
		}
		if _, again := tt.f.Regions(nil, m); (again == nil) != tt.ok {
			t.Errorf("%d bytes stored for %d: Regions: %v", tt.stored, tt.plain, again)
		}
	}
	// A block that tells of more than it has costs what it may stand for, no more.
	m := meta(100, 25_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := lz4Bytes.Decode(m, [][]byte{make([]byte, 100)}); err == nil {
		t.Error("a block of zeros is a value")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100_000 {
		t.Errorf("%d bytes were allocated for a value of 25,000", n)
	}
}

// TestLZ4Damaged cuts blocks at each byte and turns each bit of them: no panic,
// no byte beyond the value, and a cut is always found.
func TestLZ4Damaged(t *testing.T) {
	for _, tt := range []struct {
		f     fields.LZ4
		value any
	}{
		{lz4Bytes, text(700)}, {lz4Bytes, bytes.Repeat([]byte("ab"), 2000)},
		{lz4JSON, json.RawMessage(`{"a": "` + string(text(500)) + `"}`)}, {lz4Array(t, "<i4", 200), tokens(200)},
	} {
		v := mustEncode(t, tt.f, tt.value)
		if !isPacked(v) {
			t.Fatalf("%v: not packed", tt.f)
		}
		size := int(binary.LittleEndian.Uint64(v.meta[16:]))
		room := bytes.Repeat([]byte{0xa5}, size+64)
		unpack := func(meta, data []byte) error {
			err := tt.f.Unpack(room[:size:size], meta, [][]byte{data})
			if !bytes.Equal(room[size:], bytes.Repeat([]byte{0xa5}, 64)) {
				t.Fatal("bytes behind the value were written")
			}
			if _, again := tt.f.Decode(meta, [][]byte{data}); err != nil && again == nil {
				t.Fatalf("Unpack: %v, Decode takes it", err)
			}
			if err := tt.f.Check(meta, [][]byte{data}); err == nil {
				if _, again := tt.f.Decode(meta, [][]byte{data}); again != nil {
					t.Fatalf("Check takes it, Decode: %v", again)
				}
			}
			return err
		}
		for n := range v.data[0] {
			meta := bytes.Clone(v.meta)
			if err := unpack(meta, v.data[0][:n]); err == nil {
				t.Fatalf("%d of %d bytes are a value", n, len(v.data[0]))
			}
			binary.LittleEndian.PutUint64(meta[8:], uint64(n))
			if err := unpack(meta, v.data[0][:n]); err == nil {
				t.Fatalf("%d of %d bytes are a value, told as so many", n, len(v.data[0]))
			}
		}
		for i := range 8 * len(v.data[0]) {
			data := bytes.Clone(v.data[0])
			data[i/8] ^= 1 << (i % 8)
			unpack(v.meta, data)
		}
		for i := 8 * 8; i < 8*24; i++ {
			meta := bytes.Clone(v.meta)
			meta[i/8] ^= 1 << (i % 8)
			if _, err := tt.f.Decode(meta, v.data); err == nil {
				t.Fatalf("metadata with bit %d turned are taken", i)
			}
		}
	}
}

func TestLZ4UnpackAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("pools drop things at random with the race detector")
	}
	for _, tt := range []struct {
		f     fields.LZ4
		value any
	}{{lz4Bytes, text(5000)}, {lz4Bytes, noise(5000)}, {lz4JSON, json.RawMessage(`"` + string(text(5000)) + `"`)}, {lz4Array(t, "<i4", 2000), tokens(2000)}} {
		v := mustEncode(t, tt.f, tt.value)
		size, err := tt.f.PlainSize(v.meta)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, size)
		var packed fields.Packed = tt.f
		if n := testing.AllocsPerRun(100, func() {
			if err := packed.Unpack(dst, v.meta, v.data); err != nil {
				t.Error(err)
			}
		}); n >= 1 {
			t.Errorf("%v: %v allocations a value", tt.f, n)
		}
	}
}

func FuzzLZ4Decode(f *testing.F) {
	kinds := []fields.LZ4{lz4Bytes, lz4JSON, lz4Array(f, "<i4", 50), lz4Array(f, "<u2", 100), lz4Array(f, "<f8", 3, 9)}
	values := []any{text(400), json.RawMessage(`["` + string(text(300)) + `"]`), tokens(50), make([]uint16, 100), make([]float64, 27)}
	for k, x := range values {
		v := mustEncode(f, kinds[k], x)
		f.Add(k, v.meta, v.data[0])
	}
	f.Fuzz(func(t *testing.T, k int, meta, data []byte) {
		if k < 0 || k >= len(kinds) || len(meta) != 24 {
			return
		}
		field := kinds[k]
		binary.LittleEndian.PutUint64(meta[8:], uint64(len(data)))
		size, err := field.PlainSize(meta)
		if err != nil {
			return
		}
		if size > 255*int64(len(data)) {
			t.Fatalf("%d bytes stand for %d", len(data), size)
		}
		dst := make([]byte, size)
		err = field.Unpack(dst, meta, [][]byte{data})
		got, again := field.Decode(meta, [][]byte{data})
		if err != nil && again == nil {
			t.Fatalf("Unpack: %v, Decode takes it", err)
		}
		if again != nil || field.Check(meta, [][]byte{data}) != nil {
			return
		}
		v, err := encode(field, got)
		if err != nil {
			t.Fatal(err)
		}
		if back := mustDecode(t, field, v); fmt.Sprint(back) != fmt.Sprint(got) {
			t.Fatal("encoded again: another value")
		}
	})
}

// FuzzLZ4Args makes fields of any arguments.
func FuzzLZ4Args(f *testing.F) {
	for _, field := range []fields.LZ4{lz4Bytes, lz4JSON, lz4Array(f, "<i4", 50), lz4Array(f, "<c16", 3, 9)} {
		args, err := field.Args()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimRight(args[:], "\x00"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var args fields.Args
		copy(args[:], text)
		field, known, err := fields.Custom(&args)
		if _, ok := field.(fields.LZ4); !ok || !known || err != nil {
			return
		}
		again, err := field.Args()
		if err != nil {
			t.Fatal(err)
		}
		if made, _, err := fields.Custom(&again); err != nil || fmt.Sprint(made) != fmt.Sprint(field) {
			t.Fatalf("%v, made again: %v, %v", field, made, err)
		}
	})
}

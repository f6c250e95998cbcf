package mds_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/mds"
)

func TestAppendValue(t *testing.T) {
	arr := func(t array.DType, data []byte, shape ...int) array.Array {
		return array.Array{Spec: array.Spec{DType: t, Shape: shape}, Data: data}
	}
	for _, test := range []struct {
		encoding string
		value    any
		want     string // in hex, or the error's text after '!'
	}{
		{"int", int64(-2), "feffffffffffffff"},
		{"int", 3, "0300000000000000"},
		{"int", uint8(3), "0300000000000000"},
		{"int", uint64(1 << 63), "!out of range"},
		{"int", 1.5, "!type float64"},
		{"int", nil, "!type <nil>"},
		{"uint8", 255, "ff"},
		{"uint8", 256, "!out of range"},
		{"uint8", -1, "!out of range"},
		{"int8", -128, "80"},
		{"int8", 128, "!out of range"},
		{"int16", uint16(32768), "!out of range"},
		{"uint64", uint64(math.MaxUint64), "ffffffffffffffff"},
		{"uint64", -1, "!out of range"},
		{"float16", 1.5, "003e"},
		{"float32", 1, "0000803f"},
		{"float64", float32(0.5), "000000000000e03f"},
		{"float64", "x", "!type string"},
		{"str", "ü", "c3bc"},
		{"str", "\xff", "!not UTF-8"},
		{"str", []byte("x"), "!type []uint8"},
		{"bytes", []byte("x"), "78"},
		{"jpeg", []byte("x"), "78"},
		{"png", "x", "!type string"},
		{"json", []byte(`{"a":NaN}`), fmt.Sprintf("%x", `{"a":NaN}`)},
		{"json", json.RawMessage(`[1]`), fmt.Sprintf("%x", `[1]`)},
		{"json", []byte(`{`), "!JSON"},
		{"json", map[string]any{"b": 1, "a": []int{2}}, fmt.Sprintf("%x", `{"a": [2], "b": 1}`)},
		{"str_int", int64(-7), fmt.Sprintf("%x", "-7")},
		{"str_float", 0.1, fmt.Sprintf("%x", "0.1")},
		{"str_float", math.Inf(-1), fmt.Sprintf("%x", "-inf")},
		{"str_float", math.NaN(), fmt.Sprintf("%x", "nan")},
		{"str_float", 3, fmt.Sprintf("%x", "3.0")},
		{"str_decimal", "1.10", fmt.Sprintf("%x", "1.10")},
		{"str_decimal", "x", "!no number"},
		{"ndarray", arr(array.Uint8, []byte{1, 2}, 1, 2), "08" + "08" + "0102" + "0102"},
		{"ndarray", arr(array.Int16, make([]byte, 600), 300), "11" + "05" + "2c01" + strings.Repeat("00", 600)},
		{"ndarray:uint8", arr(array.Uint8, []byte{7}, 1), "04" + "01" + "07"},
		{"ndarray:uint8:1,2", arr(array.Uint8, []byte{7, 8}, 1, 2), "0708"},
		{"ndarray:uint8:1,2", arr(array.Uint8, []byte{7, 8}, 2, 1), "!an array"},
		{"ndarray:int8", arr(array.Uint8, []byte{7}, 1), "!an array"},
		{"ndarray", arr(array.Uint8, nil, 0), "!not empty"},
		{"ndarray", arr(array.Uint8, []byte{1}), "!dimensions"},
		{"ndarray", arr(array.Bool, []byte{1}, 1), "!dtype that MDS does not have"},
		{"ndarray", arr(array.Int16.Swapped(), []byte{1, 2}, 1), "!dtype that MDS does not have"},
		{"jpegarray", [][]byte{{1}, {2, 3}}, "02000000" + "01000000" + "02000000" + "010203"},
		{"list[png]", [][]byte{{1}}, "00000000" + "01000000" + "01000000" + "01"},
		{"list[pil]", [][]byte{{1}}, "!type"},
		{"pil", []byte{1}, "!not written"},
		{"pkl", 1, "!not written"},
		{"parquet", 1, "!none that MDS has"},
		{"int:3", 1, "!no settings"},
		{"ndarray:bool", 1, "!dtype"},
		{"ndarray:uint8:0", 1, "!shape"},
		{"ndarray:uint8:", 1, "!shape"},
		{"ndarray:uint8:4294967296,4294967296", 1, "!no shard is that large"},
	} {
		got, err := mds.AppendValue(nil, test.encoding, test.value)
		if want, fails := strings.CutPrefix(test.want, "!"); fails {
			if err == nil || got != nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %v: got %x, %v, want %q", test.encoding, test.value, got, err, want)
			}
		} else if fmt.Sprintf("%x", got) != test.want || err != nil {
			t.Errorf("%s of %v: got %x, %v, want %s", test.encoding, test.value, got, err, test.want)
		}
	}
}

var labelled = []mds.Column{{Name: "image", Encoding: "jpeg"}, {Name: "label", Encoding: "int"}}

func TestWriterRefuses(t *testing.T) {
	for _, columns := range [][]mds.Column{nil, {{Name: "a", Encoding: "x"}}, {{Name: "a", Encoding: "int"}, {Name: "a", Encoding: "int"}},
		{{Name: "a", Encoding: "pkl"}}, {{Name: "\xff", Encoding: "int"}}} {
		if w, err := mds.NewWriter(io.Discard, columns); err == nil || w != nil {
			t.Errorf("%v: got %v, %v", columns, w, err)
		}
	}
	good := [][]byte{[]byte("x"), make([]byte, 8)}
	for _, values := range [][][]byte{nil, {nil}, {nil, make([]byte, 7)}, {nil, nil, nil}} {
		w, err := mds.NewWriter(io.Discard, labelled)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Write(values)
		if err == nil {
			t.Errorf("%d values: no error", len(values))
		}
		if got := w.Write(good); got != err {
			t.Errorf("then: got %v, want %v", got, err)
		}
		if info, got := w.Close(); got != err || info.Samples != 0 {
			t.Errorf("Close: got %v, %v, want %v", info, got, err)
		}
	}
	w, err := mds.NewWriter(io.Discard, labelled)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err == nil {
		t.Error("a second Close: no error")
	}
	if err := w.Write(good); err == nil {
		t.Error("Write behind Close: no error")
	}
	for _, name := range []string{"", "/a", "../a", "a/../b", `a\b`, "C:a", "a//b"} {
		if _, err := mds.Index([]mds.ShardInfo{{Name: name, Columns: labelled}}); err == nil {
			t.Errorf("Index of %q: no error", name)
		}
	}
}

var errFull = errors.New("no space")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriterFull(t *testing.T) {
	w, err := mds.NewWriter(full{}, labelled)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write([][]byte{[]byte("x"), make([]byte, 8)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

func TestWriterSize(t *testing.T) {
	var b bytes.Buffer
	w, err := mds.NewWriter(&b, labelled)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Write([][]byte{make([]byte, i), make([]byte, 8)}); err != nil {
			t.Fatal(err)
		}
	}
	size := w.Size()
	info, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if size != int64(b.Len()) || info.Size != size || info.Samples != 3 {
		t.Errorf("got Size %d and %+v, want %d bytes", size, info, b.Len())
	}
}

// A writer that is used again writes what a new one does, whatever was before.
func TestWriterReset(t *testing.T) {
	again, err := mds.NewWriter(io.Discard, labelled)
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range [][]int{{5, 3 << 20, 0}, {4095, 4096, 4097}, {}, {1 << 20, 1<<20 - 12, 1}, {7}} {
		var want, got bytes.Buffer
		once, err := mds.NewWriter(&want, labelled)
		if err != nil {
			t.Fatal(err)
		}
		again.Reset(&got)
		for i, size := range sizes {
			values := [][]byte{bytes.Repeat([]byte{byte(i + 1)}, size), make([]byte, 8)}
			if err := errors.Join(once.Write(values), again.Write(values)); err != nil {
				t.Fatal(err)
			}
		}
		a, err := once.Close()
		if err != nil {
			t.Fatal(err)
		}
		b, err := again.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) || a.XXH64 != b.XXH64 || a.Samples != b.Samples || int64(got.Len()) != b.Size {
			t.Errorf("%v: got %+v of %d bytes, want %+v of %d", sizes, b, got.Len(), a, want.Len())
		}
	}
	if again.Write(nil) == nil {
		t.Error("Write behind Close: no error")
	}
	again.Reset(io.Discard)
	if _, err := again.Close(); err != nil {
		t.Errorf("Close behind an error and Reset: %v", err)
	}
}

package pyjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/pyjson"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]any{
		"null": nil, " true ": true, "\"a\\u00e9\\ud83d\\ude00\\n\"": "aé😀\n", "[]": []any{}, "{}": map[string]any{},
		"1": int64(1), "-3": int64(-3), "9223372036854775808": uint64(1 << 63), "18446744073709551616": json.Number("18446744073709551616"),
		"1.0": 1.0, "1e3": 1000.0, "Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "1e999": math.Inf(1),
		`[1, [2.5, "x"], {"a": null}]`: []any{int64(1), []any{2.5, "x"}, map[string]any{"a": nil}},
	} {
		got, err := pyjson.Parse([]byte(text), nil)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, want %#v", text, got, err, want)
		}
	}
	if v, err := pyjson.Parse([]byte("NaN"), nil); err != nil || v == v {
		t.Errorf("NaN: %v, %v", v, err)
	}
	for text, off := range map[string]int{
		"": 0, "[1,]": 3, "{\"a\"}": 4, "{\"a\":1,\"a\":2}": 10, "[1 2]": 3, "nul": 0, "01": 0, "\"a": 2, "\"\x01\"": 1, "\"\\q\"": 1, "\"\xff\"": 1, "1 2": 2, "\"\\ud800\"": 7,
		"1\x00": 1, strings.Repeat("[", 300): pyjson.MaxNesting + 1, "{1:2}": 1, "1" + strings.Repeat("0", 5000): 0,
	} {
		v, err := pyjson.Parse([]byte(text), nil)
		var e *pyjson.SyntaxError
		if !errors.As(err, &e) || e.Offset != off {
			t.Errorf("%.20q: %v, %v, want an error at byte %d", text, v, err, off)
		}
	}
	if v, err := pyjson.Parse([]byte(`{"a":1,"a":2}`), &pyjson.Options{Twice: true, Number: func(w string) any { return w }}); err != nil || fmt.Sprint(v) != "map[a:2]" {
		t.Errorf("a key twice: %v, %v", v, err)
	}
}

func TestAppend(t *testing.T) {
	v := map[string]any{"b": []int{1, 2}, "a": map[string]any{}, "é\n": float32(0.1), "f": []any{1.0, 1e16, 1e-5, 0.0001, math.NaN(), math.Inf(-1)}, "u": uint8(3), "n": nil, "z": [0]int{}}
	for indent, want := range map[int]string{
		0: `{"a": {}, "b": [1, 2], "f": [1.0, 1e+16, 1e-05, 0.0001, NaN, -Infinity], "n": null, "u": 3, "z": [], "\u00e9\n": 0.1}`,
		1: "{\n \"a\": {},\n \"b\": [\n  1,\n  2\n ],\n \"f\": [\n  1.0,\n  1e+16,\n  1e-05,\n  0.0001,\n  NaN,\n  -Infinity\n ],\n \"n\": null,\n \"u\": 3,\n \"z\": [],\n \"\\u00e9\\n\": 0.1\n}",
	} {
		got, err := pyjson.Append([]byte("x"), v, indent)
		if err != nil || string(got) != "x"+want {
			t.Errorf("indent %d:\n%s\nwant\n%s\n%v", indent, got, want, err)
		}
	}
	if b, err := pyjson.Append(nil, struct {
		A int `json:"a"`
	}{4}, 0); err != nil || string(b) != `{"a": 4}` {
		t.Errorf("a struct: %s, %v", b, err)
	}
	ring := []any{nil}
	ring[0] = ring
	for _, bad := range []any{func() {}, "\xff", json.Number("x"), ring, map[string]any{"a": make(chan int)}} {
		if b, err := pyjson.Append(nil, bad, 0); err == nil || b != nil {
			t.Errorf("%T: %s", bad, b)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, NaN, -Infinity, "\ud83d\ude00", null, true], "b": {}}`, "[[[]]]", `"\\"`, "123456789012345678901234567890"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := pyjson.Parse(text, nil)
		if err != nil {
			return
		}
		for _, indent := range []int{0, 2} {
			b, err := pyjson.Append(nil, v, indent)
			if err != nil {
				t.Fatalf("%q can't be written again: %v", text, err)
			}
			again, err := pyjson.Parse(b, nil)
			if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
				t.Fatalf("%q comes back as %q: %v", text, b, err)
			}
		}
	})
}

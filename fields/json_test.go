package fields_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

type shape struct {
	Name  string  `json:"name"`
	Ratio float64 `json:"ratio"`
	skip  int
}

func TestAppendJSON(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for _, tt := range []struct {
		v    any
		want string // as Python 3.11's json.dumps gives it
	}{
		{nil, "null"}, {true, "true"}, {false, "false"}, {-7, "-7"}, {uint64(math.MaxUint64), "18446744073709551615"}, {int8(-128), "-128"},
		{0.0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1.0, "1.0"}, {1e15, "1000000000000000.0"}, {9999999999999998.0, "9999999999999998.0"},
		{1e16, "1e+16"}, {1.2345e16, "1.2345e+16"}, {1e22, "1e+22"}, {1e-4, "0.0001"}, {0.00012, "0.00012"}, {9.999e-5, "9.999e-05"},
		{1e-5, "1e-05"}, {1e-10, "1e-10"}, {math.MaxFloat64, "1.7976931348623157e+308"}, {5e-324, "5e-324"}, {0.1, "0.1"},
		{float32(0.1), "0.10000000149011612"}, {1.0 / 3, "0.3333333333333333"}, {123456789.125, "123456789.125"},
		{math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"},
		{"\x00\x1f \x7f\u0080é\u2028\uffff🙂\"\\/\b\f\n\r\t<>&'", `"\u0000\u001f \u007f\u0080\u00e9\u2028\uffff\ud83d\ude42\"\\/\b\f\n\r\t<>&'"`},
		{map[string]any{"b": []any{1, 2.0, nil, true, map[string]int{}}, "a": []string{}, "é": "x"}, `{"a": [], "b": [1, 2.0, null, true, {}], "\u00e9": "x"}`},
		{[2]named{1, 2}, "[1, 2]"}, {[]float32{0.5}, "[0.5]"}, {map[string]float64(nil), "{}"}, {[]int(nil), "[]"}, {(*int)(nil), "null"},
		{json.RawMessage(` {"b":1, "a":NaN} `), ` {"b":1, "a":NaN} `}, {fields.JSONText("\"\u00e9\""), "\"\u00e9\""},
		{map[string]any{"v": json.RawMessage("[ 1]")}, `{"v": [ 1]}`},
		{json.Number("1E5"), "1E5"}, {json.Number("123456789012345678901234567890"), "123456789012345678901234567890"}, {huge, huge.String()},
		{shape{Name: "<é:,>", Ratio: 0.5, skip: 1}, `{"name": "<\u00e9:,>", "ratio": 0.5}`}, {&shape{}, `{"name": "", "ratio": 0}`},
		{time.Unix(0, 0).UTC(), `"1970-01-01T00:00:00Z"`}, {[]shape{{}, {}}, `[{"name": "", "ratio": 0}, {"name": "", "ratio": 0}]`},
	} {
		got, err := fields.AppendJSON([]byte("x"), tt.v)
		if err != nil || string(got) != "x"+tt.want {
			t.Errorf("%T %v: %s, %v; want %s", tt.v, tt.v, got, err, tt.want)
		}
	}
	cycle := []any{nil}
	cycle[0] = cycle
	for _, v := range []any{
		[]byte("x"), "\xff", map[string]any{"\xff": 1}, map[int]int{1: 1}, make(chan int), func() {}, 1i, cycle, [2]byte{},
		json.Number("x"), json.Number(""), json.Number("NaN"), json.Number("[1]"), json.Number(" 1"), json.RawMessage(nil), json.RawMessage("1 2"),
		shape{Ratio: math.NaN()}, []any{1, []any{make(chan int)}},
	} {
		if got, err := fields.AppendJSON(nil, v); !errors.Is(err, fields.ErrValue) || got != nil {
			t.Errorf("%T: %q, %v; want ErrValue", v, got, err)
		}
	}
}

// TestJSONGoldens reads every text that Python wrote and writes it again.
func TestJSONGoldens(t *testing.T) {
	n := 0
	for _, m := range golden.Each() {
		for _, f := range m.Fields {
			for _, text := range f.Text {
				v := mustEncode(t, fields.JSON{}, fields.JSONText(text))
				if want := text + "\x00"; string(v.data[0]) != want {
					t.Fatalf("%s: stored as %q, want %q", m.Name, v.data[0], want)
				}
				if got := mustDecode(t, fields.JSON{}, v).(json.RawMessage); string(got) != text {
					t.Fatalf("%s: read as %s, want %s", m.Name, got, text)
				}
				x, err := fields.JSONText(text).Value()
				if err != nil {
					t.Fatalf("%s: %s: %v", m.Name, text, err)
				}
				// Key order aside, what is read is written as Python wrote it.
				again, err := fields.AppendJSON(nil, x)
				if err != nil || sorted(again) != sorted([]byte(text)) {
					t.Fatalf("%s: written again as %s, %v; want %s", m.Name, again, err, text)
				}
				n++
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d texts", n)
	}
}

// sorted makes texts comparable whose objects have other orders of keys: the
// same members, so the same letters.
func sorted(b []byte) string {
	var count [256]int
	for _, c := range b {
		count[c]++
	}
	return fmt.Sprint(count)
}

func TestJSONValue(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		text string
		want any
	}{
		{"null", nil}, {" true ", true}, {"0", int64(0)}, {"-9223372036854775808", int64(math.MinInt64)},
		{"9223372036854775808", json.Number("9223372036854775808")}, {"-0", int64(0)}, {"-0.0", math.Copysign(0, -1)},
		{"1.0", 1.0}, {"1e2", 100.0}, {"1E+2", 100.0}, {"1e999", math.Inf(1)}, {"-1e999", math.Inf(-1)}, {"1e-999", 0.0},
		{"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}, {"NaN", nan},
		{`""`, ""}, {`"\ud83d\ude42"`, "🙂"}, {`"\ud83dx"`, "\ufffdx"}, {`"\ude42"`, "\ufffd"}, {`"\ud83d\ud83d\ude42"`, "\ufffd🙂"},
		{`"a\u00E9\/\"\\\b\f\n\r\tz"`, "aé/\"\\\b\f\n\r\tz"}, {"\"é\x7f\"", "é\x7f"},
		{"[]", []any{}}, {"[1,[2]]", []any{int64(1), []any{int64(2)}}}, {"{}", map[string]any{}},
		{`{"a":1,"a":2, "" : {}}`, map[string]any{"a": int64(2), "": map[string]any{}}},
	} {
		got, err := fields.JSONText(tt.text).Value()
		if f, ok := tt.want.(float64); ok {
			if g, ok := got.(float64); !ok || err != nil || math.Float64bits(f) != math.Float64bits(g) {
				t.Errorf("%s = %v, %v; want %v", tt.text, got, err, f)
			}
		} else if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s = %#v, %v; want %#v", tt.text, got, err, tt.want)
		}
		if err := fields.JSONText(tt.text).Check(); err != nil {
			t.Errorf("%s: Check: %v", tt.text, err)
		}
	}
	for _, text := range []string{
		"", " ", "nul", "nan", "+1", "01", "1.", ".5", "1e", "1e+", "-", "--1", "-NaN", "0x1", "1_0", "'a'", `"a`, `"\`, `"\x41"`, `"\u12"`, `"\u12g4"`,
		"\"\n\"", "\"\x00\"", "\"\xff\"", "\"\xed\xa0\x80\"", "[", "[1", "[1,", "[1,]", "[,]", "[1 2]", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{1:1}`,
		"1 2", "[]]", "\ufeff1", "1\x00", strings.Repeat("[", 20000), strings.Repeat("[", 20000) + strings.Repeat("]", 20000), strings.Repeat(`{"a":`, 20000),
	} {
		v, err := fields.JSONText(text).Value()
		if err == nil || v != nil || !strings.Contains(err.Error(), "at byte") {
			t.Errorf("%.40q = %v, %v; want an error with its place", text, v, err)
		}
		if err := fields.JSONText(text).Check(); err == nil {
			t.Errorf("%.40q: Check finds nothing", text)
		}
	}
}

func TestJSONStored(t *testing.T) {
	f := fields.JSON{}
	v := mustEncode(t, f, map[string]any{"a": 1, "b": []any{1.5, nil, "é\x00"}})
	if want := `{"a": 1, "b": [1.5, null, "\u00e9\u0000"]}` + "\x00"; string(v.data[0]) != want || len(want) != 43 {
		t.Errorf("stored as %q, want %q", v.data[0], want)
	}
	if err := f.Check(v.meta, v.data); err != nil {
		t.Errorf("Check: %v", err)
	}
	stored := func(s string) *value { return mustEncode(t, fields.Bytes{}, []byte(s)) }
	if got := mustDecode(t, f, stored("[1]\x00junk\x00")).(json.RawMessage); string(got) != "[1]" || cap(got) != 3 {
		t.Errorf("text behind the first NUL: %q", got)
	}
	if v := stored("[1]"); true {
		if _, err := f.Decode(v.meta, v.data); err == nil || !strings.Contains(err.Error(), "no NUL") {
			t.Errorf("no NUL: %v", err)
		}
	}
	if v := stored("[1\x00"); f.Check(v.meta, v.data) == nil {
		t.Error("Check of half a text: no error")
	}
	// A text that NaN makes impossible elsewhere stands verbatim in other JSON only when encoding/json reads it.
	if b, err := json.Marshal(map[string]any{"v": fields.JSONText(`{"x": 1}`)}); err != nil || string(b) != `{"v":{"x":1}}` {
		t.Errorf("in other JSON: %s, %v", b, err)
	}
}

func FuzzJSONText(f *testing.F) {
	for _, m := range golden.Each() {
		for _, x := range m.Fields {
			for _, text := range x.Text[:min(3, len(x.Text))] {
				f.Add([]byte(text))
			}
		}
	}
	f.Add([]byte(`[NaN, -Infinity, 1e999, 123456789012345678901, "\ud83d\ude42\ud800"]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := fields.JSONText(b)
		v, err := text.Value()
		if cerr := text.Check(); (cerr == nil) != (err == nil) {
			t.Fatalf("Value says %v, Check %v", err, cerr)
		}
		if json.Valid(b) && err != nil && !bytes.Contains(b, []byte{0xff}) {
			// encoding/json lets invalid UTF-8 pass, Python does not.
			if !strings.Contains(err.Error(), "UTF-8") {
				t.Fatalf("encoding/json takes it: %v", err)
			}
		}
		if err != nil {
			return
		}
		once, err := fields.AppendJSON(nil, v)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		again, err := fields.JSONText(once).Value()
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := fields.AppendJSON(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s, then %s, %v", once, twice, err)
		}
	})
}

func ExampleJSONText_Value() {
	v, err := fields.JSONText(`{"score": NaN, "id": 1152921504606846976}`).Value()
	m := v.(map[string]any)
	fmt.Println(m["score"], m["id"], err)
	// Output: NaN 1152921504606846976 <nil>
}

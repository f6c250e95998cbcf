package main

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestAppendFloat(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -2, 0.1, 1e21, 1e300, -5e-324, math.MaxFloat64, 9007199254740993} {
		var got struct {
			Bits  string
			Value json.Number
		}
		text := appendFloat(nil, v)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %s: %v", v, text, err)
		}
		bits, err := strconv.ParseUint(got.Bits, 0, 64)
		if err != nil || bits != math.Float64bits(v) || len(got.Bits) != 18 {
			t.Errorf("%v: bits in %s", v, text)
		}
		back, err := got.Value.Float64()
		if err != nil || math.Float64bits(back) != math.Float64bits(v) || !strings.ContainsAny(got.Value.String(), ".e") {
			t.Errorf("%v: value in %s", v, text)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if text := string(appendFloat(nil, v)); strings.Contains(text, "value") || !json.Valid([]byte(text)) {
			t.Errorf("%v: %s", v, text)
		}
	}
}

func TestAppendString(t *testing.T) {
	for text, want := range map[string]string{
		"":             `""`,
		"label":        `"label"`,
		"a\"b\\\n":     `"a\"b\\\n"`,
		"\x80é\xff":    `"\udc80é\udcff"`,
		"\ufffd\x00":   "\"\ufffd\\u0000\"",
		"東京":           `"東京"`,
		"\xed\xa0\x80": `"\udced\udca0\udc80"`,
	} {
		if got := string(appendString(nil, text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

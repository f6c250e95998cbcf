package array_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

// TestCastAsNumPy holds Cast to what NumPy made of the same elements;
// testdata/casts.py wrote them.
func TestCastAsNumPy(t *testing.T) {
	f, err := os.Open("testdata/casts.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			From, To, In, Out string
			N                 int
		}
	}
	if err := json.NewDecoder(z).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 500 {
		t.Fatalf("only %d casts", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		from, to := parse(t, c.From), parse(t, c.To)
		in, _ := hex.DecodeString(c.In)
		want, _ := hex.DecodeString(c.Out)
		a := array.Array{Spec: array.Spec{DType: from, Shape: []int{c.N}}, Data: in}
		odd := a // the same at an odd address
		odd.Data = append([]byte{0}, in...)[1:]
		for _, a := range []array.Array{a, odd} {
			got, err := array.Cast(a, to)
			if err != nil {
				t.Errorf("%s to %s: %v", c.From, c.To, err)
				continue
			}
			size, item := to.ItemSize(), from.ItemSize()
			for i := range c.N {
				g, w := got.Data[i*size:(i+1)*size], want[i*size:(i+1)*size]
				if c.To == "<u4" && strings.Contains("fc", string(from.Kind())) {
					// NumPy's vectors and its last elements differ outside of the range.
					v, err := array.Cast(array.Array{Spec: array.Spec{DType: from}, Data: in[i*item : (i+1)*item]}, array.Float64)
					if f := math.Float64frombits(binary.LittleEndian.Uint64(v.Data)); err != nil || !(f >= 0 && f < 1<<32) {
						continue
					}
				}
				if !bytes.Equal(g, w) {
					t.Errorf("%s to %s: element %d, %x (%s), gives %x (%s), NumPy %x (%s)", c.From, c.To, i, in[i*item:(i+1)*item],
						array.FormatElement(in[i*item:], from), g, array.FormatElement(g, to), w, array.FormatElement(w, to))
				}
			}
		}
	}
}

func parse(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

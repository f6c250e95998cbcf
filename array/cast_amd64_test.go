//go:build amd64 && !purego

package array

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// numbers are the types that castNumbers serves.
func numbers() []DType {
	return []DType{Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Float16, BFloat16, Float32, Float64, Complex64, Complex128, Float64.Swapped(), Int16.Swapped()}
}

// hardBytes are bytes that make all kinds of numbers: any bits, and those around
// the ends of the integers' ranges.
func hardBytes(t DType, n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(t.ItemSize())))
	b := make([]byte, n*t.ItemSize())
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	ends := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 0.5, -0.5, 1.5, 127.9, 255.5, 65504, 65519, 65520, 5.96e-8, 2.98e-8, 1e-45,
		math.MaxInt32, math.MinInt32, math.MaxInt32 + 0.9, math.MinInt32 - 0.9, math.MaxUint32, math.MaxInt64, math.MinInt64, math.MaxUint64, 1e30, -1e30, math.MaxFloat32, math.MaxFloat64}
	for i := 0; i < n; i += 2 {
		v := ends[r.IntN(len(ends))]
		switch t.WithOrder('<') {
		case Float32, Complex64:
			binary.LittleEndian.PutUint32(b[i*t.ItemSize():], math.Float32bits(float32(v)))
		case Float64, Complex128:
			binary.LittleEndian.PutUint64(b[i*t.ItemSize():], math.Float64bits(v))
		}
	}
	return b
}

// TestAssemblyCasts compares the assembly with the loops in Go, byte by byte.
func TestAssemblyCasts(t *testing.T) {
	if !fast {
		t.Skip("this processor has no AVX2")
	}
	defer func() { fast = true }()
	for _, from := range numbers() {
		for _, to := range numbers() {
			for _, n := range []int{0, 1, 15, 16, 17, 255, 256, 1000, 4096} {
				for _, shift := range []int{0, 1} { // an odd address is read too
					src := append(make([]byte, shift), hardBytes(from, n)...)[shift:]
					a := Array{Spec: Spec{DType: from, Shape: []int{n}}, Data: src}
					fast = true
					got, err := Cast(a, to)
					fast = false
					want, err2 := Cast(a, to)
					if err != nil || err2 != nil {
						t.Fatal(err, err2)
					}
					if !bytes.Equal(got.Data, want.Data) {
						t.Errorf("%v to %v, %d elements: %s", from, to, n, differ(got, want, a))
					}
				}
			}
		}
	}
}

func differ(got, want, from Array) string {
	size := got.DType.ItemSize()
	for i := 0; i < len(got.Data); i += size {
		if g, w := got.Data[i:i+size], want.Data[i:i+size]; !bytes.Equal(g, w) {
			k := i / size * from.DType.ItemSize()
			return fmt.Sprintf("element %d, %x: %x, want %x", i/size, from.Data[k:k+from.DType.ItemSize()], g, w)
		}
	}
	return ""
}

// TestAssemblyHalves goes through all numbers of 16 bits.
func TestAssemblyHalves(t *testing.T) {
	if !fast {
		t.Skip("this processor has no AVX2")
	}
	defer func() { fast = true }()
	all := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(all[2*i:], uint16(i))
	}
	for _, from := range []DType{Float16, BFloat16, Int16, Uint16} {
		for _, to := range numbers() {
			a := Array{Spec: Spec{DType: from, Shape: []int{1 << 16}}, Data: all}
			fast = true
			got, _ := Cast(a, to)
			fast = false
			want, _ := Cast(a, to)
			if !bytes.Equal(got.Data, want.Data) {
				t.Errorf("%v to %v: %s", from, to, differ(got, want, a))
			}
		}
	}
}

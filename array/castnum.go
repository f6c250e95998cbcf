package array

import (
	"math"
	"sync"
	"unsafe"
)

// native are the number types that Go computes with.
type native interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// chunk is how many elements go through the buffers at a time; stretch is how
// many go at once where there are none between: a garbage collection waits for a
// kernel to come back.
const (
	chunk   = 1024
	stretch = 64 << 10
)

// castNumbers casts between numbers and bools. It brings the elements, a chunk
// at a time, into a Go type and this machine's order, casts those, and brings
// them into the target's type.
func castNumbers(dst, src []byte, n int, to, from DType) {
	w := benches.Get().(*bench)
	defer benches.Put(w)
	inner, outer := through(from, to), throughBack(to, from)
	step := pair(inner, outer)
	if v := vector(inner, outer, step); v != nil {
		step = v
	}
	if at := uintptr(unsafe.Pointer(unsafe.SliceData(src))); inner == from && outer == to && plain(from) && plain(to) && at%uintptr(from.Align()) == 0 {
		for n > 0 {
			k := min(n, stretch)
			step(dst, src, k)
			n, src, dst = n-k, src[k*int(from.size):], dst[k*int(to.size):]
		}
		return
	}
	for n > 0 {
		k := min(n, chunk)
		rawIn, rawOut := src[:k*int(from.size)], dst[:k*int(to.size)]
		count := k
		if from.kind == 'c' && to.kind == 'c' {
			count *= 2
		}
		a := unpack(bytesOf(&w.in), bytesOf(&w.mid), rawIn, from, to)
		if direct := rawOut; outer == to.WithOrder(nativeOrder) && to.kind != 'c' {
			step(direct, a, count)
		} else {
			b := bytesOf(&w.out)
			step(b, a, count)
			pack(rawOut, b, to, from, k)
		}
		if !plain(to) {
			swap(rawOut, to.Align())
		}
		n, src, dst = n-k, src[len(rawIn):], dst[len(rawOut):]
	}
}

// plain tells whether elements have this machine's byte order.
func plain(t DType) bool { return t.order == '|' || t.order == nativeOrder }

// bench is what lies between the steps of a cast.
type bench struct {
	in, mid, out [chunk * 2]float64 // up to two for a complex number
}

var benches = sync.Pool{New: func() any { return new(bench) }}

// boolean makes 1 of all but 0.
func boolean(dst, src []byte) {
	for i := lanes(kTruth8, dst, src, len(src)); i < len(src); i++ {
		dst[i] = min(src[i], 1)
	}
}

var nativeOrder = map[bool]byte{true: '<', false: '>'}[littleEndian]

func bytesOf(b *[chunk * 2]float64) []byte { return BytesOf(b[:]) }

// through is the Go type that elements of t are cast from.
func through(t, to DType) DType {
	switch {
	case t.kind == 'b':
		return Uint8
	case bfloat(t), t.kind == 'f' && t.size == 2, t.kind == 'c' && t.size == 8:
		return Float32
	case t.kind == 'c':
		return Float64
	}
	return t.WithOrder('<')
}

// throughBack is the Go type that elements of t are made from.
func throughBack(t, from DType) DType {
	switch {
	case t.kind == 'b':
		return Bool
	case bfloat(t):
		return Float32
	case t.kind == 'f' && t.size == 2:
		if (from.kind == 'f' || from.kind == 'c') && from.Align() == 8 {
			return Float64 // rounded once
		}
		return Float32
	case t.kind == 'c' && t.size == 8:
		return Float32
	case t.kind == 'c':
		return Float64
	}
	return t.WithOrder('<')
}

// unpack brings a chunk of elements into their Go type, in a or still in src
// where they lie right already.
func unpack(a, b, src []byte, from, to DType) []byte {
	if p := uintptr(unsafe.Pointer(unsafe.SliceData(src))); !plain(from) || p%uintptr(from.Align()) != 0 {
		a = a[:copy(a, src)]
		if !plain(from) {
			swap(a, from.Align())
		}
		src, a = a, b
	}
	switch {
	case from.kind == 'b':
		boolean(a, src)
	case bfloat(from):
		out, in := as[float32](a), as[uint16](src)
		for i := lanes(kBfloat16toFloat32, a, src, len(in)); i < len(in); i++ {
			out[i] = BFloat16Value(in[i])
		}
	case from.kind == 'f' && from.size == 2:
		out, in := as[float32](a), as[uint16](src)
		for i := lanes(kFloat16toFloat32, a, src, len(in)); i < len(in); i++ {
			out[i] = Float16Value(in[i])
		}
	case from.kind == 'c' && to.kind == 'b':
		if from.size == 8 {
			nonzero(as[float32](a), as[float32](src))
		} else {
			nonzero(as[float64](a), as[float64](src))
		}
	case from.kind == 'c' && to.kind != 'c':
		if from.size == 8 {
			k := lanes(kNarrow64to32, a, src, len(src)/8)
			reals(as[float32](a[4*k:]), as[float32](src[8*k:]))
		} else {
			k := lanes(kReals64, a, src, len(src)/16)
			reals(as[float64](a[8*k:]), as[float64](src[16*k:]))
		}
	default:
		return src
	}
	return a
}

// reals takes the real parts of complex numbers.
func reals[T float32 | float64](dst, src []T) {
	for i := 0; i < len(src); i += 2 {
		dst[i/2] = src[i]
	}
}

// nonzero gives 1 for complex numbers other than 0.
func nonzero[T float32 | float64](dst, src []T) {
	for i := 0; i < len(src); i += 2 {
		dst[i/2] = 0
		if src[i] != 0 || src[i+1] != 0 {
			dst[i/2] = 1
		}
	}
}

// pack brings k elements from their Go type into the target's.
func pack(dst, b []byte, to, from DType, k int) {
	switch {
	case bfloat(to):
		out, in := as[uint16](dst), as[float32](b)
		for i := lanes(kFloat32toBFloat16, dst, b, k); i < k; i++ {
			out[i] = BFloat16Bits(in[i])
		}
	case to.kind == 'f' && throughBack(to, from) == Float64:
		in := as[float32](b) // in their own place, which the numbers before have left
		for i, v := range as[float64](b)[:k] {
			in[i] = odd(v)
		}
		halves(dst, b, k)
	case to.kind == 'f' && to.size == 2:
		halves(dst, b, k)
	case to.kind == 'c' && from.kind != 'c':
		if to.size == 8 {
			n := lanes(kWidenUint32to64, dst, b, k)
			spread(as[float32](dst[8*n:]), as[float32](b[4*n:4*k]))
		} else {
			n := lanes(kSpread64, dst, b, k)
			spread(as[float64](dst[16*n:]), as[float64](b[8*n:8*k]))
		}
	default:
		copy(dst, b)
	}
}

// halves makes 16-bit floats of k 32-bit ones.
func halves(dst, b []byte, k int) {
	out, in := as[uint16](dst), as[float32](b)
	for i := lanes(kFloat32toFloat16, dst, b, k); i < k; i++ {
		out[i] = Float16Bits(in[i])
	}
}

// spread makes complex numbers of real parts.
func spread[T float32 | float64](dst, src []T) {
	for i, v := range src {
		dst[2*i], dst[2*i+1] = v, 0
	}
}

// as views aligned bytes.
func as[T any](b []byte) []T {
	size := int(unsafe.Sizeof(*new(T)))
	if len(b) < size {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size)
}

// step casts n elements of one Go type to another.
type step func(dst, src []byte, n int)

// pair returns the step between two types of through.
func pair(from, to DType) step {
	switch from {
	case Int8:
		return fromInt[int8](to)
	case Int16:
		return fromInt[int16](to)
	case Int32:
		return fromInt[int32](to)
	case Int64:
		return fromInt[int64](to)
	case Uint8:
		return fromInt[uint8](to)
	case Uint16:
		return fromInt[uint16](to)
	case Uint32:
		return fromInt[uint32](to)
	case Uint64:
		return fromInt[uint64](to)
	case Float32:
		return fromFloat[float32](to)
	}
	return fromFloat[float64](to)
}

func fromInt[S native](to DType) step {
	switch to {
	case Bool:
		return truth[S]
	case Int8:
		return plainStep[S, int8]
	case Int16:
		return plainStep[S, int16]
	case Int32:
		return plainStep[S, int32]
	case Int64:
		return plainStep[S, int64]
	case Uint8:
		return plainStep[S, uint8]
	case Uint16:
		return plainStep[S, uint16]
	case Uint32:
		return plainStep[S, uint32]
	case Uint64:
		return plainStep[S, uint64]
	case Float32:
		return plainStep[S, float32]
	}
	return plainStep[S, float64]
}

func fromFloat[S float32 | float64](to DType) step {
	switch to {
	case Bool:
		return truth[S]
	case Int8:
		return narrowStep[S, int8]
	case Int16:
		return narrowStep[S, int16]
	case Int32:
		return narrowStep[S, int32]
	case Int64:
		return wideStep[S, int64]
	case Uint8:
		return narrowStep[S, uint8]
	case Uint16:
		return narrowStep[S, uint16]
	case Uint32:
		return wideStep[S, uint32]
	case Uint64:
		return unsignedStep[S]
	case Float32:
		return plainStep[S, float32]
	}
	return plainStep[S, float64]
}

func plainStep[S, D native](dst, src []byte, n int) {
	out := as[D](dst)[:n]
	for i, v := range as[S](src)[:n] {
		out[i] = D(v)
	}
}

func truth[S native](dst, src []byte, n int) {
	for i, v := range as[S](src)[:n] {
		dst[i] = 0
		if v != 0 {
			dst[i] = 1
		}
	}
}

// narrowStep goes over int32, as x86-64 does: what doesn't fit is its least.
func narrowStep[S float32 | float64, D int8 | int16 | int32 | uint8 | uint16](dst, src []byte, n int) {
	out := as[D](dst)[:n]
	for i, v := range as[S](src)[:n] {
		k := int32(math.MinInt32)
		if float64(v) > math.MinInt32-1 && float64(v) < math.MaxInt32+1 {
			k = int32(v)
		}
		out[i] = D(k)
	}
}

// wideStep goes over int64.
func wideStep[S float32 | float64, D int64 | uint32](dst, src []byte, n int) {
	out := as[D](dst)[:n]
	for i, v := range as[S](src)[:n] {
		out[i] = D(whole(float64(v)))
	}
}

// whole is v as an int64, or the least where it is none.
func whole(v float64) int64 {
	if v >= math.MinInt64 && v < -math.MinInt64 {
		return int64(v)
	}
	return math.MinInt64
}

func unsignedStep[S float32 | float64](dst, src []byte, n int) {
	out := as[uint64](dst)[:n]
	for i, v := range as[S](src)[:n] {
		if f := float64(v); !(f >= -math.MinInt64) {
			out[i] = uint64(whole(f))
		} else {
			out[i] = uint64(whole(f+math.MinInt64)) ^ 1<<63
		}
	}
}

//go:build amd64 && !purego

package array

import "golang.org/x/sys/cpu"

// fast says that the assembly can run. Every processor with AVX2 that was built
// has conversions to 16-bit floats too; asking costs little.
var fast = cpu.X86.HasAVX2 && f16c()

// f16c is the processor's word on 16-bit floats.
func f16c() bool

// lanes brings as many of n elements through a kernel as it takes, from the
// first on, and returns how many those are.
func lanes(k kernel, dst, src []byte, n int) int {
	n &^= 15
	if !fast || n == 0 {
		return 0
	}
	to, from := &dst[0], &src[0]
	switch k {
	case kWidenInt8to16:
		widenInt8to16(to, from, n)
	case kWidenInt8to32:
		widenInt8to32(to, from, n)
	case kWidenInt8to64:
		widenInt8to64(to, from, n)
	case kWidenInt16to32:
		widenInt16to32(to, from, n)
	case kWidenInt16to64:
		widenInt16to64(to, from, n)
	case kWidenInt32to64:
		widenInt32to64(to, from, n)
	case kWidenUint8to16:
		widenUint8to16(to, from, n)
	case kWidenUint8to32:
		widenUint8to32(to, from, n)
	case kWidenUint8to64:
		widenUint8to64(to, from, n)
	case kWidenUint16to32:
		widenUint16to32(to, from, n)
	case kWidenUint16to64:
		widenUint16to64(to, from, n)
	case kWidenUint32to64:
		widenUint32to64(to, from, n)
	case kNarrow16to8:
		narrow16to8(to, from, n)
	case kNarrow32to16:
		narrow32to16(to, from, n)
	case kNarrow32to8:
		narrow32to8(to, from, n)
	case kNarrow64to32:
		narrow64to32(to, from, n)
	case kNarrow64to16:
		narrow64to16(to, from, n)
	case kNarrow64to8:
		narrow64to8(to, from, n)
	case kInt8toFloat32:
		int8toFloat32(to, from, n)
	case kInt8toFloat64:
		int8toFloat64(to, from, n)
	case kInt16toFloat32:
		int16toFloat32(to, from, n)
	case kInt16toFloat64:
		int16toFloat64(to, from, n)
	case kUint8toFloat32:
		uint8toFloat32(to, from, n)
	case kUint8toFloat64:
		uint8toFloat64(to, from, n)
	case kUint16toFloat32:
		uint16toFloat32(to, from, n)
	case kUint16toFloat64:
		uint16toFloat64(to, from, n)
	case kInt32toFloat32:
		int32toFloat32(to, from, n)
	case kInt32toFloat64:
		int32toFloat64(to, from, n)
	case kUint32toFloat64:
		uint32toFloat64(to, from, n)
	case kUint32toFloat32:
		uint32toFloat32(to, from, n)
	case kInt64toFloat64:
		int64toFloat64(to, from, n)
	case kInt64toFloat32:
		int64toFloat32(to, from, n)
	case kFloat32toInt64:
		float32toInt64(to, from, n)
	case kFloat64toInt64:
		float64toInt64(to, from, n)
	case kFloat32toInt32:
		float32toInt32(to, from, n)
	case kFloat64toInt32:
		float64toInt32(to, from, n)
	case kFloat32to16:
		float32to16(to, from, n)
	case kFloat32to8:
		float32to8(to, from, n)
	case kFloat64to16:
		float64to16(to, from, n)
	case kFloat64to8:
		float64to8(to, from, n)
	case kFloat32toFloat64:
		float32toFloat64(to, from, n)
	case kFloat64toFloat32:
		float64toFloat32(to, from, n)
	case kFloat16toFloat32:
		float16toFloat32(to, from, n)
	case kFloat32toFloat16:
		float32toFloat16(to, from, n)
	case kBfloat16toFloat32:
		bfloat16toFloat32(to, from, n)
	case kFloat32toBFloat16:
		float32toBFloat16(to, from, n)
	case kTruth8:
		truth8(to, from, n)
	case kTruth16:
		truth16(to, from, n)
	case kTruth32:
		truth32(to, from, n)
	case kTruthFloat32:
		truthFloat32(to, from, n)
	case kTruth64:
		truth64(to, from, n)
	case kTruthFloat64:
		truthFloat64(to, from, n)
	case kReals64:
		reals64(to, from, n)
	case kSpread64:
		spread64(to, from, n)
	case kSwap16:
		swap16(to, from, n)
	case kSwap32:
		swap32(to, from, n)
	case kSwap64:
		swap64(to, from, n)
	default:
		return 0
	}
	return n
}

//go:noescape
func widenInt8to16(dst, src *byte, n int)

//go:noescape
func widenInt8to32(dst, src *byte, n int)

//go:noescape
func widenInt8to64(dst, src *byte, n int)

//go:noescape
func widenInt16to32(dst, src *byte, n int)

//go:noescape
func widenInt16to64(dst, src *byte, n int)

//go:noescape
func widenInt32to64(dst, src *byte, n int)

//go:noescape
func widenUint8to16(dst, src *byte, n int)

//go:noescape
func widenUint8to32(dst, src *byte, n int)

//go:noescape
func widenUint8to64(dst, src *byte, n int)

//go:noescape
func widenUint16to32(dst, src *byte, n int)

//go:noescape
func widenUint16to64(dst, src *byte, n int)

//go:noescape
func widenUint32to64(dst, src *byte, n int)

//go:noescape
func narrow16to8(dst, src *byte, n int)

//go:noescape
func narrow32to16(dst, src *byte, n int)

//go:noescape
func narrow32to8(dst, src *byte, n int)

//go:noescape
func narrow64to32(dst, src *byte, n int)

//go:noescape
func narrow64to16(dst, src *byte, n int)

//go:noescape
func narrow64to8(dst, src *byte, n int)

//go:noescape
func int8toFloat32(dst, src *byte, n int)

//go:noescape
func int8toFloat64(dst, src *byte, n int)

//go:noescape
func int16toFloat32(dst, src *byte, n int)

//go:noescape
func int16toFloat64(dst, src *byte, n int)

//go:noescape
func uint8toFloat32(dst, src *byte, n int)

//go:noescape
func uint8toFloat64(dst, src *byte, n int)

//go:noescape
func uint16toFloat32(dst, src *byte, n int)

//go:noescape
func uint16toFloat64(dst, src *byte, n int)

//go:noescape
func int32toFloat32(dst, src *byte, n int)

//go:noescape
func int32toFloat64(dst, src *byte, n int)

//go:noescape
func uint32toFloat64(dst, src *byte, n int)

//go:noescape
func uint32toFloat32(dst, src *byte, n int)

//go:noescape
func int64toFloat64(dst, src *byte, n int)

//go:noescape
func int64toFloat32(dst, src *byte, n int)

//go:noescape
func float32toInt64(dst, src *byte, n int)

//go:noescape
func float64toInt64(dst, src *byte, n int)

//go:noescape
func float32toInt32(dst, src *byte, n int)

//go:noescape
func float64toInt32(dst, src *byte, n int)

//go:noescape
func float32to16(dst, src *byte, n int)

//go:noescape
func float32to8(dst, src *byte, n int)

//go:noescape
func float64to16(dst, src *byte, n int)

//go:noescape
func float64to8(dst, src *byte, n int)

//go:noescape
func float32toFloat64(dst, src *byte, n int)

//go:noescape
func float64toFloat32(dst, src *byte, n int)

//go:noescape
func float16toFloat32(dst, src *byte, n int)

//go:noescape
func float32toFloat16(dst, src *byte, n int)

//go:noescape
func bfloat16toFloat32(dst, src *byte, n int)

//go:noescape
func float32toBFloat16(dst, src *byte, n int)

//go:noescape
func truth8(dst, src *byte, n int)

//go:noescape
func truth16(dst, src *byte, n int)

//go:noescape
func truth32(dst, src *byte, n int)

//go:noescape
func truthFloat32(dst, src *byte, n int)

//go:noescape
func truth64(dst, src *byte, n int)

//go:noescape
func truthFloat64(dst, src *byte, n int)

//go:noescape
func reals64(dst, src *byte, n int)

//go:noescape
func spread64(dst, src *byte, n int)

//go:noescape
func swap16(dst, src *byte, n int)

//go:noescape
func swap32(dst, src *byte, n int)

//go:noescape
func swap64(dst, src *byte, n int)

//go:build amd64 && !purego

#include "textflag.h"

// A float kernel takes eight bytes to numbers, less their means, times their
// inverse deviations: two roundings, as the Go code has them, so no fused
// multiply-add. Means are in Y8-Y10, inverses in Y11-Y13, 24 in turn: enough
// for red, green, blue, red ... and for one channel alike.
#define NORMALISE(o, mean, inverse) \
	VPMOVZXBD o(SI), Y0         \
	VCVTDQ2PS Y0, Y0            \
	VSUBPS    mean, Y0, Y0      \
	VMULPS    inverse, Y0, Y0

#define PUT32(o) VMOVUPS Y0, (4*o)(DI)
#define STREAM32(o) VMOVNTPS Y0, (4*o)(DI)

#define PUT16(o) VCVTPS2PH $0, Y0, (2*o)(DI)
#define STREAM16(o) \
	VCVTPS2PH $0, Y0, X0     \
	VMOVNTDQ  X0, (2*o)(DI)

// BRAIN rounds the upper 16 bits to nearest, ties to even, and packs them: the
// signed packing of an arithmetic shift keeps them as they are. Y14 is 0x7fff,
// Y15 is one, in 32 bits.
#define BRAIN \
	VPSRLD       $16, Y0, Y1  \
	VPAND        Y15, Y1, Y1  \
	VPADDD       Y14, Y0, Y0  \
	VPADDD       Y1, Y0, Y0   \
	VPSRAD       $16, Y0, Y0  \
	VEXTRACTI128 $1, Y0, X1   \
	VPACKSSDW    X1, X0, X0

#define PUTBRAIN(o) \
	BRAIN                   \
	VMOVDQU X0, (2*o)(DI)
#define STREAMBRAIN(o) \
	BRAIN                   \
	VMOVNTDQ X0, (2*o)(DI)

// KERNEL is the body: 24 numbers at a time, then eight.
#define KERNEL(put, size) \
	MOVQ    dst+0(FP), DI      \
	MOVQ    src+8(FP), SI      \
	MOVQ    n+16(FP), CX       \
	MOVQ    mean+24(FP), R8    \
	MOVQ    inverse+32(FP), R9 \
	VMOVUPS (R8), Y8           \
	VMOVUPS 32(R8), Y9         \
	VMOVUPS 64(R8), Y10        \
	VMOVUPS (R9), Y11          \
	VMOVUPS 32(R9), Y12        \
	VMOVUPS 64(R9), Y13        \
	VPCMPEQD Y14, Y14, Y14     \
	VPSRLD  $31, Y14, Y15      \
	VPSRLD  $17, Y14, Y14      \
	SUBQ    $24, CX            \
	JLT     rest               \
loop:                          \
	NORMALISE(0, Y8, Y11)      \
	put(0)                     \
	NORMALISE(8, Y9, Y12)      \
	put(8)                     \
	NORMALISE(16, Y10, Y13)    \
	put(16)                    \
	ADDQ    $24, SI            \
	ADDQ    $(24*size), DI     \
	SUBQ    $24, CX            \
	JGE     loop               \
rest:                          \
	ADDQ    $24, CX            \
	JZ      done               \
	NORMALISE(0, Y8, Y11)      \
	put(0)                     \
	SUBQ    $8, CX             \
	JZ      done               \
	NORMALISE(8, Y9, Y12)      \
	put(8)                     \
done:                          \
	VZEROUPPER                 \
	RET

// func float32AVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·float32AVX2(SB), NOSPLIT, $0-40
	KERNEL(PUT32, 4)

// func float32StreamAVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·float32StreamAVX2(SB), NOSPLIT, $0-40
	KERNEL(STREAM32, 4)

// func float16AVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·float16AVX2(SB), NOSPLIT, $0-40
	KERNEL(PUT16, 2)

// func float16StreamAVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·float16StreamAVX2(SB), NOSPLIT, $0-40
	KERNEL(STREAM16, 2)

// func bfloat16AVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·bfloat16AVX2(SB), NOSPLIT, $0-40
	KERNEL(PUTBRAIN, 2)

// func bfloat16StreamAVX2(dst, src *byte, n int, mean, inverse *float32)
TEXT ·bfloat16StreamAVX2(SB), NOSPLIT, $0-40
	KERNEL(STREAMBRAIN, 2)

// func fence()
TEXT ·fence(SB), NOSPLIT, $0-0
	SFENCE
	RET

// func f16c() bool
TEXT ·f16c(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $29, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

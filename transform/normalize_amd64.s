//go:build amd64 && !purego

#include "textflag.h"

// LINE takes eight bytes to numbers by a line, whose five rows of 24 lie at R8.
// Every operation rounds, as in the Go code, so no fused multiply-add.
#define LINE(o) \
	VPMOVZXBD o(SI), Y0            \
	VCVTDQ2PS Y0, Y0               \
	VSUBPS    (4*o)(R8), Y0, Y0    \
	VMULPS    (4*o+96)(R8), Y0, Y1 \
	VADDPS    (4*o+192)(R8), Y1, Y1 \
	VMULPS    (4*o+288)(R8), Y0, Y0 \
	VADDPS    (4*o+384)(R8), Y0, Y0 \
	VADDPS    Y1, Y0, Y0

#define PUT32(o) VMOVUPS Y0, (4*o)(DI)

#define PUT16(o) VCVTPS2PH $0, Y0, (2*o)(DI)

// PUTBRAIN rounds the upper 16 bits to nearest, ties to even, and packs them: the
// signed packing of an arithmetic shift keeps them as they are. Y14 is 0x7fff,
// Y15 is one, in 32 bits.
#define PUTBRAIN(o) \
	VPSRLD       $16, Y0, Y1  \
	VPAND        Y15, Y1, Y1  \
	VPADDD       Y14, Y0, Y0  \
	VPADDD       Y1, Y0, Y0   \
	VPSRAD       $16, Y0, Y0  \
	VEXTRACTI128 $1, Y0, X1   \
	VPACKSSDW    X1, X0, X0   \
	VMOVDQU      X0, (2*o)(DI)

#define KERNEL(put, size) \
	MOVQ     dst+0(FP), DI    \
	MOVQ     src+8(FP), SI    \
	MOVQ     n+16(FP), CX     \
	MOVQ     l+24(FP), R8     \
	VPCMPEQD Y14, Y14, Y14    \
	VPSRLD   $31, Y14, Y15    \
	VPSRLD   $17, Y14, Y14    \
loop:                         \
	LINE(0)                   \
	put(0)                    \
	LINE(8)                   \
	put(8)                    \
	LINE(16)                  \
	put(16)                   \
	ADDQ     $24, SI          \
	ADDQ     $(24*size), DI   \
	SUBQ     $24, CX          \
	JG       loop             \
	VZEROUPPER                \
	RET

// func lineFloat32AVX2(dst, src *byte, n int, l *line)
TEXT ·lineFloat32AVX2(SB), NOSPLIT, $0-32
	KERNEL(PUT32, 4)

// func lineFloat16AVX2(dst, src *byte, n int, l *line)
TEXT ·lineFloat16AVX2(SB), NOSPLIT, $0-32
	KERNEL(PUT16, 2)

// func lineBFloat16AVX2(dst, src *byte, n int, l *line)
TEXT ·lineBFloat16AVX2(SB), NOSPLIT, $0-32
	KERNEL(PUTBRAIN, 2)

// func f16c() bool
TEXT ·f16c(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $29, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET

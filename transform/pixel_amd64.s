//go:build !purego

#include "textflag.h"

// STEP adds the row of 16 values at off, and the one 128 after it, for the bytes
// that come so far: what a row does not concern has its highest bit set, and
// gives 0.
#define STEP(off) \
	VPSUBSB        Y15, Y0, Y0;     \
	VPSUBSB        Y15, Y1, Y1;     \
	VPSUBSB        Y15, Y2, Y2;     \
	VPSUBSB        Y15, Y3, Y3;     \
	VBROADCASTI128 off(DX), Y4;     \
	VBROADCASTI128 128+off(DX), Y5; \
	VPSHUFB        Y0, Y4, Y6;      \
	VPSHUFB        Y1, Y4, Y7;      \
	VPSHUFB        Y2, Y5, Y12;     \
	VPSHUFB        Y3, Y5, Y13;     \
	VPXOR          Y6, Y8, Y8;      \
	VPXOR          Y7, Y9, Y9;      \
	VPXOR          Y12, Y10, Y10;   \
	VPXOR          Y13, Y11, Y11

// func lookupAVX2(dst, src *byte, n int, steps *[256]byte)
TEXT ·lookupAVX2(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVQ         steps+24(FP), DX
	MOVL         $0x10101010, AX
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	MOVL         $0x80808080, AX
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14

lookupLoop:
	VMOVDQU        (SI), Y0
	VMOVDQU        32(SI), Y1
	VPXOR          Y14, Y0, Y2
	VPXOR          Y14, Y1, Y3
	VBROADCASTI128 (DX), Y4
	VBROADCASTI128 128(DX), Y5
	VPSHUFB        Y0, Y4, Y8
	VPSHUFB        Y1, Y4, Y9
	VPSHUFB        Y2, Y5, Y10
	VPSHUFB        Y3, Y5, Y11
	STEP(16)
	STEP(32)
	STEP(48)
	STEP(64)
	STEP(80)
	STEP(96)
	STEP(112)
	VPXOR          Y10, Y8, Y8
	VPXOR          Y11, Y9, Y9
	VMOVDQU        Y8, (DI)
	VMOVDQU        Y9, 32(DI)
	ADDQ           $64, SI
	ADDQ           $64, DI
	SUBQ           $64, CX
	JNE            lookupLoop
	VZEROUPPER
	RET

// GRAYSETUP loads what GRAY needs into Y10 to Y15.
#define GRAYSETUP \
	LEAQ    ·pixelWords(SB), DX; \
	VMOVDQU (DX), Y15;           \
	VMOVDQU 32(DX), Y14;         \
	VMOVDQU 64(DX), Y13;         \
	VMOVDQU 96(DX), Y12;         \
	VMOVDQU 128(DX), Y11;        \
	VMOVDQU 160(DX), Y10

// GRAY leaves the gray of the eight pixels at SI in Y0. The sum of three
// products is whole and below 2^22; half more, its ten-thousandth is nowhere so
// near to a whole number that float32's rounding could reach it.
#define GRAY \
	VMOVDQU     (SI), X0;            \
	VINSERTI128 $1, 12(SI), Y0, Y0;  \
	VPSHUFB     Y15, Y0, Y1;         \
	VPSHUFB     Y14, Y0, Y2;         \
	VPMADDWD    Y13, Y1, Y1;         \
	VPMADDWD    Y12, Y2, Y2;         \
	VPADDD      Y2, Y1, Y0;          \
	VCVTDQ2PS   Y0, Y0;              \
	VADDPS      Y11, Y0, Y0;         \
	VMULPS      Y10, Y0, Y0;         \
	VCVTTPS2DQ  Y0, Y0

// func grayTriplesAVX2(dst, src *byte, n int)
TEXT ·grayTriplesAVX2(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    n+16(FP), CX
	GRAYSETUP
	VMOVDQU 192(DX), Y9

triplesLoop:
	GRAY
	VPSHUFB      Y9, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVQ        X0, (DI)
	VPEXTRD      $2, X0, 8(DI)
	VMOVQ        X1, 12(DI)
	VPEXTRD      $2, X1, 20(DI)
	ADDQ         $24, SI
	ADDQ         $24, DI
	SUBQ         $24, CX
	JNE          triplesLoop
	VZEROUPPER
	RET

// func graySumAVX2(src *byte, n int) uint64
TEXT ·graySumAVX2(SB), NOSPLIT, $0-24
	MOVQ  src+0(FP), SI
	MOVQ  n+8(FP), CX
	GRAYSETUP
	VPXOR Y8, Y8, Y8

sumLoop:
	GRAY
	VPADDD Y0, Y8, Y8
	ADDQ   $24, SI
	SUBQ   $24, CX
	JNE    sumLoop

	VEXTRACTI128 $1, Y8, X0
	VPADDD       X0, X8, X0
	VPSHUFD      $0x4E, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xB1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, AX
	MOVQ         AX, ret+16(FP)
	VZEROUPPER
	RET

// func mixAVX2(dst, a, b *byte, n int, m *mix)
TEXT ·mixAVX2(SB), NOSPLIT, $0-40
	MOVQ           dst+0(FP), DI
	MOVQ           a+8(FP), SI
	MOVQ           b+16(FP), BX
	MOVQ           n+24(FP), CX
	MOVQ           m+32(FP), DX
	LEAQ           ·pixelWords(SB), R8
	VMOVDQU        224(R8), Y15
	VBROADCASTI128 (DX), Y14
	VBROADCASTI128 16(DX), Y13
	VPBROADCASTW   32(DX), Y12
	VPBROADCASTW   34(DX), Y11
	MOVL           $0x1F1F1F1F, AX
	VMOVD          AX, X10
	VPBROADCASTD   X10, Y10
	MOVL           $0x10101010, AX
	VMOVD          AX, X9
	VPBROADCASTD   X9, Y9
	MOVL           $0x07070707, AX
	VMOVD          AX, X8
	VPBROADCASTD   X8, Y8
	XORQ           AX, AX

mixLoop:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU (BX)(AX*1), Y1

	// Y7 is -1 where the bytes are equal and less has them, 0 elsewhere.
	VPSRLW   $3, Y1, Y2
	VPAND    Y10, Y2, Y2
	VPSHUFB  Y2, Y14, Y3
	VPSUBSB  Y9, Y2, Y2
	VPSHUFB  Y2, Y13, Y2
	VPXOR    Y2, Y3, Y3
	VPAND    Y8, Y1, Y2
	VPSHUFB  Y2, Y15, Y2
	VPAND    Y2, Y3, Y3
	VPCMPEQB Y2, Y3, Y3
	VPCMPEQB Y0, Y1, Y7
	VPAND    Y3, Y7, Y7

	VPXOR      Y6, Y6, Y6
	VPUNPCKLBW Y6, Y0, Y2
	VPUNPCKHBW Y6, Y0, Y3
	VPUNPCKLBW Y6, Y1, Y4
	VPUNPCKHBW Y6, Y1, Y5
	VPSUBW     Y4, Y2, Y2
	VPSUBW     Y5, Y3, Y3
	VPMULLW    Y12, Y2, Y0
	VPMULLW    Y12, Y3, Y1
	VPMULHW    Y11, Y2, Y2
	VPMULHW    Y11, Y3, Y3
	VPADDW     Y0, Y2, Y2
	VPADDW     Y1, Y3, Y3
	VPSRAW     $3, Y2, Y2
	VPSRAW     $3, Y3, Y3
	VPADDW     Y4, Y2, Y2
	VPADDW     Y5, Y3, Y3
	VPACKUSWB  Y3, Y2, Y2
	VPADDB     Y7, Y2, Y2
	VMOVDQU    Y2, (DI)(AX*1)
	ADDQ       $32, AX
	CMPQ       AX, CX
	JNE        mixLoop
	VZEROUPPER
	RET

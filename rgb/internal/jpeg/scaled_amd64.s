//go:build !purego

#include "textflag.h"

// As in idct_amd64.s, one 128-bit lane works on one block.

// Offsets into ·halfPairs.
#define DC 0
#define A 32
#define OUTER13 64
#define OUTER57 96
#define INNER13 128
#define INNER57 160
#define ROUND1 192
#define ROUND2 224
#define GATHER 256
#define TRANSPOSE 288

// HALF makes outputs 0-3 from the pairs 0,0 and 2,6 and 1,3 and 5,7 of inputs.
// Uses Y0-Y3.
#define HALF(x00, x26, x13, x57, round, shift, o0, o1, o2, o3) \
	VPMADDWD DC(R8), x00, Y0;      \
	VPADDD   round(R8), Y0, Y0;    \
	VPMADDWD A(R8), x26, Y1;       \
	VPADDD   Y1, Y0, Y2;           \
	VPSUBD   Y1, Y0, Y0;           \
	VPMADDWD OUTER13(R8), x13, Y1; \
	VPMADDWD OUTER57(R8), x57, Y3; \
	VPADDD   Y3, Y1, Y1;           \
	VPADDD   Y1, Y2, o0;           \
	VPSUBD   Y1, Y2, o3;           \
	VPMADDWD INNER13(R8), x13, Y1; \
	VPMADDWD INNER57(R8), x57, Y3; \
	VPADDD   Y3, Y1, Y1;           \
	VPADDD   Y1, Y0, o1;           \
	VPSUBD   Y1, Y0, o2;           \
	VPSRAD   $shift, o0, o0;       \
	VPSRAD   $shift, o1, o1;       \
	VPSRAD   $shift, o2, o2;       \
	VPSRAD   $shift, o3, o3

// ROW loads row i of both blocks and dequantises it.
#define ROW(i, x, y) \
	VMOVDQU     16*i(SI), x;            \
	VINSERTI128 $1, 128+16*i(SI), y, y; \
	VPMULLW     32*i(BX), y, y

// func idctHalfPair(coefs *[2][64]int16, quant *quantPair, dst0 *byte, stride0 int, dst1 *byte, stride1 int)
TEXT ·idctHalfPair(SB), NOSPLIT, $0-48
	MOVQ coefs+0(FP), SI
	MOVQ quant+8(FP), BX
	MOVQ dst0+16(FP), DI
	MOVQ stride0+24(FP), R10
	MOVQ dst1+32(FP), DX
	MOVQ stride1+40(FP), R11
	LEAQ ·halfPairs(SB), R8

	ROW(0, X0, Y0)
	ROW(1, X1, Y1)
	ROW(2, X2, Y2)
	ROW(3, X3, Y3)
	ROW(5, X5, Y5)
	ROW(6, X6, Y6)
	ROW(7, X7, Y7)

	// Columns: the lower four, then the upper, then both as 16 bits.
	VPUNPCKLWD Y0, Y0, Y8
	VPUNPCKLWD Y6, Y2, Y9
	VPUNPCKLWD Y3, Y1, Y10
	VPUNPCKLWD Y7, Y5, Y11
	VPUNPCKHWD Y0, Y0, Y12
	VPUNPCKHWD Y6, Y2, Y13
	VPUNPCKHWD Y3, Y1, Y14
	VPUNPCKHWD Y7, Y5, Y15
	HALF(Y8, Y9, Y10, Y11, ROUND1, 12, Y4, Y5, Y6, Y7)
	HALF(Y12, Y13, Y14, Y15, ROUND1, 12, Y8, Y9, Y10, Y11)
	VPACKSSDW  Y8, Y4, Y4
	VPACKSSDW  Y9, Y5, Y5
	VPACKSSDW  Y10, Y6, Y6
	VPACKSSDW  Y11, Y7, Y7

	// Each row's pairs, then each pair's rows.
	VMOVDQU     GATHER(R8), Y0
	VPSHUFB     Y0, Y4, Y4
	VPSHUFB     Y0, Y5, Y5
	VPSHUFB     Y0, Y6, Y6
	VPSHUFB     Y0, Y7, Y7
	VPUNPCKLDQ  Y5, Y4, Y0
	VPUNPCKHDQ  Y5, Y4, Y1
	VPUNPCKLDQ  Y7, Y6, Y2
	VPUNPCKHDQ  Y7, Y6, Y3
	VPUNPCKLQDQ Y2, Y0, Y8
	VPUNPCKHQDQ Y2, Y0, Y9
	VPUNPCKLQDQ Y3, Y1, Y10
	VPUNPCKHQDQ Y3, Y1, Y11
	HALF(Y8, Y9, Y10, Y11, ROUND2, 19, Y4, Y5, Y6, Y7)

	// To bytes, column after column, and from those to rows.
	VPACKSSDW    Y5, Y4, Y4
	VPACKSSDW    Y7, Y6, Y6
	VPACKUSWB    Y6, Y4, Y4
	VPSHUFB      TRANSPOSE(R8), Y4, Y4
	VMOVD        X4, (DI)
	VPEXTRD      $1, X4, (DI)(R10*1)
	LEAQ         (DI)(R10*2), DI
	VPEXTRD      $2, X4, (DI)
	VPEXTRD      $3, X4, (DI)(R10*1)
	VEXTRACTI128 $1, Y4, X4
	VMOVD        X4, (DX)
	VPEXTRD      $1, X4, (DX)(R11*1)
	LEAQ         (DX)(R11*2), DX
	VPEXTRD      $2, X4, (DX)
	VPEXTRD      $3, X4, (DX)(R11*1)
	VZEROUPPER
	RET

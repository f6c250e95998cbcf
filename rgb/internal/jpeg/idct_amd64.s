//go:build !purego

#include "funcdata.h"
#include "textflag.h"

// One 128-bit lane works on one block, so nothing ever crosses lanes.
// Go's operand order: the last is the destination, VPSUBD b, a, dst is a-b.

// Offsets into ·basisPairs: the multiplier pairs, then the rounding terms.
#define P 0
#define M 32
#define A 64
#define B 96
#define ODD(i) (128+64*i)
#define ROUND 384

// EVEN takes the interleaved inputs 0,4 in x04 and 2,6 in x26 and leaves
// the even part's four sums in Y4, Y5, Y1, Y0. Uses Y2, Y3.
#define EVEN(x04, x26, round) \
	VPMADDWD P(R8), x04, Y0;  \
	VPMADDWD M(R8), x04, Y1;  \
	VPMADDWD A(R8), x26, Y2;  \
	VPMADDWD B(R8), x26, Y3;  \
	VPADDD   round(R8), Y0, Y0; \
	VPADDD   round(R8), Y1, Y1; \
	VPADDD   Y2, Y0, Y4;      \
	VPSUBD   Y2, Y0, Y0;      \
	VPADDD   Y3, Y1, Y5;      \
	VPSUBD   Y3, Y1, Y1

// BUTTERFLY makes outputs i and 7-i from an even sum and the inputs 1,3 in
// x13 and 5,7 in x57. Uses Y2, Y3.
#define BUTTERFLY(i, even, x13, x57, shift, low, high) \
	VPMADDWD ODD(i)(R8), x13, Y2;    \
	VPMADDWD ODD(i)+32(R8), x57, Y3; \
	VPADDD   Y3, Y2, Y2;             \
	VPADDD   Y2, even, low;          \
	VPSUBD   Y2, even, high;         \
	VPSRAD   $shift, low, low;       \
	VPSRAD   $shift, high, high

// PASS transforms vectors 0-7 in Y0-Y7, element by element. The upper four
// elements' 32-bit results wait on the stack until the lower four are there.
// Results 0-7 are in Y8 Y12 Y14 Y6 Y7 Y15 Y13 Y9.
#define PASS(shift, round) \
	VPUNPCKLWD Y4, Y0, Y8;  \
	VPUNPCKHWD Y4, Y0, Y12; \
	VPUNPCKLWD Y6, Y2, Y9;  \
	VPUNPCKHWD Y6, Y2, Y13; \
	VPUNPCKLWD Y3, Y1, Y10; \
	VPUNPCKHWD Y3, Y1, Y14; \
	VPUNPCKLWD Y7, Y5, Y11; \
	VPUNPCKHWD Y7, Y5, Y15; \
	EVEN(Y12, Y13, round);  \
	BUTTERFLY(0, Y4, Y14, Y15, shift, Y6, Y7); \
	VMOVDQU Y6, 0(SP);      \
	VMOVDQU Y7, 224(SP);    \
	BUTTERFLY(1, Y5, Y14, Y15, shift, Y6, Y7); \
	VMOVDQU Y6, 32(SP);     \
	VMOVDQU Y7, 192(SP);    \
	BUTTERFLY(2, Y1, Y14, Y15, shift, Y6, Y7); \
	VMOVDQU Y6, 64(SP);     \
	VMOVDQU Y7, 160(SP);    \
	BUTTERFLY(3, Y0, Y14, Y15, shift, Y6, Y7); \
	VMOVDQU Y6, 96(SP);     \
	VMOVDQU Y7, 128(SP);    \
	EVEN(Y8, Y9, round);    \
	BUTTERFLY(0, Y4, Y10, Y11, shift, Y8, Y9);   \
	BUTTERFLY(1, Y5, Y10, Y11, shift, Y12, Y13); \
	BUTTERFLY(2, Y1, Y10, Y11, shift, Y14, Y15); \
	BUTTERFLY(3, Y0, Y10, Y11, shift, Y6, Y7);   \
	VPACKSSDW 0(SP), Y8, Y8;     \
	VPACKSSDW 32(SP), Y12, Y12;  \
	VPACKSSDW 64(SP), Y14, Y14;  \
	VPACKSSDW 96(SP), Y6, Y6;    \
	VPACKSSDW 128(SP), Y7, Y7;   \
	VPACKSSDW 160(SP), Y15, Y15; \
	VPACKSSDW 192(SP), Y13, Y13; \
	VPACKSSDW 224(SP), Y9, Y9

// ROW loads row i of both blocks and dequantises it.
#define ROW(i, x, y) \
	VMOVDQU     16*i(SI), x;             \
	VINSERTI128 $1, 128+16*i(SI), y, y;  \
	VPMULLW     32*i(BX), y, y

// STORE writes two rows of pixels of each block and steps to the next two.
#define STORE(x, y) \
	VMOVQ   x, (DI);        \
	VMOVHPS x, (DI)(R10*1); \
	LEAQ    (DI)(R10*2), DI; \
	VEXTRACTI128 $1, y, x;  \
	VMOVQ   x, (DX);        \
	VMOVHPS x, (DX)(R11*1); \
	LEAQ    (DX)(R11*2), DX

// func idctPair(coefs *[2][64]int16, quant *quantPair, dst0 *byte, stride0 int, dst1 *byte, stride1 int)
TEXT ·idctPair(SB), NOSPLIT, $256-48
	NO_LOCAL_POINTERS
	MOVQ coefs+0(FP), SI
	MOVQ quant+8(FP), BX
	MOVQ dst0+16(FP), DI
	MOVQ stride0+24(FP), R10
	MOVQ dst1+32(FP), DX
	MOVQ stride1+40(FP), R11
	LEAQ ·basisPairs(SB), R8

	ROW(0, X0, Y0)
	ROW(1, X1, Y1)
	ROW(2, X2, Y2)
	ROW(3, X3, Y3)
	ROW(4, X4, Y4)
	ROW(5, X5, Y5)
	ROW(6, X6, Y6)
	ROW(7, X7, Y7)

	PASS(11, ROUND)

	// Transpose 16-bit elements: the rows' vectors become the columns'.
	VPUNPCKLWD  Y12, Y8, Y0
	VPUNPCKHWD  Y12, Y8, Y1
	VPUNPCKLWD  Y6, Y14, Y2
	VPUNPCKHWD  Y6, Y14, Y3
	VPUNPCKLWD  Y15, Y7, Y4
	VPUNPCKHWD  Y15, Y7, Y5
	VPUNPCKLWD  Y9, Y13, Y10
	VPUNPCKHWD  Y9, Y13, Y11
	VPUNPCKLDQ  Y2, Y0, Y6
	VPUNPCKLDQ  Y10, Y4, Y7
	VPUNPCKHDQ  Y2, Y0, Y8
	VPUNPCKHDQ  Y10, Y4, Y9
	VPUNPCKLDQ  Y3, Y1, Y12
	VPUNPCKLDQ  Y11, Y5, Y13
	VPUNPCKHDQ  Y3, Y1, Y14
	VPUNPCKHDQ  Y11, Y5, Y15
	VPUNPCKLQDQ Y7, Y6, Y0
	VPUNPCKHQDQ Y7, Y6, Y1
	VPUNPCKLQDQ Y9, Y8, Y2
	VPUNPCKHQDQ Y9, Y8, Y3
	VPUNPCKLQDQ Y13, Y12, Y4
	VPUNPCKHQDQ Y13, Y12, Y5
	VPUNPCKLQDQ Y15, Y14, Y6
	VPUNPCKHQDQ Y15, Y14, Y7

	PASS(18, ROUND+32)

	// To bytes, centred on 128, and back to rows.
	VPACKSSWB  Y7, Y8, Y0          // columns 0, 4
	VPACKSSWB  Y13, Y14, Y2        // columns 2, 6
	VPACKSSWB  Y15, Y12, Y1        // columns 1, 5
	VPACKSSWB  Y9, Y6, Y3          // columns 3, 7
	VPUNPCKLBW Y2, Y0, Y4          // 0, 2
	VPUNPCKHBW Y2, Y0, Y5          // 4, 6
	VPUNPCKLBW Y3, Y1, Y6          // 1, 3
	VPUNPCKHBW Y3, Y1, Y7          // 5, 7
	VPUNPCKLBW Y6, Y4, Y8          // 0-3 of rows 0-3
	VPUNPCKHBW Y6, Y4, Y9          // 0-3 of rows 4-7
	VPUNPCKLBW Y7, Y5, Y10         // 4-7 of rows 0-3
	VPUNPCKHBW Y7, Y5, Y11         // 4-7 of rows 4-7
	VMOVDQU    ROUND+64(R8), Y15
	VPUNPCKLDQ Y10, Y8, Y0
	VPUNPCKHDQ Y10, Y8, Y1
	VPUNPCKLDQ Y11, Y9, Y2
	VPUNPCKHDQ Y11, Y9, Y3
	VPXOR      Y15, Y0, Y0
	VPXOR      Y15, Y1, Y1
	VPXOR      Y15, Y2, Y2
	VPXOR      Y15, Y3, Y3
	STORE(X0, Y0)
	STORE(X1, Y1)
	STORE(X2, Y2)
	STORE(X3, Y3)
	VZEROUPPER
	RET

//go:build !purego

#include "textflag.h"

// Go's operand order: the last is the destination, VPSUBD b, a, dst is a-b.
// One 128-bit lane works on one block, or 8 pixels, so nothing ever crosses
// lanes.

// Offsets into ·encodeWords.
#define LUMA 0
#define BLUE 64
#define RED 128
#define HALF 192
#define CENTRE 224
#define ONES 256
#define BIAS 288
#define SPLIT 320
#define EVEN2 448
#define EVEN6 480
#define ODD(i) (512+64*i)
#define ROUND1 768
#define ROUND2 800
#define SMALL 832
#define MIDDLE 864
#define ORDER(i) (896+32*i)

// LOAD splits 16 pixels at p into words: red and green of the first 4 of each
// 8 in Y0 and of the last in Y1, blue and green in Y2 and Y3.
#define LOAD(p) \
	VMOVDQU     (p), X4;               \
	VMOVDQU     8(p), X5;              \
	VINSERTI128 $1, 24(p), Y4, Y4;     \
	VINSERTI128 $1, 32(p), Y5, Y5;     \
	VPSHUFB     SPLIT(R8), Y4, Y0;     \
	VPSHUFB     SPLIT+32(R8), Y5, Y1;  \
	VPSHUFB     SPLIT+64(R8), Y4, Y2;  \
	VPSHUFB     SPLIT+96(R8), Y5, Y3

// MAKELUMA leaves 16 samples at p+off.
#define MAKELUMA(p) \
	VPMADDWD LUMA(R8), Y0, Y4;    \
	VPMADDWD LUMA(R8), Y1, Y5;    \
	VPMADDWD LUMA+32(R8), Y2, Y6; \
	VPMADDWD LUMA+32(R8), Y3, Y7; \
	VPADDD   Y15, Y4, Y4;         \
	VPADDD   Y15, Y5, Y5;         \
	VPADDD   Y6, Y4, Y4;          \
	VPADDD   Y7, Y5, Y5;          \
	VPSRLD   $16, Y4, Y4;         \
	VPSRLD   $16, Y5, Y5;         \
	VPACKUSDW Y5, Y4, Y4;         \
	VEXTRACTI128 $1, Y4, X5;      \
	VPACKUSWB X5, X4, X4;         \
	VMOVDQU  X4, p

// CHROMA leaves 16 words in dst.
#define CHROMA(weights, dst) \
	VPMADDWD weights(R8), Y0, Y4;    \
	VPMADDWD weights(R8), Y1, Y5;    \
	VPMADDWD weights+32(R8), Y2, Y6; \
	VPMADDWD weights+32(R8), Y3, Y7; \
	VPSUBD   Y4, Y14, Y4;            \
	VPSUBD   Y5, Y14, Y5;            \
	VPSUBD   Y6, Y4, Y4;             \
	VPSUBD   Y7, Y5, Y5;             \
	VPSRLD   $16, Y4, Y4;            \
	VPSRLD   $16, Y5, Y5;            \
	VPACKUSDW Y5, Y4, dst

// func convertRows(luma *byte, stride int, chroma, upper, lower *byte, n int)
TEXT ·convertRows(SB), NOSPLIT, $0-48
	MOVQ luma+0(FP), DI
	MOVQ stride+8(FP), R9
	MOVQ chroma+16(FP), DX
	MOVQ upper+24(FP), SI
	MOVQ lower+32(FP), BX
	MOVQ n+40(FP), CX
	LEAQ ·encodeWords(SB), R8
	VMOVDQU HALF(R8), Y15
	VMOVDQU CENTRE(R8), Y14
	VMOVDQU ONES(R8), Y13
	VMOVDQU BIAS(R8), Y12

columns:
	LOAD(SI)
	MAKELUMA((DI))
	CHROMA(BLUE, Y8)
	CHROMA(RED, Y9)
	LOAD(BX)
	MAKELUMA((DI)(R9*1))
	CHROMA(BLUE, Y10)
	CHROMA(RED, Y11)
	VPADDW Y10, Y8, Y8
	VPADDW Y11, Y9, Y9
	VPMADDWD Y13, Y8, Y8          // neighbours
	VPMADDWD Y13, Y9, Y9
	VPADDD Y12, Y8, Y8
	VPADDD Y12, Y9, Y9
	VPSRLD $2, Y8, Y8
	VPSRLD $2, Y9, Y9
	VPACKUSDW Y9, Y8, Y8          // blue 0-3, red 0-3, blue 4-7, red 4-7
	VPERMQ $0xD8, Y8, Y8
	VEXTRACTI128 $1, Y8, X9
	VPACKUSWB X9, X8, X8
	VMOVDQU X8, (DX)
	ADDQ $48, SI
	ADDQ $48, BX
	ADDQ $16, DI
	ADDQ $16, DX
	DECQ CX
	JNZ  columns
	VZEROUPPER
	RET

// TRANSPOSE turns the words of rows in Y8-Y11 Y4-Y7 to columns in Y8-Y15.
#define TRANSPOSE \
	VPUNPCKLWD  Y9, Y8, Y0;   \
	VPUNPCKHWD  Y9, Y8, Y1;   \
	VPUNPCKLWD  Y11, Y10, Y2; \
	VPUNPCKHWD  Y11, Y10, Y3; \
	VPUNPCKLWD  Y5, Y4, Y12;  \
	VPUNPCKHWD  Y5, Y4, Y13;  \
	VPUNPCKLWD  Y7, Y6, Y14;  \
	VPUNPCKHWD  Y7, Y6, Y15;  \
	VPUNPCKLDQ  Y2, Y0, Y4;   \
	VPUNPCKHDQ  Y2, Y0, Y5;   \
	VPUNPCKLDQ  Y3, Y1, Y6;   \
	VPUNPCKHDQ  Y3, Y1, Y7;   \
	VPUNPCKLDQ  Y14, Y12, Y0; \
	VPUNPCKHDQ  Y14, Y12, Y1; \
	VPUNPCKLDQ  Y15, Y13, Y2; \
	VPUNPCKHDQ  Y15, Y13, Y3; \
	VPUNPCKLQDQ Y0, Y4, Y8;   \
	VPUNPCKHQDQ Y0, Y4, Y9;   \
	VPUNPCKLQDQ Y1, Y5, Y10;  \
	VPUNPCKHQDQ Y1, Y5, Y11;  \
	VPUNPCKLQDQ Y2, Y6, Y12;  \
	VPUNPCKHQDQ Y2, Y6, Y13;  \
	VPUNPCKLQDQ Y3, Y7, Y14;  \
	VPUNPCKHQDQ Y3, Y7, Y15

// SCALE ends one output whose halves are a and b.
#define SCALE(shift, round, a, b, dst) \
	VPADDD    round(R8), a, a; \
	VPADDD    round(R8), b, b; \
	VPSRAD    $shift, a, a;    \
	VPSRAD    $shift, b, b;    \
	VPACKSSDW b, a, dst

// ODDONE makes an output of the four differences in Y0-Y3.
#define ODDONE(i, shift, round, dst) \
	VPMADDWD ODD(i)(R8), Y0, Y12;    \
	VPMADDWD ODD(i)(R8), Y1, Y13;    \
	VPMADDWD ODD(i)+32(R8), Y2, Y14; \
	VPMADDWD ODD(i)+32(R8), Y3, Y15; \
	VPADDD   Y14, Y12, Y12;          \
	VPADDD   Y15, Y13, Y13;          \
	SCALE(shift, round, Y12, Y13, dst)

// PASS transforms vectors in Y8-Y15, element by element; the results are in
// Y8-Y11 Y4-Y7. The outputs 0 and 4 are left as sums.
#define PASS(shift, round) \
	VPADDW Y15, Y8, Y0;      \
	VPSUBW Y15, Y8, Y15;     \
	VPADDW Y14, Y9, Y1;      \
	VPSUBW Y14, Y9, Y14;     \
	VPADDW Y13, Y10, Y2;     \
	VPSUBW Y13, Y10, Y13;    \
	VPADDW Y12, Y11, Y3;     \
	VPSUBW Y12, Y11, Y12;    \
	VPADDW Y3, Y0, Y4;       \
	VPSUBW Y3, Y0, Y0;       \
	VPADDW Y2, Y1, Y5;       \
	VPSUBW Y2, Y1, Y1;       \
	VPADDW Y5, Y4, Y8;       \
	VPSUBW Y5, Y4, Y4;       \
	VPUNPCKLWD Y1, Y0, Y2;   \
	VPUNPCKHWD Y1, Y0, Y3;   \
	VPMADDWD EVEN2(R8), Y2, Y6; \
	VPMADDWD EVEN2(R8), Y3, Y7; \
	SCALE(shift, round, Y6, Y7, Y10) \
	VPMADDWD EVEN6(R8), Y2, Y2; \
	VPMADDWD EVEN6(R8), Y3, Y3; \
	SCALE(shift, round, Y2, Y3, Y6) \
	VPUNPCKLWD Y13, Y12, Y0; \
	VPUNPCKHWD Y13, Y12, Y1; \
	VPUNPCKLWD Y15, Y14, Y2; \
	VPUNPCKHWD Y15, Y14, Y3; \
	ODDONE(0, shift, round, Y9)  \
	ODDONE(1, shift, round, Y11) \
	ODDONE(2, shift, round, Y5)  \
	ODDONE(3, shift, round, Y7)

// ROW loads a row of both blocks and steps to the next.
#define ROW(y) \
	VPMOVZXBW (SI), y; \
	VPSUBW    Y0, y, y; \
	ADDQ      R9, SI

// DIVIDE quantises row i. Uses Y0.
#define DIVIDE(i, y) \
	VPABSW   y, Y0;               \
	VPADDW   96*i(BX), Y0, Y0;    \
	VPMULHUW 96*i+32(BX), Y0, Y0; \
	VPMULHUW 96*i+64(BX), Y0, Y0; \
	VPSIGNW  y, Y0, y

#define FIRST(i, row, dst) VPSHUFB ORDER(i)(R8), row, dst

#define NEXT(i, row, dst) \
	VPSHUFB ORDER(i)(R8), row, Y12; \
	VPOR    Y12, dst, dst

// STORE writes both blocks' coefficients i and i+1 times 8 in a and b, and
// leaves a bit for each that is 0: the lower block's 16 and the upper's.
#define STORE(i, a, b, zeros) \
	VMOVDQU      X0, 16*i(DI);       \
	VMOVDQU      X1, 16*i+16(DI);    \
	VEXTRACTI128 $1, Y0, 128+16*i(DI); \
	VEXTRACTI128 $1, Y1, 144+16*i(DI); \
	VPACKSSWB    Y1, Y0, Y0;         \
	VPCMPEQB     Y2, Y0, Y0;         \
	VPMOVMSKB    Y0, zeros

// func fdctPair(src *byte, stride int, q *quantiser, dst *[2][64]int16, some *[2]uint64)
TEXT ·fdctPair(SB), NOSPLIT, $0-40
	MOVQ src+0(FP), SI
	MOVQ stride+8(FP), R9
	MOVQ q+16(FP), BX
	MOVQ dst+24(FP), DI
	MOVQ some+32(FP), DX
	LEAQ ·encodeWords(SB), R8
	VMOVDQU MIDDLE(R8), Y0
	ROW(Y8)
	ROW(Y9)
	ROW(Y10)
	ROW(Y11)
	ROW(Y4)
	ROW(Y5)
	ROW(Y6)
	ROW(Y7)

	TRANSPOSE
	PASS(11, ROUND1)
	VPSLLW $2, Y8, Y8
	VPSLLW $2, Y4, Y4
	TRANSPOSE
	PASS(15, ROUND2)
	VPADDW SMALL(R8), Y8, Y8
	VPADDW SMALL(R8), Y4, Y4
	VPSRAW $2, Y8, Y8
	VPSRAW $2, Y4, Y4

	DIVIDE(0, Y8)
	DIVIDE(1, Y9)
	DIVIDE(2, Y10)
	DIVIDE(3, Y11)
	DIVIDE(4, Y4)
	DIVIDE(5, Y5)
	DIVIDE(6, Y6)
	DIVIDE(7, Y7)

	// Coding order.
	VPXOR Y2, Y2, Y2
	FIRST(0, Y8, Y0)
	NEXT(1, Y9, Y0)
	NEXT(2, Y10, Y0)
	FIRST(3, Y8, Y1)
	NEXT(4, Y9, Y1)
	NEXT(5, Y10, Y1)
	NEXT(6, Y11, Y1)
	NEXT(7, Y4, Y1)
	STORE(0, Y0, Y1, R10)
	FIRST(8, Y9, Y0)
	NEXT(9, Y10, Y0)
	NEXT(10, Y11, Y0)
	NEXT(11, Y4, Y0)
	NEXT(12, Y5, Y0)
	NEXT(13, Y6, Y0)
	FIRST(14, Y8, Y1)
	NEXT(15, Y9, Y1)
	NEXT(16, Y10, Y1)
	NEXT(17, Y11, Y1)
	STORE(2, Y0, Y1, R11)
	FIRST(18, Y4, Y0)
	NEXT(19, Y5, Y0)
	NEXT(20, Y6, Y0)
	NEXT(21, Y7, Y0)
	FIRST(22, Y9, Y1)
	NEXT(23, Y10, Y1)
	NEXT(24, Y11, Y1)
	NEXT(25, Y4, Y1)
	NEXT(26, Y5, Y1)
	NEXT(27, Y6, Y1)
	STORE(4, Y0, Y1, R12)
	FIRST(28, Y11, Y0)
	NEXT(29, Y4, Y0)
	NEXT(30, Y5, Y0)
	NEXT(31, Y6, Y0)
	NEXT(32, Y7, Y0)
	FIRST(33, Y5, Y1)
	NEXT(34, Y6, Y1)
	NEXT(35, Y7, Y1)
	STORE(6, Y0, Y1, R13)
	VZEROUPPER

	// Words of each block from halves.
	MOVL R11, AX
	SHLL $16, AX
	MOVWLZX R10, CX
	ORL  CX, AX
	MOVL R13, SI
	SHLL $16, SI
	MOVWLZX R12, CX
	ORL  CX, SI
	SHLQ $32, SI
	ORQ  SI, AX
	NOTQ AX
	MOVQ AX, (DX)
	SHRL $16, R10
	SHRL $16, R12
	ANDL $0xFFFF0000, R11
	ANDL $0xFFFF0000, R13
	ORL  R10, R11
	ORL  R12, R13
	SHLQ $32, R13
	ORQ  R13, R11
	NOTQ R11
	MOVQ R11, 8(DX)
	RET

// Offsets in a coder and a unit, and the entry of a code table that has a run
// and no value.
#define WORD 0
#define FREE 8
#define PRED 16
#define SOME 768
#define RUN(n) (256*n+128)

// SPLITVALUE takes a value in v and leaves in it the bits to write, and in
// lead how many of 32 they leave free. Uses t.
#define SPLITVALUE(v, lead, t) \
	MOVL   v, t;       \
	SARL   $31, t;     \
	ADDL   t, v;       \
	XORL   v, t;       \
	LZCNTL t, lead;    \
	SHLXL  lead, v, v; \
	SHRXL  lead, v, v

// func emitUnit(w *coder, dst *byte, u *unit) int
//
// R8 is the word, R9 how much of it is free, DI where the next goes; BX the
// block's number, SI its coefficients, R11 which of them are still to be
// written, R12 the one after the last that was, R10 its code table. At code
// DX is an entry of a code table and AX a value's bits.
TEXT ·emitUnit(SB), NOSPLIT, $0-32
	MOVQ w+0(FP), AX
	MOVQ dst+8(FP), DI
	MOVQ u+16(FP), SI
	MOVQ WORD(AX), R8
	MOVQ FREE(AX), R9
	MOVQ $0x0101010101010101, R13
	LEAQ ·acCodes(SB), R10
	XORL BX, BX

block:
	MOVQ  u+16(FP), AX
	MOVQ  SOME(AX)(BX*8), R11
	ANDQ  $-2, R11
	MOVL  $1, R12
	MOVQ  w+0(FP), CX
	XORL  DX, DX
	LEAQ  ·dcCodes(SB), R14
	CMPL  BX, $4
	JLT   dc
	LEAL  -3(BX), DX
	LEAQ  4096(R14), R14
	LEAQ  ·acCodes+4096(SB), R10

dc:
	LEAQ    PRED(CX)(DX*4), CX
	MOVWLSX (SI), AX
	MOVL    AX, DX
	SUBL    (CX), AX
	MOVL    DX, (CX)
	SPLITVALUE(AX, DX, CX)
	MOVL    (R14)(DX*4), DX
	JMP     code

coefficient:
	TZCNTQ  R11, R14
	MOVL    R14, DX
	SUBL    R12, DX
	CMPL    DX, $15
	JHI     long
	BLSRQ   R11, R11
	MOVWLSX (SI)(R14*2), AX
	LEAL    1(R14), R12
	SPLITVALUE(AX, R14, CX)
	SHLL    $6, DX
	ADDL    R14, DX
	MOVL    (R10)(DX*4), DX

code:
	MOVL  DX, CX
	SHRL  $6, CX
	ORL   CX, AX
	ANDL  $63, DX
	SUBQ  DX, R9
	JLT   full
	SHLXQ DX, R8, R8
	ORQ   AX, R8

coded:
	TESTQ R11, R11
	JNZ   coefficient
	CMPL  R12, $64
	JEQ   next
	MOVL  $64, R12                 // the end of the block
	MOVL  RUN(0)(R10), DX
	XORL  AX, AX
	JMP   code

next:
	ADDQ $128, SI
	INCL BX
	CMPL BX, $6
	JLT  block

	MOVQ w+0(FP), AX
	MOVQ R8, WORD(AX)
	MOVQ R9, FREE(AX)
	SUBQ dst+8(FP), DI
	MOVQ DI, ret+24(FP)
	RET

long: // 16 zeros of a longer run
	ADDL $16, R12
	MOVL RUN(15)(R10), DX
	XORL AX, AX
	JMP  code

full: // the code's first bits fill the word, the rest begins the next
	ADDQ  R9, DX
	SHLXQ DX, R8, R8
	MOVQ  R9, CX
	NEGQ  CX
	SHRXQ CX, AX, DX
	ORQ   DX, R8
	ADDQ  $64, R9
	LEAQ  (R8)(R13*1), CX
	ANDNQ R8, CX, CX
	MOVQ  $0x8080808080808080, DX
	TESTQ DX, CX
	JNZ   stuff
	BSWAPQ R8
	MOVQ  R8, (DI)
	ADDQ  $8, DI
	MOVQ  AX, R8
	JMP   coded

stuff: // there is a byte 0xFF: one after another
	MOVL $8, CX

byte:
	ROLQ $8, R8
	MOVB R8, (DI)
	INCQ DI
	CMPB R8, $0xFF
	JNE  plain
	MOVB $0, (DI)
	INCQ DI

plain:
	DECL CX
	JNZ  byte
	MOVQ AX, R8
	JMP  coded

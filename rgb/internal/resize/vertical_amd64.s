//go:build amd64 && !purego

#include "textflag.h"

// The arithmetic: a sample in flight is a 16-bit integer, the 8-bit value
// times 128. Weights are Q15. VPMULHRSW multiplies and rounds back to Q7;
// VPMADDWD weighs and adds a pair of neighbours into 32 bits.

// WIDEN makes two vectors of 16 columns, the bytes times 256, in lane order:
// columns 0-7 and 16-23, 8-15 and 24-31. Y15 is zero.
#define WIDEN(row, lo, hi) \
	VMOVDQU    row, hi      \
	VPUNPCKLBW hi, Y15, lo  \
	VPUNPCKHBW hi, Y15, hi

#define WEIGH(w, lo, hi) \
	VPMULHUW w, lo, lo  \
	VPMULHUW w, hi, hi  \
	VPADDW   lo, Y0, Y0 \
	VPADDW   hi, Y1, Y1

// COLUMNS stores 32 sums and moves on, the last step overlapping the one
// before it.
#define COLUMNS(next) \
	VPERM2I128 $0x20, Y1, Y0, Y2   \
	VPERM2I128 $0x31, Y1, Y0, Y3   \
	VMOVDQU    Y2, (DI)(AX*2)      \
	VMOVDQU    Y3, 32(DI)(AX*2)    \
	CMPQ       AX, CX              \
	JGE        done                \
	ADDQ       $32, AX             \
	CMPQ       AX, CX              \
	CMOVQGT    CX, AX              \
	JMP        next

// func vpass8AVX2(dst *int16, src *byte, stride, n int, w *int32, taps int)
// dst[i] is the weighted sum of taps rows of bytes; n >= 32. Products are cut
// off, not rounded, and half a unit a tap makes up for it.
TEXT ·vpass8AVX2(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         stride+16(FP), DX
	MOVQ         n+24(FP), CX
	MOVQ         w+32(FP), R8
	MOVQ         taps+40(FP), R9
	SUBQ         $32, CX
	XORQ         AX, AX
	VPXOR        Y15, Y15, Y15
	MOVQ         R9, R10
	SHRQ         $1, R10
	VMOVQ        R10, X14
	VPBROADCASTW X14, Y14
	CMPQ         R9, $4
	JGT          many
	VPBROADCASTW (R8), Y13
	CMPQ         R9, $1
	JEQ          many
	VPBROADCASTW 4(R8), Y12
	LEAQ         (SI)(DX*1), R11
	CMPQ         R9, $2
	JEQ          two
	VPBROADCASTW 8(R8), Y11
	LEAQ         (R11)(DX*1), R12
	CMPQ         R9, $3
	JEQ          three
	VPBROADCASTW 12(R8), Y10
	LEAQ         (R12)(DX*1), R13

four:
	VMOVDQA Y14, Y0
	VMOVDQA Y14, Y1
	WIDEN((SI)(AX*1), Y2, Y3)
	WIDEN((R11)(AX*1), Y4, Y5)
	WIDEN((R12)(AX*1), Y6, Y7)
	WIDEN((R13)(AX*1), Y8, Y9)
	WEIGH(Y13, Y2, Y3)
	WEIGH(Y12, Y4, Y5)
	WEIGH(Y11, Y6, Y7)
	WEIGH(Y10, Y8, Y9)
	COLUMNS(four)

three:
	VMOVDQA Y14, Y0
	VMOVDQA Y14, Y1
	WIDEN((SI)(AX*1), Y2, Y3)
	WIDEN((R11)(AX*1), Y4, Y5)
	WIDEN((R12)(AX*1), Y6, Y7)
	WEIGH(Y13, Y2, Y3)
	WEIGH(Y12, Y4, Y5)
	WEIGH(Y11, Y6, Y7)
	COLUMNS(three)

two:
	VMOVDQA Y14, Y0
	VMOVDQA Y14, Y1
	WIDEN((SI)(AX*1), Y2, Y3)
	WIDEN((R11)(AX*1), Y4, Y5)
	WEIGH(Y13, Y2, Y3)
	WEIGH(Y12, Y4, Y5)
	COLUMNS(two)

many:
	LEAQ    (SI)(AX*1), R10
	MOVQ    R8, R11
	MOVQ    R9, R12
	VMOVDQA Y14, Y0
	VMOVDQA Y14, Y1

rows:
	VPBROADCASTW (R11), Y13
	WIDEN((R10), Y2, Y3)
	WEIGH(Y13, Y2, Y3)
	ADDQ         DX, R10
	ADDQ         $4, R11
	DECQ         R12
	JNZ          rows
	COLUMNS(many)

done:
	VZEROUPPER
	RET

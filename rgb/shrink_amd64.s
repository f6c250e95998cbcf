//go:build !purego

#include "textflag.h"

// Products and sums are two roundings each, as the Go code has them: no fused
// multiply-add.

// PIXELS takes a pixel of each of the two results, with a byte more that
// nobody wants, and weighs it.
#define PIXELS(x, y) \
	VMOVD     (R10), x;         \
	VPINSRD   $1, (R11), x, x;  \
	VPMOVZXBD x, y;             \
	VCVTDQ2PS y, y;             \
	VMULPS    (BX), y, y;       \
	ADDQ      $32, BX

// func shrinkRow(dst *float32, src *byte, offset *int32, weight *[8]float32, pairs, taps int)
TEXT ·shrinkRow(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ offset+16(FP), DX
	MOVQ weight+24(FP), BX
	MOVQ pairs+32(FP), CX
	MOVQ taps+40(FP), R8

pair:
	MOVLQSX (DX), R10
	MOVLQSX 4(DX), R11
	ADDQ $8, DX
	ADDQ SI, R10
	ADDQ SI, R11
	PIXELS(X0, Y0)
	MOVQ R8, R9

tap:
	DECQ R9
	JZ   whole
	ADDQ $3, R10
	ADDQ $3, R11
	PIXELS(X1, Y1)
	VADDPS Y1, Y0, Y0
	JMP  tap

whole:
	VMOVUPS X0, (DI)
	VEXTRACTF128 $1, Y0, 12(DI)
	ADDQ $24, DI
	DECQ CX
	JNZ  pair
	VZEROUPPER
	RET

// func scaleRowAVX2(sum, row *float32, beta float32, n int)
TEXT ·scaleRowAVX2(SB), NOSPLIT, $0-32
	MOVQ sum+0(FP), DI
	MOVQ row+8(FP), SI
	VBROADCASTSS beta+16(FP), Y1
	MOVQ n+24(FP), CX

scale:
	VMULPS (SI), Y1, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  scale
	VZEROUPPER
	RET

// func addRowAVX2(sum, row *float32, beta float32, n int)
TEXT ·addRowAVX2(SB), NOSPLIT, $0-32
	MOVQ sum+0(FP), DI
	MOVQ row+8(FP), SI
	VBROADCASTSS beta+16(FP), Y1
	MOVQ n+24(FP), CX

add:
	VMULPS (SI), Y1, Y0
	VADDPS (DI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  add
	VZEROUPPER
	RET

// func roundRowAVX2(dst *byte, sum *float32, n int)
TEXT ·roundRowAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ sum+8(FP), SI
	MOVQ n+16(FP), CX

round:
	VCVTPS2DQ (SI), Y0             // halves to even
	VEXTRACTI128 $1, Y0, X1
	VPACKSSDW X1, X0, X0
	VPACKUSWB X0, X0, X0
	VMOVQ X0, (DI)
	SUBQ $8, CX
	JZ   done
	ADDQ $32, SI
	ADDQ $8, DI
	CMPQ CX, $8
	JGE  round

	// The last ones once more, with those before them.
	LEAQ -8(DI)(CX*1), DI
	LEAQ -32(SI)(CX*4), SI
	MOVQ $8, CX
	JMP  round

done:
	VZEROUPPER
	RET

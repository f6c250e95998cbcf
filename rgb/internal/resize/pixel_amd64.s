//go:build amd64 && !purego

#include "textflag.h"

DATA rgbPairs<>+0(SB)/8, $0x0908030207060100
DATA rgbPairs<>+8(SB)/8, $0x808080800b0a0504
DATA rgbPairs<>+16(SB)/8, $0x0908030207060100
DATA rgbPairs<>+24(SB)/8, $0x808080800b0a0504
GLOBL rgbPairs<>(SB), RODATA|NOPTR, $32

DATA rgbTight<>+0(SB)/8, $0x0908060504020100
DATA rgbTight<>+8(SB)/8, $0x808080800e0d0c0a
DATA rgbTight<>+16(SB)/8, $0x0908060504020100
DATA rgbTight<>+24(SB)/8, $0x808080800e0d0c0a
GLOBL rgbTight<>(SB), RODATA|NOPTR, $32

// TWO sums the pairs of two pixels: offsets at o(R8), weights at (R9).
// One lane is r0 r1 g0 g1 b0 b1 0 0, so a multiply-add gives r g b 0.
#define TWO(o, acc, loop) \
	MOVLQSX     o(R8), R10                 \
	MOVLQSX     o+4(R8), R11               \
	ADDQ        SI, R10                    \
	ADDQ        SI, R11                    \
	VMOVDQA     Y15, acc                   \
	MOVQ        DX, R12                    \
loop:                                      \
	VMOVDQU     (R10), X5                  \
	VINSERTI128 $1, (R11), Y5, Y5          \
	VPSHUFB     Y14, Y5, Y5                \
	VPMADDWD    (R9), Y5, Y5               \
	VPADDD      Y5, acc, acc               \
	ADDQ        $12, R10                   \
	ADDQ        $12, R11                   \
	ADDQ        $32, R9                    \
	DECQ        R12                        \
	JNZ         loop

// func hpixelAVX2(dst *byte, src *int16, offset *int32, weight *uint32, blocks, pairs int)
// Writes 24 bytes a block, and 4 past the last.
TEXT ·hpixelAVX2(SB), NOSPLIT, $0-48
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    offset+16(FP), R8
	MOVQ    weight+24(FP), R9
	MOVQ    blocks+32(FP), CX
	MOVQ    pairs+40(FP), DX
	VMOVDQU rgbPairs<>(SB), Y14
	VMOVDQU rgbTight<>(SB), Y13
	VPCMPEQD Y15, Y15, Y15
	VPSRLD  $31, Y15, Y15
	VPSLLD  $21, Y15, Y15

block:
	TWO(0, Y0, two0)
	TWO(8, Y1, two1)
	TWO(16, Y2, two2)
	TWO(24, Y3, two3)
	VPSRAD       $22, Y0, Y0
	VPSRAD       $22, Y1, Y1
	VPSRAD       $22, Y2, Y2
	VPSRAD       $22, Y3, Y3
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKUSWB    Y2, Y0, Y0
	VPSHUFB      Y13, Y0, Y0
	VMOVDQU      X0, (DI)
	VEXTRACTI128 $1, Y0, 12(DI)
	ADDQ         $24, DI
	ADDQ         $32, R8
	DECQ         CX
	JNZ          block
	VZEROUPPER
	RET

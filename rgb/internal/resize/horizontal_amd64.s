//go:build amd64 && !purego

#include "textflag.h"

// PAIR weighs the pair of taps p of eight outputs: their two windows are at
// R10 and R11, the weights at 32*(p+1)(R9), the shuffle in Y14.
#define PAIR(p, acc) \
	VMOVDQU     4*p(SI)(R10*1), X2            \
	VINSERTI128 $1, 4*p(SI)(R11*1), Y2, Y2    \
	VPSHUFB     Y14, Y2, Y2                   \
	VPMADDWD    32*p+32(R9), Y2, acc

#define WINDOWS(o) \
	MOVLQSX o(R8), R10   \
	MOVLQSX o+4(R8), R11 \
	VMOVDQU (R9), Y14

// NARROW rounds two groups of eight sums to 16 outputs, Q7 and stores them.
#define NARROW \
	VPADDD    Y15, Y0, Y0 \
	VPADDD    Y15, Y1, Y1 \
	VPSRAD    $15, Y0, Y0 \
	VPSRAD    $15, Y1, Y1 \
	VPACKSSDW Y1, Y0, Y0  \
	VMOVDQU   Y0, (DI)    \
	ADDQ      $16, R8     \
	ADDQ      $32, DI     \
	DECQ      CX

// func hpassAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, pairs int)
TEXT ·hpassAVX2(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         offset+16(FP), R8
	MOVQ         prog+24(FP), R9
	MOVQ         blocks+32(FP), CX
	MOVQ         pairs+40(FP), DX
	VPCMPEQD     Y15, Y15, Y15
	VPSRLD       $31, Y15, Y15
	VPSLLD       $14, Y15, Y15
	CMPQ         DX, $2
	JLT          single
	JGT          many

double:
	WINDOWS(0)
	PAIR(0, Y0)
	PAIR(1, Y3)
	VPADDD Y3, Y0, Y0
	ADDQ   $96, R9
	WINDOWS(8)
	PAIR(0, Y1)
	PAIR(1, Y3)
	VPADDD Y3, Y1, Y1
	ADDQ   $96, R9
	NARROW
	JNZ    double
	VZEROUPPER
	RET

single:
	WINDOWS(0)
	PAIR(0, Y0)
	ADDQ $64, R9
	WINDOWS(8)
	PAIR(0, Y1)
	ADDQ $64, R9
	NARROW
	JNZ  single
	VZEROUPPER
	RET

many:
	WINDOWS(0)
	VPXOR Y0, Y0, Y0
	MOVQ  DX, R12

first:
	PAIR(0, Y3)
	VPADDD Y3, Y0, Y0
	ADDQ   $4, R10
	ADDQ   $4, R11
	ADDQ   $32, R9
	DECQ   R12
	JNZ    first
	ADDQ   $32, R9
	WINDOWS(8)
	VPXOR  Y1, Y1, Y1
	MOVQ   DX, R12

second:
	PAIR(0, Y3)
	VPADDD Y3, Y1, Y1
	ADDQ   $4, R10
	ADDQ   $4, R11
	ADDQ   $32, R9
	DECQ   R12
	JNZ    second
	ADDQ   $32, R9
	NARROW
	JNZ    many
	VZEROUPPER
	RET

// EIGHT sums both pairs of eight outputs out of one window a lane: the second
// pair's shuffle is the first's, two samples on.
#define EIGHT(acc) \
	VMOVDQU     (SI)(R10*1), X2           \
	VINSERTI128 $1, (SI)(R11*1), Y2, Y2   \
	VPADDB      Y14, Y13, Y4              \
	VPSHUFB     Y14, Y2, Y3               \
	VPSHUFB     Y4, Y2, Y2                \
	VPMADDWD    32(R9), Y3, Y3            \
	VPMADDWD    64(R9), Y2, acc           \
	VPADDD      Y3, acc, acc              \
	ADDQ        $96, R9

// func hnearAVX2(dst, src *int16, offset *int32, prog *uint32, blocks int)
// hpassAVX2 for two pairs that fit one window.
TEXT ·hnearAVX2(SB), NOSPLIT, $0-40
	MOVQ     dst+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     offset+16(FP), R8
	MOVQ     prog+24(FP), R9
	MOVQ     blocks+32(FP), CX
	VPCMPEQD Y15, Y15, Y15
	VPABSB   Y15, Y13
	VPSLLW   $2, Y13, Y13    // bytes of four
	VPSRLD   $31, Y15, Y15
	VPSLLD   $14, Y15, Y15

block:
	WINDOWS(0)
	EIGHT(Y0)
	WINDOWS(8)
	EIGHT(Y1)
	NARROW
	JNZ block
	VZEROUPPER
	RET

// FOUR sums two outputs into a vector, one a lane, four partial sums each:
// their windows' offsets are at o(R8), their weights at (R9).
#define FOUR(o, acc, loop) \
	MOVLQSX     o(R8), R10      \
	MOVLQSX     o+4(R8), R11    \
	ADDQ        SI, R10         \
	ADDQ        SI, R11         \
	VPXOR       acc, acc, acc   \
	MOVQ        DX, R12         \
loop:                           \
	VMOVDQU     (R10), X5       \
	VINSERTI128 $1, (R11), Y5, Y5 \
	VPMADDWD    (R9), Y5, Y5    \
	VPADDD      Y5, acc, acc    \
	ADDQ        $16, R10        \
	ADDQ        $16, R11        \
	ADDQ        $32, R9         \
	DECQ        R12             \
	JNZ         loop

// func hwideAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, windows int)
// The vectors hold outputs 0 and 4, 1 and 5, 2 and 6, 3 and 7, so that adding
// neighbours twice leaves all eight in order.
TEXT ·hwideAVX2(SB), NOSPLIT, $0-48
	MOVQ     dst+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     offset+16(FP), R8
	MOVQ     prog+24(FP), R9
	MOVQ     blocks+32(FP), CX
	MOVQ     windows+40(FP), DX
	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $31, Y15, Y15
	VPSLLD   $14, Y15, Y15

block:
	FOUR(0, Y0, first)
	FOUR(8, Y1, second)
	FOUR(16, Y2, third)
	FOUR(24, Y3, fourth)
	VPHADDD   Y1, Y0, Y0
	VPHADDD   Y3, Y2, Y2
	VPHADDD   Y2, Y0, Y0
	VPADDD    Y15, Y0, Y0
	VPSRAD    $15, Y0, Y0
	VPACKSSDW Y0, Y0, Y0
	VPERMQ    $0x08, Y0, Y0
	VMOVDQU   X0, (DI)
	ADDQ      $16, DI
	ADDQ      $32, R8
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

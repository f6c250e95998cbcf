//go:build !purego

#include "textflag.h"

// Of each half of a register: first bytes of its four elements, second, third,
// fourth ones. The way back is the same.
DATA planes<>+0(SB)/8, $0x0d0905010c080400
DATA planes<>+8(SB)/8, $0x0f0b07030e0a0602
GLOBL planes<>(SB), RODATA|NOPTR, $16

// The fours of bytes of both halves, one half after the other.
DATA fours<>+0(SB)/8, $0x0000000400000000
DATA fours<>+8(SB)/8, $0x0000000500000001
DATA fours<>+16(SB)/8, $0x0000000600000002
DATA fours<>+24(SB)/8, $0x0000000700000003
GLOBL fours<>(SB), RODATA|NOPTR, $32

// func shuffle4AVX2(dst, src *byte, n, plane int)
TEXT ·shuffle4AVX2(SB), NOSPLIT, $0-32
	MOVQ           dst+0(FP), DI
	MOVQ           src+8(FP), SI
	MOVQ           n+16(FP), CX
	MOVQ           plane+24(FP), R8
	LEAQ           (DI)(R8*1), R9
	LEAQ           (R9)(R8*1), R10
	LEAQ           (R10)(R8*1), R11
	VBROADCASTI128 planes<>(SB), Y15
	VMOVDQU        fours<>(SB), Y14
	XORQ           AX, AX

loop:
	VMOVDQU     (SI), Y0
	VMOVDQU     32(SI), Y1
	VMOVDQU     64(SI), Y2
	VMOVDQU     96(SI), Y3
	VPSHUFB     Y15, Y0, Y0
	VPSHUFB     Y15, Y1, Y1
	VPSHUFB     Y15, Y2, Y2
	VPSHUFB     Y15, Y3, Y3
	VPUNPCKLDQ  Y1, Y0, Y4 // first and second bytes
	VPUNPCKHDQ  Y1, Y0, Y5 // third and fourth ones
	VPUNPCKLDQ  Y3, Y2, Y6
	VPUNPCKHDQ  Y3, Y2, Y7
	VPUNPCKLQDQ Y6, Y4, Y0
	VPUNPCKHQDQ Y6, Y4, Y1
	VPUNPCKLQDQ Y7, Y5, Y2
	VPUNPCKHQDQ Y7, Y5, Y3
	VPERMD      Y0, Y14, Y0
	VPERMD      Y1, Y14, Y1
	VPERMD      Y2, Y14, Y2
	VPERMD      Y3, Y14, Y3
	VMOVDQU     Y0, (DI)(AX*1)
	VMOVDQU     Y1, (R9)(AX*1)
	VMOVDQU     Y2, (R10)(AX*1)
	VMOVDQU     Y3, (R11)(AX*1)
	ADDQ        $128, SI
	ADDQ        $32, AX
	CMPQ        AX, CX
	JLT         loop
	VZEROUPPER
	RET

// func unshuffle4AVX2(dst, src *byte, n, plane int)
TEXT ·unshuffle4AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ plane+24(FP), R8
	LEAQ (SI)(R8*1), R9
	LEAQ (R9)(R8*1), R10
	LEAQ (R10)(R8*1), R11
	XORQ AX, AX

back:
	VMOVDQU    (SI)(AX*1), Y0
	VMOVDQU    (R9)(AX*1), Y1
	VMOVDQU    (R10)(AX*1), Y2
	VMOVDQU    (R11)(AX*1), Y3
	VPUNPCKLBW Y1, Y0, Y4
	VPUNPCKHBW Y1, Y0, Y5
	VPUNPCKLBW Y3, Y2, Y6
	VPUNPCKHBW Y3, Y2, Y7
	VPUNPCKLWD Y6, Y4, Y0 // elements 0 and 16
	VPUNPCKHWD Y6, Y4, Y1 // 4 and 20
	VPUNPCKLWD Y7, Y5, Y2 // 8 and 24
	VPUNPCKHWD Y7, Y5, Y3 // 12 and 28
	VPERM2I128 $0x20, Y1, Y0, Y4
	VPERM2I128 $0x20, Y3, Y2, Y5
	VPERM2I128 $0x31, Y1, Y0, Y6
	VPERM2I128 $0x31, Y3, Y2, Y7
	VMOVDQU    Y4, (DI)
	VMOVDQU    Y5, 32(DI)
	VMOVDQU    Y6, 64(DI)
	VMOVDQU    Y7, 96(DI)
	ADDQ       $128, DI
	ADDQ       $32, AX
	CMPQ       AX, CX
	JLT        back
	VZEROUPPER
	RET

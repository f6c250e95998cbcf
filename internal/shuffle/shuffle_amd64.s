//go:build !purego

#include "textflag.h"

// Those called SSE run on every amd64 processor (SSE2), in rounds of 16 elements,
// the other in rounds of 32. n is the number of elements; the bytes of each kind
// lie plane bytes apart.

// func together2SSE(dst, src *byte, n, plane int)
TEXT ·together2SSE(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ plane+24(FP), DX
loop2:
	MOVOU     (SI), X0
	MOVOU     (SI)(DX*1), X1
	MOVO      X0, X2
	PUNPCKLBW X1, X0
	PUNPCKHBW X1, X2
	MOVOU     X0, (DI)
	MOVOU     X2, 16(DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $16, CX
	JG        loop2
	RET

// func together4SSE(dst, src *byte, n, plane int)
TEXT ·together4SSE(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ plane+24(FP), DX
	LEAQ (SI)(DX*2), BX
loop4:
	MOVOU     (SI), X0
	MOVOU     (SI)(DX*1), X1
	MOVOU     (BX), X2
	MOVOU     (BX)(DX*1), X3
	MOVO      X0, X4
	PUNPCKLBW X1, X0 // bytes 0 and 1 of elements 0 to 7
	PUNPCKHBW X1, X4 // of 8 to 15
	MOVO      X2, X5
	PUNPCKLBW X3, X2 // bytes 2 and 3
	PUNPCKHBW X3, X5
	MOVO      X0, X6
	PUNPCKLWL X2, X0
	PUNPCKHWL X2, X6
	MOVO      X4, X7
	PUNPCKLWL X5, X4
	PUNPCKHWL X5, X7
	MOVOU     X0, (DI)
	MOVOU     X6, 16(DI)
	MOVOU     X4, 32(DI)
	MOVOU     X7, 48(DI)
	ADDQ      $16, SI
	ADDQ      $16, BX
	ADDQ      $64, DI
	SUBQ      $16, CX
	JG        loop4
	RET

// func together8SSE(dst, src *byte, n, plane int)
TEXT ·together8SSE(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ plane+24(FP), DX
	LEAQ (SI)(DX*2), R8
	LEAQ (R8)(DX*2), R9
	LEAQ (R9)(DX*2), R10
loop8:
	MOVOU     (SI), X0
	MOVOU     (SI)(DX*1), X1
	MOVOU     (R8), X2
	MOVOU     (R8)(DX*1), X3
	MOVOU     (R9), X4
	MOVOU     (R9)(DX*1), X5
	MOVOU     (R10), X6
	MOVOU     (R10)(DX*1), X7
	MOVO      X0, X8
	PUNPCKLBW X1, X0 // bytes 0 and 1 of elements 0 to 7
	PUNPCKHBW X1, X8 // of 8 to 15
	MOVO      X2, X9
	PUNPCKLBW X3, X2 // bytes 2 and 3
	PUNPCKHBW X3, X9
	MOVO      X4, X10
	PUNPCKLBW X5, X4 // bytes 4 and 5
	PUNPCKHBW X5, X10
	MOVO      X6, X11
	PUNPCKLBW X7, X6 // bytes 6 and 7
	PUNPCKHBW X7, X11
	MOVO      X0, X1
	PUNPCKLWL X2, X0 // bytes 0 to 3 of elements 0 to 3
	PUNPCKHWL X2, X1 // of 4 to 7
	MOVO      X8, X3
	PUNPCKLWL X9, X8 // of 8 to 11
	PUNPCKHWL X9, X3 // of 12 to 15
	MOVO      X4, X5
	PUNPCKLWL X6, X4 // bytes 4 to 7
	PUNPCKHWL X6, X5
	MOVO      X10, X7
	PUNPCKLWL X11, X10
	PUNPCKHWL X11, X7
	MOVO      X0, X2
	PUNPCKLLQ X4, X0
	PUNPCKHLQ X4, X2
	MOVO      X1, X6
	PUNPCKLLQ X5, X1
	PUNPCKHLQ X5, X6
	MOVO      X8, X9
	PUNPCKLLQ X10, X8
	PUNPCKHLQ X10, X9
	MOVO      X3, X11
	PUNPCKLLQ X7, X3
	PUNPCKHLQ X7, X11
	MOVOU     X0, (DI)
	MOVOU     X2, 16(DI)
	MOVOU     X1, 32(DI)
	MOVOU     X6, 48(DI)
	MOVOU     X8, 64(DI)
	MOVOU     X9, 80(DI)
	MOVOU     X3, 96(DI)
	MOVOU     X11, 112(DI)
	ADDQ      $16, SI
	ADDQ      $16, R8
	ADDQ      $16, R9
	ADDQ      $16, R10
	ADDQ      $128, DI
	SUBQ      $16, CX
	JG        loop8
	RET
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

// func apart4AVX2(dst, src *byte, n, plane int)
TEXT ·apart4AVX2(SB), NOSPLIT, $0-32
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

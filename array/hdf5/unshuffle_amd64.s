//go:build !purego

#include "textflag.h"

// func unshuffle4x16(dst, a, b, c, d *byte, n int)
TEXT ·unshuffle4x16(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), BX
	MOVQ c+24(FP), CX
	MOVQ d+32(FP), DX
	MOVQ n+40(FP), R8
	XORQ AX, AX

loop:
	CMPQ AX, R8
	JGE  done
	MOVOU (SI)(AX*1), X0
	MOVOU (BX)(AX*1), X1
	MOVOU (CX)(AX*1), X2
	MOVOU (DX)(AX*1), X3

	// Bytes of a and b, and of c and d, by turns.
	MOVO      X0, X4
	PUNPCKLBW X1, X0
	PUNPCKHBW X1, X4
	MOVO      X2, X5
	PUNPCKLBW X3, X2
	PUNPCKHBW X3, X5

	// Pairs of both by turns: whole elements.
	MOVO      X0, X6
	PUNPCKLWL X2, X0
	PUNPCKHWL X2, X6
	MOVO      X4, X7
	PUNPCKLWL X5, X4
	PUNPCKHWL X5, X7

	MOVOU X0, (DI)
	MOVOU X6, 16(DI)
	MOVOU X4, 32(DI)
	MOVOU X7, 48(DI)
	ADDQ  $64, DI
	ADDQ  $16, AX
	JMP   loop

done:
	RET

//go:build amd64 && !purego

#include "textflag.h"

// Stores past the caches keep no order: the fence at the end makes them as
// visible as others before the caller goes on. Prefetches are left to the
// processor: with our own ahead a copy took a quarter longer.

// func copyAVX2(dst, src *byte, n int)
TEXT ·copyAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
loop:
	VMOVDQU  (SI), Y0
	VMOVDQU  32(SI), Y1
	VMOVDQU  64(SI), Y2
	VMOVDQU  96(SI), Y3
	VMOVNTDQ Y0, (DI)
	VMOVNTDQ Y1, 32(DI)
	VMOVNTDQ Y2, 64(DI)
	VMOVNTDQ Y3, 96(DI)
	ADDQ     $128, SI
	ADDQ     $128, DI
	SUBQ     $128, CX
	JG       loop
	SFENCE
	VZEROUPPER
	RET

// func clearAVX2(dst *byte, n int)
TEXT ·clearAVX2(SB), NOSPLIT, $0-16
	MOVQ  dst+0(FP), DI
	MOVQ  n+8(FP), CX
	VPXOR Y0, Y0, Y0
loop:
	VMOVNTDQ Y0, (DI)
	VMOVNTDQ Y0, 32(DI)
	VMOVNTDQ Y0, 64(DI)
	VMOVNTDQ Y0, 96(DI)
	ADDQ     $128, DI
	SUBQ     $128, CX
	JG       loop
	SFENCE
	VZEROUPPER
	RET

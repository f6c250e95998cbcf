//go:build !purego

#include "textflag.h"

// Every loop takes 16 samples a turn and at last the 16 before the end, some of
// them once more.

// func sumRows(dst *uint16, near, far *byte, n int)
//
// dst is 3*near + far.
TEXT ·sumRows(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ near+8(FP), SI
	MOVQ far+16(FP), DX
	MOVQ n+24(FP), CX
	SUBQ $16, CX
	XORQ AX, AX

sumLoop:
	VPMOVZXBW (SI)(AX*1), Y0
	VPMOVZXBW (DX)(AX*1), Y1
	VPADDW    Y0, Y0, Y2
	VPADDW    Y0, Y1, Y1
	VPADDW    Y2, Y1, Y1
	VMOVDQU   Y1, (DI)(AX*2)
	CMPQ      AX, CX
	JEQ       sumDone
	ADDQ      $16, AX
	CMPQ      AX, CX
	CMOVQGT   CX, AX
	JMP       sumLoop

sumDone:
	VZEROUPPER
	RET

// func widenRow(dst *uint16, src *byte, n int)
TEXT ·widenRow(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	SUBQ $16, CX
	XORQ AX, AX

widenLoop:
	VPMOVZXBW (SI)(AX*1), Y0
	VMOVDQU   Y0, (DI)(AX*2)
	CMPQ      AX, CX
	JEQ       widenDone
	ADDQ      $16, AX
	CMPQ      AX, CX
	CMOVQGT   CX, AX
	JMP       widenLoop

widenDone:
	VZEROUPPER
	RET

// func doubleRow(dst *byte, src *uint16, n int, even, odd uint16, shift uint64)
//
// dst[2x] is (3*src[x+1] + src[x] + even)>>shift, dst[2x+1] the same of src[x+1]
// and src[x+2] with odd.
TEXT ·doubleRow(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	VPBROADCASTW even+24(FP), Y6
	VPBROADCASTW odd+26(FP), Y7
	VMOVQ        shift+32(FP), X8
	SUBQ         $16, CX
	XORQ         AX, AX

doubleLoop:
	VMOVDQU 2(SI)(AX*2), Y0
	VPADDW  Y0, Y0, Y1
	VPADDW  Y0, Y1, Y1
	VPADDW  (SI)(AX*2), Y1, Y2
	VPADDW  4(SI)(AX*2), Y1, Y3
	VPADDW  Y6, Y2, Y2
	VPADDW  Y7, Y3, Y3
	VPSRLW  X8, Y2, Y2
	VPSRLW  X8, Y3, Y3
	VPSLLW  $8, Y3, Y3
	VPOR    Y3, Y2, Y2
	VMOVDQU Y2, (DI)(AX*2)
	CMPQ    AX, CX
	JEQ     doubleDone
	ADDQ    $16, AX
	CMPQ    AX, CX
	CMOVQGT CX, AX
	JMP     doubleLoop

doubleDone:
	VZEROUPPER
	RET

// Offsets into ·colourWords.
#define BIAS 0
#define RED 32
#define BLUE 64
#define GREEN 96
#define ROUND 128
#define ONE 160
#define ORDER 192

// PART makes 16 bytes of pixels from those that order i takes out of X3, X4, X5.
#define PART(i) \
	VPSHUFB ORDER+48*i(R8), X3, X0;    \
	VPSHUFB ORDER+48*i+16(R8), X4, X1; \
	VPSHUFB ORDER+48*i+32(R8), X5, X2; \
	VPOR    X1, X0, X0;                \
	VPOR    X2, X0, X0;                \
	VMOVDQU X0, 16*i(BX)

// func colourRow(dst, y, cb, cr *byte, n int)
//
// Products are split so that 16 bits hold them: 1.402 is 1 + 26345/65536, and
// so on. Half the upper 16 bits of twice the product, rounded, is the whole
// product's rounded upper half.
TEXT ·colourRow(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ y+8(FP), SI
	MOVQ cb+16(FP), DX
	MOVQ cr+24(FP), R9
	MOVQ n+32(FP), CX
	LEAQ ·colourWords(SB), R8
	SUBQ $16, CX
	XORQ AX, AX

colourLoop:
	VPMOVZXBW  (SI)(AX*1), Y0
	VPMOVZXBW  (DX)(AX*1), Y1
	VPMOVZXBW  (R9)(AX*1), Y2
	VPSUBW     BIAS(R8), Y1, Y1
	VPSUBW     BIAS(R8), Y2, Y2
	VPADDW     Y2, Y2, Y3
	VPMULHW    RED(R8), Y3, Y3
	VPADDW     ONE(R8), Y3, Y3
	VPSRAW     $1, Y3, Y3
	VPADDW     Y2, Y3, Y3
	VPADDW     Y0, Y3, Y3
	VPADDW     Y1, Y1, Y6
	VPMULHW    BLUE(R8), Y6, Y5
	VPADDW     ONE(R8), Y5, Y5
	VPSRAW     $1, Y5, Y5
	VPADDW     Y6, Y5, Y5
	VPADDW     Y0, Y5, Y5
	VPUNPCKLWD Y2, Y1, Y6
	VPUNPCKHWD Y2, Y1, Y7
	VPMADDWD   GREEN(R8), Y6, Y6
	VPMADDWD   GREEN(R8), Y7, Y7
	VPADDD     ROUND(R8), Y6, Y6
	VPADDD     ROUND(R8), Y7, Y7
	VPSRAD     $16, Y6, Y6
	VPSRAD     $16, Y7, Y7
	VPACKSSDW  Y7, Y6, Y4
	VPSUBW     Y2, Y4, Y4
	VPADDW     Y0, Y4, Y4
	VPACKUSWB  Y3, Y3, Y3
	VPACKUSWB  Y4, Y4, Y4
	VPACKUSWB  Y5, Y5, Y5
	VPERMQ     $8, Y3, Y3
	VPERMQ     $8, Y4, Y4
	VPERMQ     $8, Y5, Y5
	LEAQ       (AX)(AX*2), BX
	ADDQ       DI, BX
	PART(0)
	PART(1)
	PART(2)
	CMPQ       AX, CX
	JEQ        colourDone
	ADDQ       $16, AX
	CMPQ       AX, CX
	CMOVQGT    CX, AX
	JMP        colourLoop

colourDone:
	VZEROUPPER
	RET

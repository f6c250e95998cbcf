//go:build !purego

#include "textflag.h"

// STEP adds the row of 16 values at off, and the one 128 after it, for the bytes
// that come so far: what a row does not concern has its highest bit set, and
// gives 0.
#define STEP(off) \
	VPSUBSB        Y15, Y0, Y0;     \
	VPSUBSB        Y15, Y1, Y1;     \
	VPSUBSB        Y15, Y2, Y2;     \
	VPSUBSB        Y15, Y3, Y3;     \
	VBROADCASTI128 off(DX), Y4;     \
	VBROADCASTI128 128+off(DX), Y5; \
	VPSHUFB        Y0, Y4, Y6;      \
	VPSHUFB        Y1, Y4, Y7;      \
	VPSHUFB        Y2, Y5, Y12;     \
	VPSHUFB        Y3, Y5, Y13;     \
	VPXOR          Y6, Y8, Y8;      \
	VPXOR          Y7, Y9, Y9;      \
	VPXOR          Y12, Y10, Y10;   \
	VPXOR          Y13, Y11, Y11

// func lookupAVX2(dst, src *byte, n int, steps *[256]byte)
TEXT ·lookupAVX2(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	MOVQ         steps+24(FP), DX
	MOVL         $0x10101010, AX
	VMOVD        AX, X15
	VPBROADCASTD X15, Y15
	MOVL         $0x80808080, AX
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14

lookupLoop:
	VMOVDQU        (SI), Y0
	VMOVDQU        32(SI), Y1
	VPXOR          Y14, Y0, Y2
	VPXOR          Y14, Y1, Y3
	VBROADCASTI128 (DX), Y4
	VBROADCASTI128 128(DX), Y5
	VPSHUFB        Y0, Y4, Y8
	VPSHUFB        Y1, Y4, Y9
	VPSHUFB        Y2, Y5, Y10
	VPSHUFB        Y3, Y5, Y11
	STEP(16)
	STEP(32)
	STEP(48)
	STEP(64)
	STEP(80)
	STEP(96)
	STEP(112)
	VPXOR          Y10, Y8, Y8
	VPXOR          Y11, Y9, Y9
	VMOVDQU        Y8, (DI)
	VMOVDQU        Y9, 32(DI)
	ADDQ           $64, SI
	ADDQ           $64, DI
	SUBQ           $64, CX
	JNE            lookupLoop
	VZEROUPPER
	RET

// GRAYSETUP loads what GRAY needs into Y10 to Y15.
#define GRAYSETUP \
	LEAQ    ·pixelWords(SB), DX; \
	VMOVDQU (DX), Y15;           \
	VMOVDQU 32(DX), Y14;         \
	VMOVDQU 64(DX), Y13;         \
	VMOVDQU 96(DX), Y12;         \
	VMOVDQU 128(DX), Y11;        \
	VMOVDQU 160(DX), Y10

// GRAY leaves the gray of the eight pixels at SI in Y0. The sum of three
// products is whole and below 2^22; half more, its ten-thousandth is nowhere so
// near to a whole number that float32's rounding could reach it.
#define GRAY \
	VMOVDQU     (SI), X0;            \
	VINSERTI128 $1, 12(SI), Y0, Y0;  \
	VPSHUFB     Y15, Y0, Y1;         \
	VPSHUFB     Y14, Y0, Y2;         \
	VPMADDWD    Y13, Y1, Y1;         \
	VPMADDWD    Y12, Y2, Y2;         \
	VPADDD      Y2, Y1, Y0;          \
	VCVTDQ2PS   Y0, Y0;              \
	VADDPS      Y11, Y0, Y0;         \
	VMULPS      Y10, Y0, Y0;         \
	VCVTTPS2DQ  Y0, Y0

// func grayTriplesAVX2(dst, src *byte, n int)
TEXT ·grayTriplesAVX2(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    n+16(FP), CX
	GRAYSETUP
	VMOVDQU 192(DX), Y9

triplesLoop:
	GRAY
	VPSHUFB      Y9, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVQ        X0, (DI)
	VPEXTRD      $2, X0, 8(DI)
	VMOVQ        X1, 12(DI)
	VPEXTRD      $2, X1, 20(DI)
	ADDQ         $24, SI
	ADDQ         $24, DI
	SUBQ         $24, CX
	JNE          triplesLoop
	VZEROUPPER
	RET

// func graySumAVX2(src *byte, n int) uint64
TEXT ·graySumAVX2(SB), NOSPLIT, $0-24
	MOVQ  src+0(FP), SI
	MOVQ  n+8(FP), CX
	GRAYSETUP
	VPXOR Y8, Y8, Y8

sumLoop:
	GRAY
	VPADDD Y0, Y8, Y8
	ADDQ   $24, SI
	SUBQ   $24, CX
	JNE    sumLoop

	VEXTRACTI128 $1, Y8, X0
	VPADDD       X0, X8, X0
	VPSHUFD      $0x4E, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xB1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, AX
	MOVQ         AX, ret+16(FP)
	VZEROUPPER
	RET

// func mixAVX2(dst, a, b *byte, n int, m *mix)
TEXT ·mixAVX2(SB), NOSPLIT, $0-40
	MOVQ           dst+0(FP), DI
	MOVQ           a+8(FP), SI
	MOVQ           b+16(FP), BX
	MOVQ           n+24(FP), CX
	MOVQ           m+32(FP), DX
	LEAQ           ·pixelWords(SB), R8
	VMOVDQU        224(R8), Y15
	VBROADCASTI128 (DX), Y14
	VBROADCASTI128 16(DX), Y13
	VPBROADCASTW   32(DX), Y12
	VPBROADCASTW   34(DX), Y11
	MOVL           $0x1F1F1F1F, AX
	VMOVD          AX, X10
	VPBROADCASTD   X10, Y10
	MOVL           $0x10101010, AX
	VMOVD          AX, X9
	VPBROADCASTD   X9, Y9
	MOVL           $0x07070707, AX
	VMOVD          AX, X8
	VPBROADCASTD   X8, Y8
	XORQ           AX, AX

mixLoop:
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU (BX)(AX*1), Y1

	// Y7 is -1 where the bytes are equal and less has them, 0 elsewhere.
	VPSRLW   $3, Y1, Y2
	VPAND    Y10, Y2, Y2
	VPSHUFB  Y2, Y14, Y3
	VPSUBSB  Y9, Y2, Y2
	VPSHUFB  Y2, Y13, Y2
	VPXOR    Y2, Y3, Y3
	VPAND    Y8, Y1, Y2
	VPSHUFB  Y2, Y15, Y2
	VPAND    Y2, Y3, Y3
	VPCMPEQB Y2, Y3, Y3
	VPCMPEQB Y0, Y1, Y7
	VPAND    Y3, Y7, Y7

	VPXOR      Y6, Y6, Y6
	VPUNPCKLBW Y6, Y0, Y2
	VPUNPCKHBW Y6, Y0, Y3
	VPUNPCKLBW Y6, Y1, Y4
	VPUNPCKHBW Y6, Y1, Y5
	VPSUBW     Y4, Y2, Y2
	VPSUBW     Y5, Y3, Y3
	VPMULLW    Y12, Y2, Y0
	VPMULLW    Y12, Y3, Y1
	VPMULHW    Y11, Y2, Y2
	VPMULHW    Y11, Y3, Y3
	VPADDW     Y0, Y2, Y2
	VPADDW     Y1, Y3, Y3
	VPSRAW     $3, Y2, Y2
	VPSRAW     $3, Y3, Y3
	VPADDW     Y4, Y2, Y2
	VPADDW     Y5, Y3, Y3
	VPACKUSWB  Y3, Y2, Y2
	VPADDB     Y7, Y2, Y2
	VMOVDQU    Y2, (DI)(AX*1)
	ADDQ       $32, AX
	CMPQ       AX, CX
	JNE        mixLoop
	VZEROUPPER
	RET

// func widenAVX2(dst *float32, src *byte, n int)
TEXT ·widenAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	XORQ AX, AX

widenLoop:
	VPMOVZXBD (SI)(AX*1), Y0
	VCVTDQ2PS Y0, Y0
	VMOVUPS   Y0, (DI)(AX*4)
	ADDQ      $8, AX
	CMPQ      AX, CX
	JNE       widenLoop
	VZEROUPPER
	RET

// func narrowAVX2(dst *byte, src *float32, n int)
TEXT ·narrowAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	XORQ AX, AX

narrowLoop:
	VCVTPS2DQ    (SI)(AX*4), Y0
	VEXTRACTI128 $1, Y0, X1
	VPACKSSDW    X1, X0, X0
	VPACKUSWB    X0, X0, X0
	VMOVQ        X0, (DI)(AX*1)
	ADDQ         $8, AX
	CMPQ         AX, CX
	JNE          narrowLoop
	VZEROUPPER
	RET

// PAIR adds the numbers of two rows at off, with the weight in Y15, to sum.
#define PAIR(off, sum) \
	VMOVUPS off(BX)(AX*4), Y8;      \
	VADDPS  off(R13)(AX*4), Y8, Y8; \
	VMULPS  Y15, Y8, Y8;            \
	VADDPS  Y8, sum, sum

// ROWS sets out at the outermost rows and leaves the middle one in BX, its
// weight in Y15.
#define ROWS \
	MOVQ         SI, R9;        \
	MOVQ         R14, R10;      \
	MOVQ         DX, R11;       \
	MOVQ         R8, R12;       \
	MOVQ         (R15), BX;     \
	VBROADCASTSS (DX)(R8*4), Y15

// NEXT goes on to the next two rows, and jumps with none left.
#define NEXT(done) \
	SUBQ         $1, R12;     \
	JLT          done;        \
	MOVQ         (R9), BX;    \
	MOVQ         (R10), R13;  \
	VBROADCASTSS (R11), Y15;  \
	ADDQ         $24, R9;     \
	SUBQ         $24, R10;    \
	ADDQ         $4, R11

// func weightedAVX2(dst *float32, rows *[]float32, weights *float32, half, n int)
TEXT ·weightedAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ weights+16(FP), DX
	MOVQ half+24(FP), R8
	MOVQ n+32(FP), CX
	LEAQ (R8)(R8*2), R15
	LEAQ (SI)(R15*8), R15  // the middle row's slice
	LEAQ (R8)(R8*2), R14
	LEAQ (R15)(R14*8), R14 // the last one's
	XORQ AX, AX

weightedLoop:
	LEAQ   32(AX), R12
	CMPQ   R12, CX
	JGT    weightedRest
	ROWS
	VMULPS (BX)(AX*4), Y15, Y0
	VMULPS 32(BX)(AX*4), Y15, Y1
	VMULPS 64(BX)(AX*4), Y15, Y2
	VMULPS 96(BX)(AX*4), Y15, Y3

weightedPairs:
	NEXT(weightedStore)
	PAIR(0, Y0)
	PAIR(32, Y1)
	PAIR(64, Y2)
	PAIR(96, Y3)
	JMP weightedPairs

weightedStore:
	VMOVUPS Y0, (DI)(AX*4)
	VMOVUPS Y1, 32(DI)(AX*4)
	VMOVUPS Y2, 64(DI)(AX*4)
	VMOVUPS Y3, 96(DI)(AX*4)
	ADDQ    $32, AX
	JMP     weightedLoop

weightedRest:
	CMPQ   AX, CX
	JGE    weightedDone
	ROWS
	VMULPS (BX)(AX*4), Y15, Y0

restPairs:
	NEXT(restStore)
	PAIR(0, Y0)
	JMP restPairs

restStore:
	VMOVUPS Y0, (DI)(AX*4)
	ADDQ    $8, AX
	JMP     weightedRest

weightedDone:
	VZEROUPPER
	RET

// CLAMP holds v to 0 and 1, and makes a whole number of 255 times it.
#define CLAMP(v) \
	VMAXPS     Y13, v, v;     \
	VMINPS     Y14, v, v;     \
	VMULPS     128(R8), v, v; \
	VCVTTPS2DQ v, v

// func huesAVX2(pix *byte, n int, by float32)
//
// The steps of turned, for eight pixels at a time.
TEXT ·huesAVX2(SB), NOSPLIT, $0-20
	MOVQ         pix+0(FP), DI
	MOVQ         n+8(FP), CX
	VBROADCASTSS by+16(FP), Y15
	LEAQ         ·hueWords(SB), R8
	VMOVUPS      160(R8), Y14
	VXORPS       Y13, Y13, Y13

huesLoop:
	VMOVDQU     (DI), X0
	VINSERTI128 $1, 12(DI), Y0, Y0
	VPSHUFB     32(R8), Y0, Y1
	VPSHUFB     64(R8), Y0, Y2
	VPSHUFB     (R8), Y0, Y0
	VCVTDQ2PS   Y0, Y0
	VCVTDQ2PS   Y1, Y1
	VCVTDQ2PS   Y2, Y2
	VMOVUPS     128(R8), Y3
	VDIVPS      Y3, Y0, Y0
	VDIVPS      Y3, Y1, Y1
	VDIVPS      Y3, Y2, Y2

	// Y3 the most, Y4 the span, Y5 the saturation, Y6 what to divide by.
	VMAXPS    Y1, Y0, Y3
	VMAXPS    Y2, Y3, Y3
	VMINPS    Y1, Y0, Y4
	VMINPS    Y2, Y4, Y4
	VSUBPS    Y4, Y3, Y4
	VCMPPS    $0, Y13, Y4, Y7
	VBLENDVPS Y7, Y14, Y3, Y5
	VDIVPS    Y5, Y4, Y5
	VBLENDVPS Y7, Y14, Y4, Y6

	VCMPPS $0, Y0, Y3, Y11 // red is the most
	VCMPPS $0, Y1, Y3, Y12 // green is
	VSUBPS Y0, Y3, Y0
	VSUBPS Y1, Y3, Y1
	VSUBPS Y2, Y3, Y2
	VDIVPS Y6, Y0, Y0
	VDIVPS Y6, Y1, Y1
	VDIVPS Y6, Y2, Y2

	// Y7 the hue.
	VADDPS    224(R8), Y1, Y7
	VSUBPS    Y0, Y7, Y7
	VADDPS    192(R8), Y0, Y8
	VSUBPS    Y2, Y8, Y8
	VBLENDVPS Y12, Y8, Y7, Y7
	VSUBPS    Y1, Y2, Y8
	VBLENDVPS Y11, Y8, Y7, Y7
	VDIVPS    256(R8), Y7, Y7
	VADDPS    Y14, Y7, Y7
	VCMPPS    $13, Y14, Y7, Y8
	VANDPS    Y14, Y8, Y8
	VSUBPS    Y8, Y7, Y7
	VADDPS    Y15, Y7, Y7
	VCMPPS    $13, Y14, Y7, Y8
	VANDPS    Y14, Y8, Y8
	VCMPPS    $1, Y13, Y7, Y9
	VANDPS    Y14, Y9, Y9
	VSUBPS    Y8, Y7, Y7
	VADDPS    Y9, Y7, Y7

	// Y8 the sixth of the circle, Y7 the place in it.
	VMULPS   256(R8), Y7, Y7
	VROUNDPS $1, Y7, Y8
	VSUBPS   Y8, Y7, Y7

	// Y0, Y1, Y2 are p, q, t; Y3 is v.
	VSUBPS     Y5, Y14, Y0
	VMULPS     Y3, Y0, Y0
	VMULPS     Y7, Y5, Y1
	VSUBPS     Y1, Y14, Y1
	VMULPS     Y3, Y1, Y1
	VSUBPS     Y7, Y14, Y2
	VMULPS     Y5, Y2, Y2
	VSUBPS     Y2, Y14, Y2
	VMULPS     Y3, Y2, Y2
	CLAMP(Y0)
	CLAMP(Y1)
	CLAMP(Y2)
	VMULPS     128(R8), Y3, Y3
	VCVTTPS2DQ Y3, Y3

	// Sixths 1 to 5 are marked in Y9, Y10, Y11, Y4, Y5; 0 and 6 are the rest.
	VCMPPS $0, 160(R8), Y8, Y9
	VCMPPS $0, 192(R8), Y8, Y10
	VCMPPS $0, 288(R8), Y8, Y11
	VCMPPS $0, 224(R8), Y8, Y4
	VCMPPS $0, 320(R8), Y8, Y5

	VBLENDVPS Y9, Y1, Y3, Y6   // red
	VORPS     Y10, Y11, Y12
	VBLENDVPS Y12, Y0, Y6, Y6
	VBLENDVPS Y4, Y2, Y6, Y6
	VORPS     Y9, Y10, Y12
	VBLENDVPS Y12, Y3, Y2, Y7  // green
	VBLENDVPS Y11, Y1, Y7, Y7
	VORPS     Y4, Y5, Y12
	VBLENDVPS Y12, Y0, Y7, Y7
	VBLENDVPS Y10, Y2, Y0, Y8  // blue
	VORPS     Y11, Y4, Y12
	VBLENDVPS Y12, Y3, Y8, Y8
	VBLENDVPS Y5, Y1, Y8, Y8

	VPSLLD       $8, Y7, Y7
	VPSLLD       $16, Y8, Y8
	VPOR         Y7, Y6, Y6
	VPOR         Y8, Y6, Y6
	VPSHUFB      96(R8), Y6, Y0
	VEXTRACTI128 $1, Y0, X1
	VMOVQ        X0, (DI)
	VPEXTRD      $2, X0, 8(DI)
	VMOVQ        X1, 12(DI)
	VPEXTRD      $2, X1, 20(DI)
	ADDQ         $24, DI
	SUBQ         $24, CX
	JNE          huesLoop
	VZEROUPPER
	RET

// func mixFloatsAVX2(dst, a, b *byte, n int, r, q float64)
TEXT ·mixFloatsAVX2(SB), NOSPLIT, $0-48
	MOVQ         dst+0(FP), DI
	MOVQ         a+8(FP), SI
	MOVQ         b+16(FP), BX
	MOVQ         n+24(FP), CX
	VBROADCASTSD r+32(FP), Y4
	VBROADCASTSD q+40(FP), Y5
	XORQ         AX, AX

floatsLoop:
	VCVTPS2PD  (SI)(AX*1), Y0
	VCVTPS2PD  (BX)(AX*1), Y1
	VMULPD     Y4, Y0, Y0
	VMULPD     Y5, Y1, Y1
	VADDPD     Y1, Y0, Y0
	VCVTPD2PSY Y0, X0
	VMOVUPS    X0, (DI)(AX*1)
	ADDQ       $16, AX
	CMPQ       AX, CX
	JNE        floatsLoop
	VZEROUPPER
	RET

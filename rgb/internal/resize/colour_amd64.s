//go:build amd64 && !purego

#include "textflag.h"

// Words for the colour kernel, each repeated 16 times by VPBROADCASTW.
DATA colour<>+0(SB)/2, $0x4000  // 128, Q7
DATA colour<>+2(SB)/2, $13173   // 0.402, Q15
DATA colour<>+4(SB)/2, $-7471   // 1.772 - 2
DATA colour<>+6(SB)/2, $-11277  // -0.344136
DATA colour<>+8(SB)/2, $-23401  // -0.714136
DATA colour<>+10(SB)/2, $32     // half, Q6
GLOBL colour<>(SB), RODATA|NOPTR, $12

// RGB turns 16 pixels' Y, Cb, Cr (Y0-Y2, Q7) into red, green and blue (Q0).
// Q6 leaves room for the range of blue.
#define RGB(red, green, blue) \
	VPSRAW    $1, Y0, Y0         \
	VPSUBW    Y15, Y1, Y1        \
	VPSUBW    Y15, Y2, Y2        \
	VPSRAW    $1, Y1, Y1         \
	VPSRAW    $1, Y2, Y2         \
	VPADDW    Y10, Y0, Y0        \
	VPMULHRSW Y14, Y2, Y3        \
	VPADDW    Y2, Y0, red        \
	VPADDW    Y3, red, red       \
	VPMULHRSW Y13, Y1, Y3        \
	VPADDW    Y1, Y0, blue       \
	VPADDW    Y1, blue, blue     \
	VPADDW    Y3, blue, blue     \
	VPMULHRSW Y12, Y1, Y3        \
	VPMULHRSW Y11, Y2, Y2        \
	VPADDW    Y3, Y0, green      \
	VPADDW    Y2, green, green   \
	VPSRAW    $6, red, red       \
	VPSRAW    $6, green, green   \
	VPSRAW    $6, blue, blue

// func colourAVX2(red, green, blue *byte, y, cb, cr *int16, blocks int)
// Converts blocks of 32 pixels.
TEXT ·colourAVX2(SB), NOSPLIT, $0-56
	MOVQ red+0(FP), DI
	MOVQ green+8(FP), SI
	MOVQ blue+16(FP), DX
	MOVQ y+24(FP), R8
	MOVQ cb+32(FP), R9
	MOVQ cr+40(FP), R10
	MOVQ blocks+48(FP), CX
	VPBROADCASTW colour<>+0(SB), Y15
	VPBROADCASTW colour<>+2(SB), Y14
	VPBROADCASTW colour<>+4(SB), Y13
	VPBROADCASTW colour<>+6(SB), Y12
	VPBROADCASTW colour<>+8(SB), Y11
	VPBROADCASTW colour<>+10(SB), Y10
	XORQ AX, AX

block:
	VMOVDQU   (R8)(AX*2), Y0
	VMOVDQU   (R9)(AX*2), Y1
	VMOVDQU   (R10)(AX*2), Y2
	RGB(Y4, Y5, Y6)
	VMOVDQU   32(R8)(AX*2), Y0
	VMOVDQU   32(R9)(AX*2), Y1
	VMOVDQU   32(R10)(AX*2), Y2
	RGB(Y7, Y8, Y9)
	VPACKUSWB Y7, Y4, Y4
	VPACKUSWB Y8, Y5, Y5
	VPACKUSWB Y9, Y6, Y6
	VPERMQ    $0xd8, Y4, Y4
	VPERMQ    $0xd8, Y5, Y5
	VPERMQ    $0xd8, Y6, Y6
	VMOVDQU   Y4, (DI)(AX*1)
	VMOVDQU   Y5, (SI)(AX*1)
	VMOVDQU   Y6, (DX)(AX*1)
	ADDQ      $32, AX
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// Interleaving by threes: 3 has an inverse mod 16, so one shuffle sends byte
// i of channel c to place 3i+c mod 16, which is its place in whichever of the
// three output vectors it belongs to; blends then pick by vector.
DATA spread<>+0(SB)/8, $0x0d02070c01060b00
DATA spread<>+8(SB)/8, $0x050a0f04090e0308
DATA spread<>+16(SB)/8, $0x02070c01060b0005
DATA spread<>+24(SB)/8, $0x0a0f04090e03080d
DATA spread<>+32(SB)/8, $0x070c01060b00050a
DATA spread<>+40(SB)/8, $0x0f04090e03080d02
GLOBL spread<>(SB), RODATA|NOPTR, $48

DATA third<>+0(SB)/8, $0x00ff0000ff0000ff   // places 0 3 6 9 12 15
DATA third<>+8(SB)/8, $0xff0000ff0000ff00
DATA third<>+16(SB)/8, $0xff0000ff0000ff00  // places 1 4 7 10 13
DATA third<>+24(SB)/8, $0x0000ff0000ff0000
DATA third<>+32(SB)/8, $0x0000ff0000ff0000  // places 2 5 8 11 14
DATA third<>+40(SB)/8, $0x00ff0000ff0000ff
GLOBL third<>(SB), RODATA|NOPTR, $48

// func interleaveAVX2(dst, red, green, blue *byte, blocks int)
// Writes blocks of 32 pixels, 96 bytes each.
TEXT ·interleaveAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ red+8(FP), R8
	MOVQ green+16(FP), R9
	MOVQ blue+24(FP), R10
	MOVQ blocks+32(FP), CX
	VBROADCASTI128 spread<>+0(SB), Y10
	VBROADCASTI128 spread<>+16(SB), Y11
	VBROADCASTI128 spread<>+32(SB), Y12
	VBROADCASTI128 third<>+0(SB), Y13
	VBROADCASTI128 third<>+16(SB), Y14
	VBROADCASTI128 third<>+32(SB), Y15

block:
	VMOVDQU   (R8), Y0
	VMOVDQU   (R9), Y1
	VMOVDQU   (R10), Y2
	VPSHUFB   Y10, Y0, Y0
	VPSHUFB   Y11, Y1, Y1
	VPSHUFB   Y12, Y2, Y2
	VPBLENDVB Y14, Y1, Y0, Y3
	VPBLENDVB Y15, Y2, Y3, Y3
	VPBLENDVB Y13, Y1, Y0, Y4
	VPBLENDVB Y14, Y2, Y4, Y4
	VPBLENDVB Y15, Y1, Y0, Y5
	VPBLENDVB Y13, Y2, Y5, Y5
	VPERM2I128 $0x20, Y4, Y3, Y0   // bytes 0-31
	VPERM2I128 $0x30, Y3, Y5, Y1   // bytes 32-63
	VPERM2I128 $0x31, Y5, Y4, Y2   // bytes 64-95
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y1, 32(DI)
	VMOVDQU   Y2, 64(DI)
	ADDQ      $32, R8
	ADDQ      $32, R9
	ADDQ      $32, R10
	ADDQ      $96, DI
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// Taking threes apart: channel c's byte i is at place 3i+c mod 16 of whichever
// of three vectors it is in. Blends gather a channel's places, one shuffle
// puts them in order.
DATA gather<>+0(SB)/8, $0x05020f0c09060300
DATA gather<>+8(SB)/8, $0x0d0a0704010e0b08
DATA gather<>+16(SB)/8, $0x0603000d0a070401
DATA gather<>+24(SB)/8, $0x0e0b0805020f0c09
DATA gather<>+32(SB)/8, $0x0704010e0b080502
DATA gather<>+40(SB)/8, $0x0f0c090603000d0a
GLOBL gather<>(SB), RODATA|NOPTR, $48

// func deinterleaveAVX2(red, green, blue, src *byte, blocks int)
// A lane takes 16 pixels of its own: bytes 0-47 and 48-95 of a block.
TEXT ·deinterleaveAVX2(SB), NOSPLIT, $0-40
	MOVQ red+0(FP), R8
	MOVQ green+8(FP), R9
	MOVQ blue+16(FP), R10
	MOVQ src+24(FP), SI
	MOVQ blocks+32(FP), CX
	VBROADCASTI128 gather<>+0(SB), Y10
	VBROADCASTI128 gather<>+16(SB), Y11
	VBROADCASTI128 gather<>+32(SB), Y12
	VBROADCASTI128 third<>+0(SB), Y13
	VBROADCASTI128 third<>+16(SB), Y14
	VBROADCASTI128 third<>+32(SB), Y15

block:
	VMOVDQU     (SI), X0
	VMOVDQU     16(SI), X1
	VMOVDQU     32(SI), X2
	VINSERTI128 $1, 48(SI), Y0, Y0
	VINSERTI128 $1, 64(SI), Y1, Y1
	VINSERTI128 $1, 80(SI), Y2, Y2
	VPBLENDVB   Y15, Y1, Y0, Y3
	VPBLENDVB   Y14, Y2, Y3, Y3
	VPBLENDVB   Y13, Y1, Y0, Y4
	VPBLENDVB   Y15, Y2, Y4, Y4
	VPBLENDVB   Y14, Y1, Y0, Y5
	VPBLENDVB   Y13, Y2, Y5, Y5
	VPSHUFB     Y10, Y3, Y3
	VPSHUFB     Y11, Y4, Y4
	VPSHUFB     Y12, Y5, Y5
	VMOVDQU     Y3, (R8)
	VMOVDQU     Y4, (R9)
	VMOVDQU     Y5, (R10)
	ADDQ        $32, R8
	ADDQ        $32, R9
	ADDQ        $32, R10
	ADDQ        $96, SI
	DECQ        CX
	JNZ         block
	VZEROUPPER
	RET

// func roundAVX2(dst *byte, src *int16, blocks int)
TEXT ·roundAVX2(SB), NOSPLIT, $0-24
	MOVQ     dst+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     blocks+16(FP), CX
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15
	VPSLLW   $6, Y15, Y15

block:
	VPADDW    (SI), Y15, Y0
	VPADDW    32(SI), Y15, Y1
	VPSRLW    $7, Y0, Y0
	VPSRLW    $7, Y1, Y1
	VPACKUSWB Y1, Y0, Y0
	VPERMQ    $0xd8, Y0, Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $64, SI
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

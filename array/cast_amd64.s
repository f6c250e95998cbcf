//go:build !purego

#include "textflag.h"

// Every function takes 16 elements a turn, n of them in all, a multiple of 16
// and not none. dst and src may be the same where the elements have one size.

#define BEGIN \
	MOVQ dst+0(FP), DI; \
	MOVQ src+8(FP), SI; \
	MOVQ n+16(FP), CX

// END goes on to the next elements, by their bytes in src and in dst.
#define END(from, to) \
	ADDQ $from, SI; \
	ADDQ $to, DI;   \
	SUBQ $16, CX;   \
	JNZ  loop;      \
	VZEROUPPER;     \
	RET

// EACH32 and EACH64 put a constant into every part of a register.
#define EACH32(constant, X, Y) \
	MOVL         constant, AX; \
	VMOVD        AX, X;        \
	VPBROADCASTD X, Y

#define EACH64(constant, X, Y) \
	MOVQ         constant, AX; \
	VMOVQ        AX, X;        \
	VPBROADCASTQ X, Y

// IN2 and IN4 read the elements with an instruction that changes them, of every
// so many bytes into a register.
#define IN2(OP, each, A, B) \
	OP 0(SI), A;    \
	OP each(SI), B

#define IN4(OP, each, A, B, C, D) \
	IN2(OP, each, A, B); \
	OP (2*each)(SI), C;  \
	OP (3*each)(SI), D

// BOTH and ALL do one thing to two registers, or to four.
#define BOTH(OP, A, B) \
	OP A, A; \
	OP B, B

#define ALL(OP, with) \
	OP with, Y0, Y0; \
	OP with, Y1, Y1; \
	OP with, Y2, Y2; \
	OP with, Y3, Y3

// OUT2 and OUT4 write them.
#define OUT2(each, A, B) \
	VMOVDQU A, 0(DI);   \
	VMOVDQU B, each(DI)

#define OUT4(each, A, B, C, D) \
	OUT2(each, A, B);         \
	VMOVDQU C, (2*each)(DI);  \
	VMOVDQU D, (3*each)(DI)

// HALVE leaves the lower half of each 64 bits of Y0 to Y3, in Y0 and Y1.
#define HALVE \
	VSHUFPS $0x88, Y1, Y0, Y0; \
	VSHUFPS $0x88, Y3, Y2, Y1; \
	VPERMQ  $0xD8, Y0, Y0;     \
	VPERMQ  $0xD8, Y1, Y1

// JOIN has in Y0 and Y1 what are four halves of them.
#define JOIN \
	VINSERTI128 $1, X1, Y0, Y0; \
	VINSERTI128 $1, X3, Y2, Y1

// MASK clears what is above the low bits of Y0 and Y1, by Y15.
#define MASK \
	VPAND Y15, Y0, Y0; \
	VPAND Y15, Y1, Y1

// PACK16 makes 16 bits of each 32 of Y0 and Y1, and BYTES a byte of each 16 of
// Y0; they write them. What is packed must fit.
#define PACK16 \
	VPACKUSDW Y1, Y0, Y0;  \
	VPERMQ    $0xD8, Y0, Y0

#define BYTES \
	VPACKUSWB Y0, Y0, Y0;    \
	VPERMQ    $0x08, Y0, Y0; \
	VMOVDQU   X0, 0(DI)

// FROM32, FROM64, FROMF32 and FROMF64 read 16 numbers and leave those of their
// low bits that Y15 has, in Y0 and Y1. LOW16 and LOW8 write them.
#define FROM32 \
	VPAND 0(SI), Y15, Y0;  \
	VPAND 32(SI), Y15, Y1

#define FROM64 \
	IN4(VMOVDQU, 32, Y0, Y1, Y2, Y3); \
	HALVE;                            \
	MASK

#define FROMF32 \
	IN2(VCVTTPS2DQ, 32, Y0, Y1); \
	MASK

#define FROMF64 \
	IN4(VCVTTPD2DQY, 32, X0, X1, X2, X3); \
	JOIN;                                 \
	MASK

#define LOW16(FROM, from) \
	BEGIN;                         \
	EACH32($0x0000FFFF, X15, Y15); \
loop:                              \
	FROM;                          \
	PACK16;                        \
	VMOVDQU Y0, 0(DI);             \
	END(from, 32)

#define LOW8(FROM, from) \
	BEGIN;                         \
	EACH32($0x000000FF, X15, Y15); \
loop:                              \
	FROM;                          \
	PACK16;                        \
	BYTES;                         \
	END(from, 16)

// TRUTH2 and TRUTH4 make a byte of each number, of 32 bits or of 64, by a
// comparison with 0: what is 0 becomes all ones, and one more is 0; all else
// becomes 1.
#define EQUAL32(at, Y) VPCMPEQD at(SI), Y14, Y
#define EQUAL64(at, Y) VPCMPEQQ at(SI), Y14, Y
#define EQUALF32(at, Y) VCMPPS $0, at(SI), Y14, Y
#define EQUALF64(at, Y) VCMPPD $0, at(SI), Y14, Y

#define ONES \
	BEGIN;                         \
	EACH32($0x00000001, X15, Y15); \
	VPXOR Y14, Y14, Y14

#define TRUTHS(from) \
	VPADDD Y15, Y0, Y0; \
	VPADDD Y15, Y1, Y1; \
	PACK16;             \
	BYTES;              \
	END(from, 16)

#define TRUTH2(EQUAL) \
	ONES;          \
loop:              \
	EQUAL(0, Y0);  \
	EQUAL(32, Y1); \
	TRUTHS(64)

#define TRUTH4(EQUAL) \
	ONES;          \
loop:              \
	EQUAL(0, Y0);  \
	EQUAL(32, Y1); \
	EQUAL(64, Y2); \
	EQUAL(96, Y3); \
	HALVE;         \
	TRUTHS(128)

// WIDE2 and WIDE4 make more bytes of each element, by one instruction.
#define WIDE2(OP, from) \
	BEGIN;                        \
loop:                             \
	IN2(OP, from, Y0, Y1);        \
	OUT2(32, Y0, Y1);             \
	END((2*from), 64)

#define WIDE4(OP, from) \
	BEGIN;                         \
loop:                              \
	IN4(OP, from, Y0, Y1, Y2, Y3); \
	OUT4(32, Y0, Y1, Y2, Y3);      \
	END((4*from), 128)

// FLOAT2 and FLOAT4 do the same over 32-bit integers.
#define FLOAT2(OP, from) \
	BEGIN;                   \
loop:                        \
	IN2(OP, from, Y0, Y1);   \
	BOTH(VCVTDQ2PS, Y0, Y1); \
	OUT2(32, Y0, Y1);        \
	END((2*from), 64)

#define FLOAT4(OP, from) \
	BEGIN;                         \
loop:                              \
	IN4(OP, from, X0, X1, X2, X3); \
	VCVTDQ2PD X0, Y0;              \
	VCVTDQ2PD X1, Y1;              \
	VCVTDQ2PD X2, Y2;              \
	VCVTDQ2PD X3, Y3;              \
	OUT4(32, Y0, Y1, Y2, Y3);      \
	END((4*from), 128)

// HALF4 makes 32 bits of each 64, by one instruction.
#define HALF4(OP) \
	BEGIN;                       \
loop:                            \
	IN4(OP, 32, X0, X1, X2, X3); \
	OUT4(16, X0, X1, X2, X3);    \
	END(128, 64)

// Numbers one by one, of which AVX2 has no more.
#define INT(TO, PUT, from, to, k, X) \
	TO  ((k)*from)(SI), X15, X; \
	PUT X, ((k)*to)(DI)

#define INTS4(TO, PUT, from, to, k) \
	INT(TO, PUT, from, to, k, X0);   \
	INT(TO, PUT, from, to, k+1, X1); \
	INT(TO, PUT, from, to, k+2, X2); \
	INT(TO, PUT, from, to, k+3, X3)

#define INTS(TO, PUT, from, to) \
	BEGIN;                         \
	VXORPS X15, X15, X15;          \
loop:                              \
	INTS4(TO, PUT, from, to, 0);   \
	INTS4(TO, PUT, from, to, 4);   \
	INTS4(TO, PUT, from, to, 8);   \
	INTS4(TO, PUT, from, to, 12);  \
	END((16*from), (16*to))

#define WHOLE(TO, from, k, R) \
	TO   ((k)*from)(SI), R; \
	MOVQ R, ((k)*8)(DI)

#define WHOLES4(TO, from, k) \
	WHOLE(TO, from, k, R8);    \
	WHOLE(TO, from, k+1, R9);  \
	WHOLE(TO, from, k+2, R10); \
	WHOLE(TO, from, k+3, R11)

#define WHOLES(TO, from) \
	BEGIN;                \
loop:                     \
	WHOLES4(TO, from, 0);  \
	WHOLES4(TO, from, 4);  \
	WHOLES4(TO, from, 8);  \
	WHOLES4(TO, from, 12); \
	END((16*from), 128)

// func widenInt8to16(dst, src *byte, n int)
TEXT ·widenInt8to16(SB), NOSPLIT, $0-24
	BEGIN

loop:
	VPMOVSXBW 0(SI), Y0
	VMOVDQU Y0, 0(DI)
	END(16, 32)

// func widenInt8to32(dst, src *byte, n int)
TEXT ·widenInt8to32(SB), NOSPLIT, $0-24
	WIDE2(VPMOVSXBD, 8)

// func widenInt8to64(dst, src *byte, n int)
TEXT ·widenInt8to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVSXBQ, 4)

// func widenInt16to32(dst, src *byte, n int)
TEXT ·widenInt16to32(SB), NOSPLIT, $0-24
	WIDE2(VPMOVSXWD, 16)

// func widenInt16to64(dst, src *byte, n int)
TEXT ·widenInt16to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVSXWQ, 8)

// func widenInt32to64(dst, src *byte, n int)
TEXT ·widenInt32to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVSXDQ, 16)

// func widenUint8to16(dst, src *byte, n int)
TEXT ·widenUint8to16(SB), NOSPLIT, $0-24
	BEGIN

loop:
	VPMOVZXBW 0(SI), Y0
	VMOVDQU Y0, 0(DI)
	END(16, 32)

// func widenUint8to32(dst, src *byte, n int)
TEXT ·widenUint8to32(SB), NOSPLIT, $0-24
	WIDE2(VPMOVZXBD, 8)

// func widenUint8to64(dst, src *byte, n int)
TEXT ·widenUint8to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVZXBQ, 4)

// func widenUint16to32(dst, src *byte, n int)
TEXT ·widenUint16to32(SB), NOSPLIT, $0-24
	WIDE2(VPMOVZXWD, 16)

// func widenUint16to64(dst, src *byte, n int)
TEXT ·widenUint16to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVZXWQ, 8)

// func widenUint32to64(dst, src *byte, n int)
TEXT ·widenUint32to64(SB), NOSPLIT, $0-24
	WIDE4(VPMOVZXDQ, 16)

// func narrow16to8(dst, src *byte, n int)
TEXT ·narrow16to8(SB), NOSPLIT, $0-24
	BEGIN
	EACH32($0x00FF00FF, X15, Y15)

loop:
	VPAND 0(SI), Y15, Y0
	BYTES
	END(32, 16)

// func narrow32to16(dst, src *byte, n int)
TEXT ·narrow32to16(SB), NOSPLIT, $0-24
	LOW16(FROM32, 64)

// func narrow32to8(dst, src *byte, n int)
TEXT ·narrow32to8(SB), NOSPLIT, $0-24
	LOW8(FROM32, 64)

// func narrow64to32(dst, src *byte, n int)
TEXT ·narrow64to32(SB), NOSPLIT, $0-24
	BEGIN

loop:
	IN4(VMOVDQU, 32, Y0, Y1, Y2, Y3)
	HALVE
	OUT2(32, Y0, Y1)
	END(128, 64)

// func narrow64to16(dst, src *byte, n int)
TEXT ·narrow64to16(SB), NOSPLIT, $0-24
	LOW16(FROM64, 128)

// func narrow64to8(dst, src *byte, n int)
TEXT ·narrow64to8(SB), NOSPLIT, $0-24
	LOW8(FROM64, 128)

// func int8toFloat32(dst, src *byte, n int)
TEXT ·int8toFloat32(SB), NOSPLIT, $0-24
	FLOAT2(VPMOVSXBD, 8)

// func int8toFloat64(dst, src *byte, n int)
TEXT ·int8toFloat64(SB), NOSPLIT, $0-24
	FLOAT4(VPMOVSXBD, 4)

// func int16toFloat32(dst, src *byte, n int)
TEXT ·int16toFloat32(SB), NOSPLIT, $0-24
	FLOAT2(VPMOVSXWD, 16)

// func int16toFloat64(dst, src *byte, n int)
TEXT ·int16toFloat64(SB), NOSPLIT, $0-24
	FLOAT4(VPMOVSXWD, 8)

// func uint8toFloat32(dst, src *byte, n int)
TEXT ·uint8toFloat32(SB), NOSPLIT, $0-24
	FLOAT2(VPMOVZXBD, 8)

// func uint8toFloat64(dst, src *byte, n int)
TEXT ·uint8toFloat64(SB), NOSPLIT, $0-24
	FLOAT4(VPMOVZXBD, 4)

// func uint16toFloat32(dst, src *byte, n int)
TEXT ·uint16toFloat32(SB), NOSPLIT, $0-24
	FLOAT2(VPMOVZXWD, 16)

// func uint16toFloat64(dst, src *byte, n int)
TEXT ·uint16toFloat64(SB), NOSPLIT, $0-24
	FLOAT4(VPMOVZXWD, 8)

// func int32toFloat32(dst, src *byte, n int)
TEXT ·int32toFloat32(SB), NOSPLIT, $0-24
	WIDE2(VCVTDQ2PS, 32)

// func int32toFloat64(dst, src *byte, n int)
TEXT ·int32toFloat64(SB), NOSPLIT, $0-24
	WIDE4(VCVTDQ2PD, 16)

// func uint32toFloat64(dst, src *byte, n int)
TEXT ·uint32toFloat64(SB), NOSPLIT, $0-24
	BEGIN
	EACH64($0x4330000000000000, X15, Y15) // 2^52, below which the number is put

loop:
	IN4(VPMOVZXDQ, 16, Y0, Y1, Y2, Y3)
	ALL(VPOR, Y15)
	ALL(VSUBPD, Y15)
	OUT4(32, Y0, Y1, Y2, Y3)
	END(64, 128)

// func uint32toFloat32(dst, src *byte, n int)
TEXT ·uint32toFloat32(SB), NOSPLIT, $0-24
	BEGIN
	EACH64($0x4330000000000000, X15, Y15) // 2^52, below which the number is put

loop:
	IN4(VPMOVZXDQ, 16, Y0, Y1, Y2, Y3)
	ALL(VPOR, Y15)
	ALL(VSUBPD, Y15)
	VCVTPD2PSY Y0, X0
	VCVTPD2PSY Y1, X1
	VCVTPD2PSY Y2, X2
	VCVTPD2PSY Y3, X3
	OUT4(16, X0, X1, X2, X3)
	END(64, 64)

// func int64toFloat64(dst, src *byte, n int)
TEXT ·int64toFloat64(SB), NOSPLIT, $0-24
	INTS(VCVTSI2SDQ, VMOVSD, 8, 8)

// func int64toFloat32(dst, src *byte, n int)
TEXT ·int64toFloat32(SB), NOSPLIT, $0-24
	INTS(VCVTSI2SSQ, VMOVSS, 8, 4)

// func float32toInt64(dst, src *byte, n int)
TEXT ·float32toInt64(SB), NOSPLIT, $0-24
	WHOLES(VCVTTSS2SIQ, 4)

// func float64toInt64(dst, src *byte, n int)
TEXT ·float64toInt64(SB), NOSPLIT, $0-24
	WHOLES(VCVTTSD2SIQ, 8)

// func float32toInt32(dst, src *byte, n int)
TEXT ·float32toInt32(SB), NOSPLIT, $0-24
	WIDE2(VCVTTPS2DQ, 32)

// func float64toInt32(dst, src *byte, n int)
TEXT ·float64toInt32(SB), NOSPLIT, $0-24
	HALF4(VCVTTPD2DQY)

// func float32to16(dst, src *byte, n int)
TEXT ·float32to16(SB), NOSPLIT, $0-24
	LOW16(FROMF32, 64)

// func float64to16(dst, src *byte, n int)
TEXT ·float64to16(SB), NOSPLIT, $0-24
	LOW16(FROMF64, 128)

// func float32to8(dst, src *byte, n int)
TEXT ·float32to8(SB), NOSPLIT, $0-24
	LOW8(FROMF32, 64)

// func float64to8(dst, src *byte, n int)
TEXT ·float64to8(SB), NOSPLIT, $0-24
	LOW8(FROMF64, 128)

// func float32toFloat64(dst, src *byte, n int)
TEXT ·float32toFloat64(SB), NOSPLIT, $0-24
	WIDE4(VCVTPS2PD, 16)

// func float64toFloat32(dst, src *byte, n int)
TEXT ·float64toFloat32(SB), NOSPLIT, $0-24
	HALF4(VCVTPD2PSY)

// func float16toFloat32(dst, src *byte, n int)
TEXT ·float16toFloat32(SB), NOSPLIT, $0-24
	WIDE2(VCVTPH2PS, 16)

// func float32toFloat16(dst, src *byte, n int)
TEXT ·float32toFloat16(SB), NOSPLIT, $0-24
	BEGIN

loop:
	IN2(VMOVUPS, 32, Y0, Y1)
	VCVTPS2PH $0, Y0, 0(DI)
	VCVTPS2PH $0, Y1, 16(DI)
	END(64, 32)

// func bfloat16toFloat32(dst, src *byte, n int)
TEXT ·bfloat16toFloat32(SB), NOSPLIT, $0-24
	BEGIN

loop:
	IN2(VPMOVZXWD, 16, Y0, Y1)
	VPSLLD $16, Y0, Y0
	VPSLLD $16, Y1, Y1
	OUT2(32, Y0, Y1)
	END(32, 64)

// ROUND makes a bfloat16 of each float of A, in A; a NaN stays one, by Y13. B, C and D
// are spent.
#define ROUND(A, B, C, D) \
	VPSRLD    $16, A, B;      \
	VPOR      Y13, B, C;      \
	VPAND     Y15, B, D;      \
	VPADDD    Y14, D, D;      \
	VPADDD    A, D, D;        \
	VPSRLD    $16, D, D;      \
	VCMPPS    $3, A, A, B;    \
	VBLENDVPS B, C, D, A

// func float32toBFloat16(dst, src *byte, n int)
TEXT ·float32toBFloat16(SB), NOSPLIT, $0-24
	BEGIN
	EACH32($0x00000001, X15, Y15)
	EACH32($0x00007FFF, X14, Y14)
	EACH32($0x00000040, X13, Y13)

loop:
	IN2(VMOVDQU, 32, Y0, Y1)
	ROUND(Y0, Y2, Y3, Y4)
	ROUND(Y1, Y2, Y3, Y4)
	PACK16
	VMOVDQU Y0, 0(DI)
	END(64, 32)

// func truth8(dst, src *byte, n int)
TEXT ·truth8(SB), NOSPLIT, $0-24
	BEGIN
	EACH32($0x01010101, X15, Y15)

loop:
	VPMINUB 0(SI), X15, X0
	VMOVDQU X0, 0(DI)
	END(16, 16)

// func truth16(dst, src *byte, n int)
TEXT ·truth16(SB), NOSPLIT, $0-24
	BEGIN
	EACH32($0x00010001, X15, Y15)
	VPXOR Y14, Y14, Y14

loop:
	VPCMPEQW 0(SI), Y14, Y0
	VPADDW Y15, Y0, Y0
	BYTES
	END(32, 16)

// func truth32(dst, src *byte, n int)
TEXT ·truth32(SB), NOSPLIT, $0-24
	TRUTH2(EQUAL32)

// func truthFloat32(dst, src *byte, n int)
TEXT ·truthFloat32(SB), NOSPLIT, $0-24
	TRUTH2(EQUALF32)

// func truth64(dst, src *byte, n int)
TEXT ·truth64(SB), NOSPLIT, $0-24
	TRUTH4(EQUAL64)

// func truthFloat64(dst, src *byte, n int)
TEXT ·truthFloat64(SB), NOSPLIT, $0-24
	TRUTH4(EQUALF64)

// EVEN leaves the first of every two numbers.
#define EVEN(k) \
	VMOVUPD   (64*(k))(SI), Y0;        \
	VUNPCKLPD (64*(k)+32)(SI), Y0, Y0; \
	VPERMPD   $0xD8, Y0, Y0;           \
	VMOVUPD   Y0, (32*(k))(DI)

// func reals64(dst, src *byte, n int)
TEXT ·reals64(SB), NOSPLIT, $0-24
	BEGIN

loop:
	EVEN(0)
	EVEN(1)
	EVEN(2)
	EVEN(3)
	END(256, 128)

// APART puts a 0, of Y15, behind every number.
#define APART(k) \
	VPERMPD  $0x10, (32*(k))(SI), Y0; \
	VPERMPD  $0x32, (32*(k))(SI), Y1; \
	VBLENDPD $0xA, Y15, Y0, Y0;       \
	VBLENDPD $0xA, Y15, Y1, Y1;       \
	VMOVUPD  Y0, (64*(k))(DI);        \
	VMOVUPD  Y1, (64*(k)+32)(DI)

// func spread64(dst, src *byte, n int)
TEXT ·spread64(SB), NOSPLIT, $0-24
	BEGIN
	VPXOR Y15, Y15, Y15

loop:
	APART(0)
	APART(1)
	APART(2)
	APART(3)
	END(128, 256)

// ORDER has the places that bytes come from, in both halves of Y15.
#define ORDER(low, high) \
	MOVQ        low, AX;           \
	VMOVQ       AX, X15;           \
	MOVQ        high, AX;          \
	VPINSRQ     $1, AX, X15, X15;  \
	VINSERTI128 $1, X15, Y15, Y15

// func swap16(dst, src *byte, n int)
TEXT ·swap16(SB), NOSPLIT, $0-24
	BEGIN
	ORDER($0x0607040502030001, $0x0E0F0C0D0A0B0809)

loop:
	VMOVDQU 0(SI), Y0
	VPSHUFB Y15, Y0, Y0
	VMOVDQU Y0, 0(DI)
	END(32, 32)

// func swap32(dst, src *byte, n int)
TEXT ·swap32(SB), NOSPLIT, $0-24
	BEGIN
	ORDER($0x0405060700010203, $0x0C0D0E0F08090A0B)

loop:
	IN2(VMOVDQU, 32, Y0, Y1)
	VPSHUFB Y15, Y0, Y0
	VPSHUFB Y15, Y1, Y1
	OUT2(32, Y0, Y1)
	END(64, 64)

// func swap64(dst, src *byte, n int)
TEXT ·swap64(SB), NOSPLIT, $0-24
	BEGIN
	ORDER($0x0001020304050607, $0x08090A0B0C0D0E0F)

loop:
	IN4(VMOVDQU, 32, Y0, Y1, Y2, Y3)
	ALL(VPSHUFB, Y15)
	OUT4(32, Y0, Y1, Y2, Y3)
	END(128, 128)

// func f16c() bool
TEXT ·f16c(SB), NOSPLIT, $0-1
	MOVL  $1, AX
	XORL  CX, CX
	CPUID
	SHRL  $29, CX
	ANDL  $1, CX
	MOVB  CX, ret+0(FP)
	RET

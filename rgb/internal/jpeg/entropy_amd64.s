//go:build !purego

#include "go_asm.h"
#include "textflag.h"

#define READER DI
#define TABLE  SI
#define COEFS  R8
#define K      R9
#define DATA   R10
#define END    R11
#define POS    R12
#define WORD   R13
#define N      DX
#define ZIGZAG BX
#define ENTRY  AX
#define LAST   R15

// func acLoop(r *reader, t *acTable, coefs *[64]int16, k, last uint) (kOut, lastOut uint)
//
// SHLX and SHRX take a count's low six bits, so an entry is its own count.
TEXT ·acLoop(SB), NOSPLIT, $0-56
	MOVQ r+0(FP), READER
	MOVQ t+8(FP), TABLE
	MOVQ coefs+16(FP), COEFS
	MOVQ k+24(FP), K
	MOVQ last+32(FP), LAST
	MOVQ reader_data(READER), DATA
	MOVQ reader_data+8(READER), END
	MOVQ reader_pos(READER), POS
	MOVQ reader_word(READER), WORD
	MOVQ reader_n(READER), N
	LEAQ ·zigzag(SB), ZIGZAG
	SUBQ $8, END

loop:
	CMPQ N, $32
	JAE  ready
	CMPQ POS, END
	CMOVQGT END, POS
	MOVQ (DATA)(POS*1), CX
	BSWAPQ CX
	SHRXQ N, CX, CX
	ORQ  CX, WORD
	MOVL $63, CX
	SUBQ N, CX
	SHRQ $3, CX
	ADDQ CX, POS
	ORQ  $56, N

ready:
	MOVQ WORD, CX
	SHRQ $(64-const_lookup), CX
	MOVQ acTable_fast(TABLE)(CX*8), ENTRY
	MOVBLZX AH, CX
	ADDQ K, CX
	CMPQ CX, $63
	JA   long
	SHLXQ ENTRY, WORD, WORD
	MOVL ENTRY, LAST
	SHRL $16, LAST
	MOVBLZX LAST, LAST
	ADDQ K, LAST                  // the first coefficient's k
	MOVBLZX (ZIGZAG)(LAST*1), K
	RORXQ $32, ENTRY, R14
	MOVW R14, (COEFS)(K*2)
	MOVL ENTRY, K
	SHRL $24, K
	ADDQ K, LAST                  // the second's
	MOVBLZX (ZIGZAG)(LAST*1), K
	SHRQ $16, R14
	MOVW R14, (COEFS)(K*2)
	MOVL ENTRY, R14
	ANDL $63, R14
	SUBQ R14, N
	ANDL $const_eob, ENTRY
	LEAQ 1(CX)(ENTRY*1), K
	CMPQ K, $64
	JB   loop
	JMP  done

long:
	// A code in view whose value is not: never an end of block. The rest,
	// rare, is the caller's.
	BTL  $15, ENTRY
	JCC  done
	MOVL ENTRY, R14
	ANDL $63, R14
	JEQ  done
	SHLXQ ENTRY, WORD, WORD
	SUBQ R14, N
	MOVL ENTRY, CX
	SHRL $16, CX
	ADDQ CX, K                    // run; at most 63+15, where zigzag says 63
	SHRQ $32, ENTRY               // size
	SUBQ ENTRY, N
	MOVQ WORD, CX
	SARQ $63, CX                  // 0 if the value is negative
	MOVQ $-1, R14
	SHLXQ ENTRY, R14, R14
	INCQ R14
	ANDNQ R14, CX, R14            // its offset, or 0
	MOVQ ENTRY, CX
	NEGQ CX
	SHRXQ CX, WORD, CX
	ADDQ R14, CX
	SHLXQ ENTRY, WORD, WORD
	MOVQ K, LAST
	MOVBLZX (ZIGZAG)(K*1), R14
	MOVW CX, (COEFS)(R14*2)
	INCQ K
	CMPQ K, $64
	JB   loop

done:
	MOVQ POS, reader_pos(READER)
	MOVQ WORD, reader_word(READER)
	MOVQ N, reader_n(READER)
	MOVQ K, kOut+40(FP)
	MOVQ LAST, lastOut+48(FP)
	RET

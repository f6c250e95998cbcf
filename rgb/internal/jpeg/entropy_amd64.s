//go:build !purego

#include "go_asm.h"
#include "funcdata.h"
#include "textflag.h"

#define ENTROPY DI
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

// On the stack: the block, the blocks' end, and where its last goes.
#define BLOCK 0(SP)
#define BLOCKEND 8(SP)
#define LASTPTR 16(SP)

// REFILL is reader.fill.
#define REFILL \
	CMPQ    POS, END;            \
	CMOVQGT END, POS;            \
	MOVQ    (DATA)(POS*1), CX;   \
	BSWAPQ  CX;                  \
	SHRXQ   N, CX, CX;           \
	ORQ     CX, WORD;            \
	MOVL    $63, CX;             \
	SUBQ    N, CX;               \
	SHRQ    $3, CX;              \
	ADDQ    CX, POS;             \
	ORQ     $56, N

// func mcuLoop(e *entropy, m *mcu, lasts *[maxBlocks + 1]uint8, i, k, last uint) (iOut, kOut, lastOut uint)
//
// The reader stays in registers for all blocks. SHLX and SHRX take a count's low
// six bits, so an entry is its own count.
TEXT ·mcuLoop(SB), NOSPLIT, $24-72
	NO_LOCAL_POINTERS // a fault in the bytes that it reads is a panic, whose stack the collector walks
	MOVQ e+0(FP), ENTROPY
	MOVQ i+24(FP), CX
	MOVQ lasts+16(FP), AX
	ADDQ CX, AX
	MOVQ AX, LASTPTR
	IMUL3Q $block__size, CX, AX
	ADDQ entropy_blocks(ENTROPY), AX
	MOVQ AX, BLOCK
	MOVQ block_ac(AX), TABLE
	MOVQ entropy_blocks+8(ENTROPY), AX
	IMUL3Q $block__size, AX, AX
	ADDQ entropy_blocks(ENTROPY), AX
	MOVQ AX, BLOCKEND
	SHLQ $7, CX
	MOVQ m+8(FP), COEFS
	ADDQ CX, COEFS
	MOVQ k+32(FP), K
	MOVQ last+40(FP), LAST
	MOVQ reader_data(ENTROPY), DATA
	MOVQ reader_data+8(ENTROPY), END
	MOVQ reader_pos(ENTROPY), POS
	MOVQ reader_word(ENTROPY), WORD
	MOVQ reader_n(ENTROPY), N
	LEAQ ·zigzag(SB), ZIGZAG
	SUBQ $8, END
	VPXOR X0, X0, X0
	TESTQ K, K
	JNE  loop

block:
	VMOVDQU Y0, (COEFS)
	VMOVDQU Y0, 32(COEFS)
	VMOVDQU Y0, 64(COEFS)
	VMOVDQU Y0, 96(COEFS)
	XORL LAST, LAST
	XORL K, K
	CMPQ N, $32
	JAE  dc
	REFILL

dc:
	MOVQ BLOCK, ENTRY
	MOVQ WORD, CX
	SHRQ $(64-const_dcLookup), CX
	MOVQ block_dc(ENTRY), TABLE
	MOVL dcTable_fast(TABLE)(CX*4), R14
	TESTL $const_dcSlow, R14
	JNE  out
	SHLXQ R14, WORD, WORD
	MOVL R14, CX
	ANDL $63, CX
	SUBQ CX, N
	SARL $16, R14
	MOVQ block_comp(ENTRY), CX
	ADDL entropy_pred(ENTROPY)(CX*4), R14
	MOVL R14, entropy_pred(ENTROPY)(CX*4)
	MOVW R14, (COEFS)
	ADDL $32768, R14
	SHRL $16, R14
	SHLQ $9, R14
	ORQ  R14, entropy_bad(ENTROPY) // 0 unless the coefficient leaves 16 bits
	MOVQ block_ac(ENTRY), TABLE
	MOVL $1, K

loop:
	CMPQ N, $32
	JAE  ready
	REFILL

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
	JCC  out
	MOVL ENTRY, R14
	ANDL $63, R14
	JEQ  out
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
	MOVL LAST, CX
	ANDL $64, CX
	ORQ  CX, entropy_bad(ENTROPY) // a run past the block: const badRun
	CMPQ LAST, $1
	JNE  next
	CMPW 2(COEFS), $0             // an end of block alone has stored a zero
	JNE  next
	XORL LAST, LAST

next:
	MOVQ LASTPTR, CX
	MOVB LAST, (CX)
	INCQ CX
	MOVQ CX, LASTPTR
	ADDQ $128, COEFS
	MOVQ BLOCK, AX
	ADDQ $block__size, AX
	MOVQ AX, BLOCK
	CMPQ AX, BLOCKEND
	JB   block
	XORL K, K

out:
	MOVQ POS, reader_pos(ENTROPY)
	MOVQ WORD, reader_word(ENTROPY)
	MOVQ N, reader_n(ENTROPY)
	MOVQ LASTPTR, AX
	SUBQ lasts+16(FP), AX
	MOVQ AX, iOut+48(FP)
	MOVQ K, kOut+56(FP)
	MOVQ LAST, lastOut+64(FP)
	RET

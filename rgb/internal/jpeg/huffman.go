package jpeg

// lookup is how many bits one look-up in an AC table sees. 11 bits hold the
// common codes together with their value bits, often two of them, and keep a
// table at 16 kB, so that luma's stays in the L1 cache. A DC table sees fewer:
// it is asked once a block.
const (
	lookup   = 11
	dcLookup = 10
)

// zigzag maps coding order to natural order. A corrupt run can lead past 63;
// those positions fall on 63, and the caller sees from the last position that
// it happened.
var zigzag = func() (z [128]uint8) {
	for i := range z {
		z[i] = 63
	}
	x, y := 0, 0
	for k := range 64 {
		z[k] = uint8(8*y + x)
		switch {
		case (x+y)%2 == 0 && x == 7, (x+y)%2 == 1 && y < 7 && x == 0:
			y++
		case (x+y)%2 == 0 && y == 0, (x+y)%2 == 1 && y == 7:
			x++
		case (x+y)%2 == 0:
			x, y = x+1, y-1
		default:
			x, y = x-1, y+1
		}
	}
	return z
}()

// codes are the canonical codes of a DHT definition.
type codes struct {
	def   [16 + 256]byte // 16 counts, then the symbols
	n     int            // of def
	limit [17]int32      // first code of length l, plus their number
	first [17]int32      // index of a symbol with a code of length l, less the code
}

// set takes a definition; what is wrong with it comes back.
func (t *codes) set(def []byte) string {
	t.n = copy(t.def[:], def)
	code, n := int32(0), int32(0)
	for l := 1; l <= 16; l++ {
		t.first[l] = n - code
		code += int32(def[l-1])
		n += int32(def[l-1])
		if code > 1<<l {
			return "more codes than there can be"
		}
		t.limit[l] = code
		code <<= 1
	}
	return ""
}

// symbol decodes the code at the top of the 64-bit word; length 0 says that
// there is none.
func (t *codes) symbol(word uint64) (length uint, sym byte) {
	for l := uint(1); l <= 16; l++ {
		if c := int32(word >> (64 - l)); c < t.limit[l] {
			// A code below this length's first one would have been found before.
			return l, t.def[16+(c+t.first[l])&255]
		}
	}
	return 0, 0
}

// extend reads size value bits at the top of word, as JPEG codes them.
func extend(word uint64, size uint) int32 {
	// A leading 0 says that 2^size-1 is to be taken off.
	v := int32(word >> 1 >> (63 - size))
	return v + int32(^(int64(word)>>63))&(-1<<size+1)
}

// acTable decodes AC coefficients.
//
// fast[bits] describes up to two coefficients, or the last one and the end of
// the block, where all their bits are in view:
//
//	bits  0-5   bits to consume
//	bit   6     eob: the block ends here
//	bits  8-15  how far k goes, less one; slow if the symbol needs the long way
//	bits 16-23  from k to the first coefficient
//	bits 24-31  from there to the second, 0 if there is none
//	bits 32-47  the first coefficient
//	bits 48-63  the second; equal to the first if there is none
//
// So one entry is two unconditional stores: a missing second coefficient
// stores the first again, and the end of block or a run of 16 stores a zero
// where a zero is. An entry may be used only if all of it lies in the block:
// a coefficient at 63 has no end of block after it, and what looks like one,
// or like a second coefficient, belongs to the next block.
//
// A slow entry tells a code that is in view without its value: bits 0-5 the
// code's length (0 if not even the code fits, or there is none), 16-23 run,
// 32-47 size.
type acTable struct {
	fast [1 << lookup]uint64
	codes
}

const (
	eob  = 64       // in an entry's first byte
	slow = 128 << 8 // k passes 63 wherever it is
)

// build fills the table range by range: first every entry for one symbol, then
// a second one behind it where that is in view too.
func (t *acTable) build(def []byte) string {
	if what := t.set(def); what != "" {
		return what
	}
	for i, sym := range t.def[16:t.n] {
		if sym&15 == 0 && sym != 0xF0 {
			t.def[16+i] = 0 // as libjpeg takes them: ends of block
		}
	}
	var one [1 << lookup]uint64
	next := 0 // entries are filled from the first on
	sym := t.def[16:]
	for l, n := range def[:16] {
		for _, s := range sym[:n] {
			next = oneSymbol(&one, next, uint(l+1), s)
		}
		if sym = sym[n:]; l+1 == lookup {
			break
		}
	}
	for ; next < len(one); next++ {
		one[next] = slow
	}
	for i, e := range one {
		t.fast[i] = twoSymbols(&one, i, e)
	}
	// def must be what the cache compares, not what has been made of it.
	return ""
}

// oneSymbol fills the entries from next on that start with a code of length l
// for symbol s, and returns where they end.
func oneSymbol(one *[1 << lookup]uint64, next int, l uint, s byte) int {
	run, size := uint64(s>>4), uint(s&15)
	span := 1 << (lookup - l)
	if l+size > lookup {
		e := slow | uint64(l) | run<<16 | uint64(size)<<32
		for i := range one[next : next+span] {
			one[next+i] = e
		}
		return next + span
	}
	e := uint64(l+size) | run<<16
	if s == 0 {
		e |= eob
	}
	span >>= size
	for v := range 1 << size {
		val := extend(uint64(v)<<(63-size)<<1, size)
		w := e | uint64(uint16(val))<<32
		for i := range one[next : next+span] {
			one[next+i] = w
		}
		next += span
	}
	return next
}

// twoSymbols adds to entry i, which has one symbol, the one behind it.
func twoSymbols(one *[1 << lookup]uint64, i int, e uint64) uint64 {
	if e&(slow|eob) != 0 {
		return e
	}
	bits, run := e&63, e>>16&255
	b := one[i<<bits&(1<<lookup-1)]
	switch {
	case b&slow != 0 || b&63 > lookup-bits:
		return e | run<<8 | e>>32<<48
	case b&eob != 0:
		return (e + b&63) | eob | (run+1)<<8 | e>>32<<48
	}
	gap := b>>16&255 + 1
	return (e + b&63) | (run+gap)<<8 | gap<<24 | b>>32<<48
}

// long decodes the symbol at the top of word where entry e, word's, cannot
// serve: its value is long, its code is, or it reaches past the block.
func (t *acTable) long(word, e uint64) (length, run, size uint) {
	if e&slow != 0 && e&63 != 0 {
		return uint(e & 63), uint(e>>16) & 15, uint(e>>32) & 15
	}
	l, sym := t.symbol(word)
	return l, uint(sym >> 4), uint(sym & 15)
}

// dcTable decodes DC differences. An entry holds the bits to consume and, from
// bit 16 on, the difference; or dcSlow, the code's length, and its size.
type dcTable struct {
	fast [1 << dcLookup]uint32
	codes
}

const dcSlow = 128

func (t *dcTable) build(def []byte) string {
	if what := t.set(def); what != "" {
		return what
	}
	next := 0
	sym := def[16:]
	for _, s := range sym {
		if s > 15 {
			return "a difference of more than 15 bits"
		}
	}
	for l, n := range def[:dcLookup] {
		for _, s := range sym[:n] {
			next = t.fill(next, uint(l+1), uint(s))
		}
		sym = sym[n:]
	}
	for ; next < len(t.fast); next++ {
		t.fast[next] = dcSlow
	}
	return ""
}

// fill fills the entries from next on that start with a code of length l for a
// difference of size bits, and returns where they end.
func (t *dcTable) fill(next int, l, size uint) int {
	span, values := 1<<(dcLookup-l), 1
	if l+size <= dcLookup {
		span, values = span>>size, 1<<size
	}
	for v := range values {
		e := dcSlow | uint32(l) | uint32(size)<<16
		if l+size <= dcLookup {
			e = uint32(l+size) | uint32(uint16(extend(uint64(v)<<(63-size)<<1, size)))<<16
		}
		for i := range t.fast[next : next+span] {
			t.fast[next+i] = e
		}
		next += span
	}
	return next
}

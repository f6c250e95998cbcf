package webdataset

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// blockSize is the unit of tar archives: headers have one, data are padded to it.
const blockSize = 512

// header is a block of 512 bytes. The offsets are those of POSIX.1-1988; prefix and
// magic are of USTAR.
type header [blockSize]byte

const (
	offName, lenName     = 0, 100
	offSize, lenSize     = 124, 12
	offSum, lenSum       = 148, 8
	offType              = 156
	offMagic             = 257 // "ustar\x00" of USTAR and PAX, "ustar  \x00" of GNU
	offPrefix, lenPrefix = 345, 155
	offStar              = 508 // "tar\x00" of star, whose prefix is shorter
	lenStarPrefix        = 131
)

// The kinds of members.
const (
	typeFile     = '0'
	typeFileOld  = 0
	typeFileNear = '7' // contiguous
	typeLink     = '1'
	typeSymlink  = '2'
	typeChar     = '3'
	typeBlock    = '4'
	typeDir      = '5'
	typeFIFO     = '6'
	typePAX      = 'x'
	typePAXSun   = 'X'
	typePAXAll   = 'g' // for all members behind it
	typeGNUName  = 'L'
	typeGNULink  = 'K'
	typeSparse   = 'S'
	typeLabel    = 'V' // the archive's name
	typePart     = 'M' // of a file that another volume begins
)

func (h *header) zero() bool {
	for _, b := range h {
		if b != 0 {
			return false
		}
	}
	return true
}

// check compares the header's sum: of its bytes, where the sum itself counts as
// blanks. Old writers added them as signed.
func (h *header) check() error {
	var sum, signed int64
	for i, b := range h {
		if i >= offSum && i < offSum+lenSum {
			b = ' '
		}
		sum += int64(b)
		signed += int64(int8(b))
	}
	want, err := number(h[offSum : offSum+lenSum])
	if err != nil || want != sum && want != signed {
		return errors.New("no header of a member (its sum is wrong)")
	}
	return nil
}

// path is the member's path, as far as the header has it.
func (h *header) path() string {
	name := text(h[offName : offName+lenName])
	if string(h[offMagic:offMagic+6]) != "ustar\x00" {
		return name
	}
	n := lenPrefix
	if string(h[offStar:offStar+4]) == "tar\x00" {
		n = lenStarPrefix
	}
	if prefix := text(h[offPrefix : offPrefix+n]); prefix != "" {
		return prefix + "/" + name
	}
	return name
}

// text is what a header's member holds before the first zero byte.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// number reads a number of a header: octal digits, or, where the highest bit is
// set, a big-endian number (GNU).
func number(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		if b[0] != 0x80 {
			return 0, errors.New("a number that is negative, or larger than 63 bits")
		}
		var n uint64
		for _, c := range b[1:] {
			if n>>55 != 0 {
				return 0, errors.New("a number larger than 63 bits")
			}
			n = n<<8 | uint64(c)
		}
		return int64(n), nil
	}
	digits := strings.Trim(text(b), " ")
	if digits == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(digits, 8, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no octal number", digits)
	}
	return int64(n), nil
}

// extended are the records of a PAX header that matter here.
type extended struct {
	path  string
	size  int64 // -1 none
	found bool  // any
}

// parsePAX reads the records "LENGTH KEY=VALUE\n" of a PAX header. Sparse files,
// which GNU tar tells of by keys of its own, are refused.
func parsePAX(b []byte) (extended, error) {
	x := extended{size: -1, found: true}
	for len(b) > 0 {
		digits, _, ok := bytes.Cut(b, []byte(" "))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if !ok || err != nil || n > uint64(len(b)) || n < uint64(len(digits))+3 || b[n-1] != '\n' {
			return x, errors.New("a broken record in a PAX header")
		}
		key, value, ok := strings.Cut(string(b[len(digits)+1:n-1]), "=")
		if !ok || key == "" {
			return x, errors.New("a broken record in a PAX header")
		}
		b = b[n:]
		switch {
		case key == "path":
			x.path = value
		case key == "size":
			size, err := strconv.ParseUint(value, 10, 63)
			if err != nil {
				return x, fmt.Errorf("size %q in a PAX header", value)
			}
			x.size = int64(size)
		case strings.HasPrefix(key, "GNU.sparse."):
			return x, errSparse
		}
	}
	return x, nil
}

var errSparse = errors.New("a sparse file, which is not read; tar without --sparse writes it whole")

// padded is a size with what fills up its last block.
func padded(size int64) (int64, error) {
	if size > math.MaxInt64-2*blockSize {
		return 0, fmt.Errorf("a member of %d bytes", size)
	}
	return (size + blockSize - 1) &^ (blockSize - 1), nil
}

package term

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Text returns s as it may stand on a terminal: what steers one (escape
// sequences, other control characters, those that turn the direction of text
// around, bytes that are no UTF-8) stands as \u001b or \x9b. Line ends and tabs
// stay. Where there is nothing of that, s itself is returned.
func Text(s string) string {
	b, _ := appendText(nil, s, true)
	if b == nil {
		return s
	}
	return string(b)
}

// Name is Text for a name in the midst of a line: one with line ends, tabs or
// quotes, or white space around it, is quoted, so that no name looks like
// something else.
func Name(s string) string {
	if s == "" || strings.ContainsAny(s, "\n\t\"") || strings.TrimSpace(s) != s {
		s = strconv.Quote(s)
	}
	return Text(s)
}

// Safe returns a writer that has Text's bytes reach w. The commands have their
// standard output and error in one: whatever prints a name, a value or an error,
// prints it so. JSON stays the JSON that it is. A Progress draws on w itself.
func Safe(w io.Writer) io.Writer {
	if s, ok := w.(*safeWriter); ok {
		return s
	}
	return &safeWriter{w: w}
}

type safeWriter struct {
	quiet    bool // no notes and hints: set before anything is written
	progress progressMode

	mu   sync.Mutex
	w    io.Writer
	rest []byte // the first bytes of a character that isn't all there yet
}

func (s *safeWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, text := len(b), b
	if len(s.rest) > 0 {
		text = append(s.rest, b...)
	}
	out, used := appendText(nil, text, false)
	s.rest = append([]byte(nil), text[used:]...)
	if out == nil {
		out = text[:used]
	}
	if _, err := s.w.Write(out); err != nil {
		return 0, err
	}
	return n, nil
}

// under is the writer below a Safe one.
func under(w io.Writer) io.Writer {
	if s, ok := w.(*safeWriter); ok {
		return s.w
	}
	return w
}

// appendText appends Text's bytes of s to dst, nothing where s may stand as it
// is, and returns how many bytes of s that were: all of them, or all but the
// beginning of a character, unless s is whole.
func appendText[T string | []byte](dst []byte, s T, whole bool) (_ []byte, used int) {
	clean := 0 // of s, not appended yet
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		tail := s[i:min(len(s), i+utf8.UTFMax)]
		r, n := utf8.DecodeRuneInString(string(tail))
		if r == utf8.RuneError && n == 1 && !whole && !utf8.FullRuneInString(string(tail)) {
			if dst != nil {
				dst = append(dst, s[clean:i]...)
			}
			return dst, i
		}
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(append(dst, s[clean:i]...), `\x%02x`, s[i])
		case steers(r):
			dst = fmt.Appendf(append(dst, s[clean:i]...), `\u%04x`, r)
		default:
			i += n
			continue
		}
		i += n
		clean = i
	}
	if dst != nil {
		dst = append(dst, s[clean:]...)
	}
	return dst, len(s)
}

// steers says whether a terminal does something else with r than to show it.
func steers(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0: // C0, delete, C1
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction
		return true
	}
	return r == 0x2028 || r == 0x2029 || r == 0xfeff || r >= 0xfff9 && r <= 0xfffb // lines, and what is not seen
}

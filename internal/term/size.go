package term

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes; on a command line it is written as ParseSize
// reads it.
type Size int64

// UnmarshalText reads a size such as 8MiB.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text))
	if err != nil {
		return err
	}
	*s = Size(n)
	return nil
}

// String is FormatSize.
func (s Size) String() string { return FormatSize(int64(s)) }

var units = []struct {
	name string
	size int64
}{
	// Longer names first: "MiB" ends in "B" too.
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40},
	{"b", 1},
}

// ParseSize reads a number of bytes: a whole number, or a decimal number with
// a unit (KiB MiB GiB TiB and K M G T are powers of 1024, kB MB GB TB powers
// of 1000; capitals do not matter).
func ParseSize(s string) (int64, error) {
	text, unit := strings.ToLower(strings.TrimSpace(s)), int64(1)
	for _, u := range units {
		if cut, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(cut), u.size
			break
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/unit {
		return n * unit, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	bytes := f * float64(unit)
	if err != nil || !(f >= 0) || bytes >= math.MaxInt64 || bytes != math.Trunc(bytes) || strings.ContainsAny(text, "xp_n") {
		return 0, fmt.Errorf("size %q: expected a number of bytes such as 8388608, 8MiB or 1.5GiB", s)
	}
	return int64(bytes), nil
}

// FormatSize writes a number of bytes for people: "8 MiB", "57.3 MiB".
func FormatSize(n int64) string {
	const names = "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n)/1024, 0
	for f >= 1023.95 && i < len(names)-1 {
		f, i = f/1024, i+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + names[i:i+1] + "iB"
}

// FormatCount writes a whole number with a comma after each group of three
// digits.
func FormatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

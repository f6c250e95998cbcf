package export

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/internal/hash"
)

const (
	maxComponent = 200  // bytes of a folder's or a file's name; systems have 255
	maxName      = 1000 // bytes of a whole name; object stores have 1024
)

// name makes a key a slash-separated name that stays below the folder it is
// written to, and that every system, archive and store takes:
//
//   - parts that are empty or "." are left out;
//   - bytes that are no UTF-8, control characters, \ : * ? " < > |, a dot that
//     begins a part (".." among them) or ends it, a blank that ends it, the first
//     letter of a name that Windows keeps for devices, and a % before two
//     hexadecimal digits stand as %XX;
//   - a part of more than 200 bytes is cut, and ends in '~' and a sum of the whole.
//
// Different keys stay different, but for those that differ in left-out parts.
func name(key string) string {
	clean := true
	for part := range strings.SplitSeq(key, "/") {
		clean = clean && part != "" && part != "." && component(part) == part
	}
	if clean {
		return key
	}
	var b strings.Builder
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(component(part))
	}
	return b.String()
}

// component is name for one part, which has no '/' or has it escaped.
func component(s string) string {
	device := reserved(s)
	if plain(s) && !device {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		escape := r == utf8.RuneError && n == 1 || special(r) ||
			r == '%' && hexAt(s, i+1) && hexAt(s, i+2) ||
			(r == '.' || r == ' ') && i+n == len(s) ||
			i == 0 && (device || r == '.')
		if escape {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	out := b.String()
	if len(out) <= maxComponent {
		return out
	}
	sum := fmt.Sprintf("~%016x", hash.FNV(s))
	// Cut neither in a character nor in an escape.
	cut := out[:maxComponent-len(sum)]
	if i := strings.LastIndexByte(cut, '%'); i >= len(cut)-2 && i >= 0 {
		cut = cut[:i]
	}
	for !utf8.ValidString(cut) {
		cut = cut[:len(cut)-1]
	}
	return cut + sum
}

// plain says whether a part of a name needs no look character by character: most
// do not.
func plain(s string) bool {
	if len(s) > maxComponent || s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '-' && c != '.' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s[0] != '.' && s[len(s)-1] != '.'
}

func special(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) }

func hexAt(s string, i int) bool {
	return i < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i]) >= 0
}

// reserved says whether Windows takes a file's name for a device.
func reserved(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	switch len(base) {
	case 3:
		for _, device := range []string{"CON", "PRN", "AUX", "NUL"} {
			if strings.EqualFold(base, device) {
				return true
			}
		}
	case 4:
		return base[3] >= '1' && base[3] <= '9' && (strings.EqualFold(base[:3], "COM") || strings.EqualFold(base[:3], "LPT"))
	}
	return false
}

// extensions are those that a key loses for those of its sample's files: of files
// that datasets are made of. What stands behind any other dot is part of the name.
var extensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true, ".png": true, ".bmp": true, ".gif": true, ".webp": true,
	".tif": true, ".tiff": true, ".ppm": true, ".pgm": true, ".pbm": true, ".pnm": true,
	".npy": true, ".json": true, ".txt": true, ".bin": true, ".wav": true, ".mp3": true, ".flac": true,
}

// split divides a key from its extension, "" when it has none of a file's.
func split(key string) (stem, ext string) {
	ext = path.Ext(key)
	if len(ext) > 5 || !extensions[strings.ToLower(ext)] || len(ext) == len(path.Base(key)) {
		return key, ""
	}
	return key[:len(key)-len(ext)], ext
}

// fits says whether a key's own extension is one of a file with the extension
// want ("jpg", "png"): then it stays.
func fits(ext, want string) bool {
	switch strings.ToLower(ext) {
	case ".jpg", ".jpeg", ".jpe", ".jfif":
		return want == "jpg"
	case ".png":
		return want == "png"
	}
	return false
}

// dotless is a name without dots in its last part, where WebDataset has a
// sample's name end: they stand as %2E.
func dotless(name string) string {
	at := strings.LastIndexByte(name, '/') + 1
	if !strings.Contains(name[at:], ".") {
		return name
	}
	return name[:at] + strings.ReplaceAll(name[at:], ".", "%2E")
}

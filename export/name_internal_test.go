package export

import (
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/betongo/betongo/internal/hash"
)

func TestName(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"a", "a"}, {"a/b.c", "a/b.c"}, {"", ""}, {"/", ""}, {"./a//b/", "a/b"}, {"/data/x", "data/x"},
		{"..", "%2E%2E"}, {"../a", "%2E%2E/a"}, {"a/../../b", "a/%2E%2E/%2E%2E/b"}, {"...", "%2E.%2E"},
		{".hidden", "%2Ehidden"}, {"end.", "end%2E"}, {"end ", "end%20"}, {" a b", " a b"},
		{`C:\x`, "C%3A%5Cx"}, {"a*?\"<>|", "a%2A%3F%22%3C%3E%7C"}, {"a\n\x00\x7f", "a%0A%00%7F"},
		{"\xff\xfe", "%FF%FE"}, {"é/日本", "é/日本"}, {"100%", "100%"}, {"a%41", "a%2541"}, {"%%41", "%%2541"}, {"%:", "%%3A"},
		{"con", "%63on"}, {"CON.txt", "%43ON.txt"}, {"com1", "%63om1"}, {"com0", "com0"}, {"console", "console"},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
	} {
		if got := name(c.key); got != c.want {
			t.Errorf("name(%q) = %q, want %q", c.key, got, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ key, stem, ext string }{
		{"a.jpg", "a", ".jpg"}, {"a.b.JPEG", "a.b", ".JPEG"}, {"a.v2", "a.v2", ""}, {".jpg", ".jpg", ""},
		{"x/.png", "x/.png", ""}, {"x.y/z", "x.y/z", ""}, {"", "", ""}, {"a.", "a.", ""},
	} {
		if stem, ext := split(c.key); stem != c.stem || ext != c.ext {
			t.Errorf("split(%q) = %q, %q, want %q, %q", c.key, stem, ext, c.stem, c.ext)
		}
	}
}

// FuzzName: a name stays where it is put, is one for every system, stays what it
// is, and tells what the key was.
func FuzzName(f *testing.F) {
	for _, key := range []string{"a/b.jpg", "../../x", `C:\con`, "a%41", "\xff.", strings.Repeat("é", 150), "x/./ /..", strings.Repeat("%3A", 80) + ":"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		got := name(key)
		if got == "" {
			if strings.Trim(key, "./") != "" || strings.Contains(key, "..") {
				t.Fatalf("name(%q) is empty", key)
			}
			return
		}
		if !utf8.ValidString(got) || path.Clean(got) != got || !filepath.IsLocal(filepath.FromSlash(got)) || strings.ContainsAny(got, `\:*?"<>|`) {
			t.Fatalf("name(%q) = %q", key, got)
		}
		for part := range strings.SplitSeq(got, "/") {
			if len(part) > maxComponent || part[0] == '.' || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") || reserved(part) {
				t.Fatalf("name(%q) has the part %q", key, part)
			}
		}
		if strings.Contains(got, "~") {
			return // cut, perhaps
		}
		var parts []string
		for part := range strings.SplitSeq(key, "/") {
			if part != "" && part != "." {
				parts = append(parts, part)
			}
		}
		if want := strings.Join(parts, "/"); unescape(got) != want {
			t.Fatalf("name(%q) = %q, which means %q, want %q", key, got, unescape(got), want)
		}
	})
}

// unescape takes back what component escapes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && hexAt(s, i+1) && hexAt(s, i+2) {
			var v byte
			for _, c := range []byte(strings.ToLower(s[i+1 : i+3])) {
				v = v<<4 | byte(strings.IndexByte("0123456789abcdef", c))
			}
			b.WriteByte(v)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestSums(t *testing.T) {
	var s sums
	const n = 100_000
	for i := range uint64(n) {
		if s.add(hash.Mix(i)*(i%7)) != (i > 0 && i%7 == 0) {
			t.Fatalf("sum %d", i)
		}
	}
	for i := range uint64(n) {
		if !s.add(hash.Mix(i) * (i % 7)) {
			t.Fatalf("sum %d is gone", i)
		}
	}
	if len(s.table) > 4*n {
		t.Errorf("%d places for %d sums", len(s.table), n)
	}
}

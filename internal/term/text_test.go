package term_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/betongo/betongo/internal/term"
)

var texts = []struct{ text, want string }{
	{"", ""},
	{"plain\ttext\nof two lines\n", "plain\ttext\nof two lines\n"},
	{"Größe 犬 🐶 \u200d", "Größe 犬 🐶 \u200d"},
	{"\x1b[2Jcleared", `\u001b[2Jcleared`},
	{"a\x1b]0;title\a", `a\u001b]0;title\u0007`},
	{"over\rwritten\b", `over\u000dwritten\u0008`},
	{"\x7f\x00", `\u007f\u0000`},
	{"\u009b31m", `\u009b31m`},
	{"\x9b31m", `\x9b31m`},
	{"exe.\u202egpj", `exe.\u202egpj`},
	{"\u2066\u2069\u200e\u200f\u061c", `\u2066\u2069\u200e\u200f\u061c`},
	{"\u2028\ufeff", `\u2028\ufeff`},
	{"\xff\xfe", `\xff\xfe`},
	{"\ufffd", "\ufffd"},
	{"cut \xe7\x8a", `cut \xe7\x8a`},
}

func TestText(t *testing.T) {
	for _, tt := range texts {
		if got := term.Text(tt.text); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"dog", "dog"}, {"a dog", "a dog"}, {"", `""`}, {" dog", `" dog"`}, {"a\nb", `"a\nb"`}, {"a\tb", `"a\tb"`},
		{`a"b`, `"a\"b"`}, {"\x1b[2J", `\u001b[2J`}, {"犬", "犬"}, {"犬\n\u202e", `"犬\n\u202e"`},
	} {
		if got := term.Name(tt.name); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestSafe writes the texts in pieces of every size.
func TestSafe(t *testing.T) {
	for _, tt := range texts {
		for size := 1; size <= len(tt.text); size++ {
			var b bytes.Buffer
			w := term.Safe(&b)
			for rest := []byte(tt.text + "."); len(rest) > 0; {
				n := min(size, len(rest))
				if got, err := w.Write(rest[:n]); got != n || err != nil {
					t.Fatal(got, err)
				}
				rest = rest[n:]
			}
			if got := b.String(); got != tt.want+"." {
				t.Errorf("%q by %d: %q, want %q", tt.text, size, got, tt.want)
			}
		}
	}
	var b bytes.Buffer
	term.Fail(term.Safe(&b), "prog", errors.New("no field \x1b[1mx"))
	if got := b.String(); got != "prog: error: no field \\u001b[1mx\n" {
		t.Errorf("%q", got)
	}
	if w := term.Safe(&b); term.Safe(w) != w {
		t.Error("a safe writer in another")
	}
}

// FuzzSafe: nothing that steers comes through, text comes through as it is,
// and JSON means the same.
func FuzzSafe(f *testing.F) {
	for _, tt := range texts {
		f.Add(tt.text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		var b bytes.Buffer
		w := term.Safe(&b)
		cut := min(max(size, 0), len(text))
		w.Write([]byte(text[:cut]))
		w.Write([]byte(text[cut:]))
		w.Write([]byte("."))
		got := b.String()
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\r\b\x00\x7f\u009b\u202e\u2066") || got != term.Text(text+".") {
			t.Errorf("%q became %q; Text makes %q", text, got, term.Text(text+"."))
		}
		in, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var want, back string
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(term.Text(string(in))), &back); err != nil || back != want {
			t.Errorf("%s became %q, want %q (%v)", in, back, want, err)
		}
	})
}

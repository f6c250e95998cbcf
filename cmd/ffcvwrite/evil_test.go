package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEvilNames packs folders, tables and arrays whose names would steer a
// terminal: nothing of that reaches one.
func TestEvilNames(t *testing.T) {
	if os.PathSeparator != '/' {
		t.Skip("Windows has no such names")
	}
	dir := t.TempDir()
	photo, err := os.ReadFile("../../testdata/photos/" + firstPhoto(t))
	if err != nil {
		t.Fatal(err)
	}
	at := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, content := range map[string][]byte{
		at("photos\x1b[2J", "a\u202e", "x\x1b]0;t\a.jpg"):                    photo,
		at("photos\x1b[2J", "b\nffcvwrite: error: lines", "broken\r.jpg"):    photo[:100],
		at("photos\x1b[2J", "b\nffcvwrite: error: lines", "no\x9bimage.txt"): []byte("text"),
		at("photos\x1b[2J", "b\nffcvwrite: error: lines", "fine\u2066.jpg"):  photo,
		at("table\x1b[2J.csv"):   []byte("n\x1b[2J,p\n\x1b[31m,../\x1b[2J\n"),
		at("classes\x1b[2J.txt"): []byte("a\x1b[2J\na\x1b[2J\n"),
		at("lines\u202e.jsonl"):  []byte("{\"n\": \"\\u001b[2J\u202e\"}\n{\"\x1b\n"),
	} {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := at("out\x1b[1m.beton")
	for _, args := range [][]string{
		{"folder", at("photos\x1b[2J"), "-o", out}, {"folder", at("photos\x1b[2J"), "-o", out, "--on-error", "skip", "--force"},
		{"folder", at("photos\x1b[2J"), "-o", out, "--on-error", "skip", "--force", "--json"}, {"folder", at("photos\x1b[2J"), "-o", out},
		{"folder", at("photos\x1b[2J"), "-o", out, "--classes", at("classes\x1b[2J.txt"), "--force"}, {"folder", at("no\x1b[2J"), "-o", out, "--force"},
		{"table", at("table\x1b[2J.csv"), "-o", out, "--force", "--field", "n=int:column=n\x1b[2J"},
		{"table", at("table\x1b[2J.csv"), "-o", out, "--force", "--field", "b=bytes:column=p"},
		{"table", at("table\x1b[2J.csv"), "-o", out, "--force", "--field", "x\x1b[2J=int"}, {"table", at("lines\u202e.jsonl"), "-o", out, "--force", "--field", "n=int"},
		{"table", at("table\x1b[2J.csv"), "-o", out, "--force", "--field", "n=\x1b[2J"}, {"arrays", "x\x1b[2J=no\u202e.npy", "-o", out, "--force"}, {"\x1b[2J"},
	} {
		var stdout, stderr bytes.Buffer
		run(t.Context(), args, &stdout, &stderr)
		text := stdout.String() + stderr.String()
		if text == "" {
			t.Errorf("%q prints nothing", args)
		}
		if strings.ContainsAny(text, "\x1b\a\b\r\x7f\u009b\u202e\u2066") || !utf8.ValidString(text) {
			t.Errorf("%q prints %q", args, text)
		}
		if strings.Contains(text, "\nffcvwrite: error: lines") {
			t.Errorf("%q: a name is a line of its own: %q", args, text)
		}
	}
}

// firstPhoto is the name of a photograph among the tests'.
func firstPhoto(t *testing.T) string {
	t.Helper()
	var name string
	err := filepath.WalkDir("../../testdata/photos", func(path string, e os.DirEntry, err error) error {
		if err == nil && name == "" && strings.HasSuffix(path, ".jpg") {
			name, err = filepath.Rel("../../testdata/photos", path)
		}
		return err
	})
	if err != nil || name == "" {
		t.Fatal("no photograph", err)
	}
	return name
}

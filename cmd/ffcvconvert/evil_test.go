package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/safetensors"
)

// TestEvilNames converts arrays whose names would steer a terminal: nothing of
// that reaches one.
func TestEvilNames(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in\u202e.safetensors")
	arrays := map[string]array.Strided{}
	for _, name := range []string{"\x1b[2J", "x\x1b]0;t\a", "a\rb", "two\nffcvconvert: error: lines", "\u202eexe", "\u009b5m", "a", "A"} {
		a, err := array.Of([]float32{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		arrays[name] = a.Strided()
	}
	if err := safetensors.Save(in, arrays, map[string]string{"k\x1b[2J": "v\u202e"}, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken\u202e.safetensors")
	if err := os.WriteFile(broken, b[:len(b)-3], 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--list", in}, {"--list", in, "--json"}, {"--list", broken}, {in, filepath.Join(dir, "out\u202e.npz")}, {in, filepath.Join(dir, "out.npy")},
		{in, filepath.Join(dir, "out.h5")}, {in, filepath.Join(dir, "out.parquet")}, {in, filepath.Join(dir, "out.mat")}, {in, filepath.Join(dir, "out.beton")},
		{in, filepath.Join(dir, "out.zarr")}, {in, filepath.Join(dir, "{name}.npy")}, {in, filepath.Join(dir, "o.npz"), "--array", "no\x1b[2J"},
		{in, filepath.Join(dir, "o.npz"), "--to-dtype", "\x1b[2J"}, {filepath.Join(dir, "no\x1b[2J"), filepath.Join(dir, "o.npz")}, {"--\x1b[2J"},
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
		if strings.Contains(text, "\nffcvconvert: error: lines") {
			t.Errorf("%q: a name is a line of its own: %q", args, text)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// evil are names that would clear a terminal, set its title, colour it, turn
// text around, or write over a line.
var evil = []string{"\x1b[2J\x1b[31mred", "x\x1b]0;owned\a", "exe.\u202egpj", "a\rb\b", "\u009b5m", "two\nffcv: error: lines", "\u2066isolated"}

// evilSet is a dataset of evil names and values.
type evilSet struct{}

func (evilSet) Len() int { return len(evil) }

func (evilSet) Sample(_ context.Context, i int) ([]any, string, error) {
	text, err := json.Marshal(map[string]string{evil[i]: evil[i]})
	if err != nil {
		return nil, "", err
	}
	// JSON allows what steers from U+007F on.
	return []any{i, json.RawMessage(strings.ReplaceAll(string(text), `\u202e`, "\u202e")), []byte(evil[i])}, evil[i], nil
}

// TestEvilNames runs every verb over a file whose name, fields, classes, keys
// and values would steer a terminal, sound and damaged: nothing of that reaches
// one.
func TestEvilNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "evil\x1b[2J\u202e.beton")
	if os.PathSeparator != '/' {
		path = filepath.Join(dir, "evil\u202e.beton")
	}
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "l\x1b[2J", Field: fields.Int{}}, {Name: "j\x7f\r", Field: fields.JSON{}}, {Name: "\x1b]0;b\a", Field: fields.Bytes{}}},
		&ffcv.Options{Classes: evil})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(t.Context(), evilSet{}, nil); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged\x1b[31m.beton")
	if os.PathSeparator != '/' {
		damaged = filepath.Join(dir, "damaged\u202e.beton")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := int(ffcv.HeaderSize + 3*ffcv.DescriptorSize + 2*f.RowSize())
	f.Close()
	for i := range 16 {
		b[row+8+i] = 0xee
	}
	if err := os.WriteFile(damaged, b, 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out\u202e.beton")
	for _, path := range []string{path, damaged} {
		for _, args := range [][]string{
			{"info", path}, {"info", path, "--json"}, {"info", path, damaged}, {"dump", path}, {"dump", path, "--json"}, {"dump", path, "--custom", "\x1b[2J=|u1"},
			{"verify", path}, {"verify", path, "--json"}, {"marks", path}, {"seal", path, "-o", out, "--force"}, {"merge", path, path, "-o", out, "--force"},
			{"merge", path, "-o", path}, {"subset", path, "--class", "no\x1b[2J", "-o", out}, {"subset", path, "--class", evil[0], "-o", out, "--force"},
			{"subset", path, "--indices", "\x1b[2J.txt", "-o", out}, {"split", path, "--parts", "0.5,0.5", "-o", out, "-o", out + "2", "--force"},
			{"add", path, "--field", "x\x1b[2J=no.npy", "-o", out}, {"append", path, "no\x1b[2J", "-o", out},
			{"bench", path, "--pipeline", "raw", "--epochs", "1"}, {"bench", path, "--pipeline", "\x1b[2J"}, {"epoch", path}, {"epoch", path, "--json"},
			{"replay", path, "--sample", "1"}, {"info", path + "\x1b[2J"}, {"\x1b[2J"}, {"info", "--\x1b[2J"},
		} {
			code, stdout, stderr := call(t, args...)
			if stdout == "" && stderr == "" {
				t.Errorf("%q: nothing printed, exit code %d", args, code)
			}
			for _, text := range []string{stdout, stderr} {
				checkTame(t, args, text)
			}
		}
	}
	if _, stdout, _ := call(t, "info", path); !strings.Contains(stdout, `\u001b[2J`) || !strings.Contains(stdout, `"two\nffcv: error: lines"`) {
		t.Errorf("info prints\n%s", stdout)
	}
	_, stdout, _ := call(t, "dump", path, "--json")
	for i, line := range strings.Split(strings.TrimSpace(stdout), "\n") {
		var s struct{ Key string }
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.Key != "" && s.Key != evil[i] {
			t.Errorf("line %d: %s: key %q, %v", i+1, line, s.Key, err)
		}
	}
}

func checkTame(t *testing.T, args []string, text string) {
	t.Helper()
	if strings.ContainsAny(text, "\x1b\a\b\r\x7f\u009b\u202e\u2066") || !utf8.ValidString(text) {
		t.Errorf("%q prints %q", args, text)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "ffcv: error: lines") {
			t.Errorf("%q: a name is a line of its own: %q", args, text)
		}
	}
}

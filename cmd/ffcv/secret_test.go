package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// TestSecrets: no verb shows what is secret in a URL, or the name of a copy of it,
// whatever becomes of it: of a sound file, a damaged one, and one that isn't there.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}, {Name: "label", Field: fields.Int{}}}, 50, func(i int) []any {
		return []any{bytes.Repeat([]byte{byte(i)}, 100_000), i}
	}, &ffcv.Options{PageSize: 2 << 20})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(b)
	for i := 3 << 20; i < 3<<20+100; i++ {
		damaged[i] ^= 0xff
	}
	cut := b[:len(b)/2]
	for name, b := range map[string][]byte{"sound.beton": b, "damaged.beton": damaged, "cut.beton": cut} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	folder := t.TempDir()
	out := func() string { return filepath.Join(t.TempDir(), "out.beton") }
	for _, name := range []string{"sound.beton", "damaged.beton", "cut.beton", "none.beton"} {
		url := "http://me:hidden@" + strings.TrimPrefix(server.URL, "http://") + "/" + name + "?sig=hidden#hidden"
		for _, args := range [][]string{
			{"info", url}, {"info", url, "--json"}, {"info", url, path}, {"verify", url}, {"verify", url, "--json"}, {"dump", url, "--range", "0:40"}, {"repair", url}, {"repair", url, "--json"},
			{"repair", url, "-o", out(), "--quarantine", filepath.Join(t.TempDir(), "q")},
			{"subset", url, "--range", "0:40", "-o", out()}, {"subset", url, "--class", "x", "-o", out()}, {"merge", url, path, "-o", out()}, {"merge", path, "-o", url}, {"split", url, "--parts", "2", "-o", out(), "-o", out()},
			{"seal", url, "-o", out()}, {"seal", url, "--in-place"}, {"append", url, folder, "-o", out()}, {"append", url, path, "-o", out()}, {"append", url, path, "--in-place"},
			{"add", url, "--field", "x=" + path + ":label", "-o", out()}, {"diff", url, path}, {"diff", path, url, "--json"}, {"bench", url, "--epochs", "1", "--batch", "8"}, {"bench", url, "--json", "--epochs", "1"},
			{"epoch", url, "--batch", "8"}, {"marks", url, "-o", out()}, {"replay", url, "--sample", "3"},
			{"stats", url, "--limit", "3"}, {"stats", url, path, "--json"}, {"stats", path, "--against", url}, {"sample", url, "3", "-o", t.TempDir()}, {"sample", url, "3", "--field", "data", "-o", "-"},
			{"sample", path, "3", "-o", url}, {"remap", url, "--map", "3=4", "-o", out()}, {"remap", path, "--map", url, "-o", out()}, {"split", path, "--kfold", "2", "--indices-only", "-o", url + "{}"},
			{"split", url, "--kfold", "2", "--indices-only", "-o", filepath.Join(t.TempDir(), "f{}")}, {"subset", url, "--balance", "-o", out()},
		} {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), args, &stdout, &stderr)
			for _, text := range []string{stdout.String(), stderr.String()} {
				if strings.Contains(text, "hidden") || strings.Contains(text, "betongo-") {
					t.Errorf("%q, code %d: %s", args, code, text)
				}
			}
			if strings.Contains(stderr.String(), "--help") {
				t.Errorf("%q: %s", args, &stderr)
			}
		}
	}
}

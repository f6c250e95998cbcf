package view_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestWeb: each file of the page is served as what it is, what it refers to is
// there, and nothing in it makes markup or code of text.
func TestWeb(t *testing.T) {
	types := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	web := os.DirFS("web")
	s := rich(t)
	names, err := fs.Glob(web, "*")
	if err != nil || len(names) < 20 {
		t.Fatalf("files: %q, %v", names, err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(web, name)
		if err != nil {
			t.Fatal(err)
		}
		at := "/" + name
		if name == "index.html" {
			at = "/"
		}
		w := s.do(s.request(at))
		if got, want := w.Header().Get("Content-Type"), types[path.Ext(name)]; w.Code != 200 || got != want || want == "" {
			t.Errorf("%s: status %d, type %q, want %q", at, w.Code, got, want)
		}
		if w.Body.String() != string(b) {
			t.Errorf("%s: not the file's bytes", at)
		}
		t.Run(name, func(t *testing.T) { soundSource(t, web, name, string(b)) })
	}
}

var (
	// What the page must not do: the policy that it is served under would stop most
	// of it, in browsers that heed one.
	unsound = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|\beval\(|new Function|setAttribute\("style|javascript:|\.src ?= ?["'` + "`" + `]http`)
	inline  = regexp.MustCompile(`(?i)<script(?:\s+type="module")?>|<style|\sstyle=|\son[a-z]+=`)
	remote  = regexp.MustCompile(`https?://[^\s"']+`)
	refers  = regexp.MustCompile(`(?:from\s+"\./|(?:src|href)=")([\w.-]+\.(?:js|css|svg))"`)
)

// soundSource checks one file.
func soundSource(t *testing.T, web fs.FS, name, text string) {
	if m := unsound.FindString(text); m != "" {
		t.Errorf("has %q", m)
	}
	if m := inline.FindString(text); path.Ext(name) == ".html" && m != "" {
		t.Errorf("has %q, which the policy forbids", m)
	}
	for _, m := range remote.FindAllString(text, -1) {
		if m != "http://www.w3.org/2000/svg" { // a name, which nothing is fetched from
			t.Errorf("names %s: the page has no network but its server", m)
		}
	}
	for _, m := range refers.FindAllStringSubmatch(text, -1) {
		if _, err := fs.Stat(web, m[1]); err != nil {
			t.Errorf("refers to %s: %v", m[1], err)
		}
	}
	if n := strings.Count(text, "\n"); n > 400 {
		t.Errorf("has %d lines, more than one reads at a time", n)
	}
}

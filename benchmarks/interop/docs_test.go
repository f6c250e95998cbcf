package main

import (
	"bytes"
	"os"
	"testing"
)

// TestDocs: the class in docs/lz4.md is the one that is tried.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/lz4.md")
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]byte("```python\n"), packedProgram...), "```\n"...)
	if !bytes.Contains(bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n")), bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Error("docs/lz4.md has another class than ffcv_lz4.py: it has to be copied there")
	}
}

//go:build linux || darwin

package engine_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// numbersOf is a payload of numbers.
func numbersOf(list ...int) (b []byte) {
	for _, i := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(i))
	}
	return b
}

// checkLook compares what the engine tells of n times a file, one after another, with
// the file.
func checkLook(t *testing.T, c *client, path string, n int) {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row, image := f.RowSize(), f.FieldIndex("image")
	for _, sample := range []int{0, 7, f.Len() - 1} {
		raw, err := f.Image(sample, image)
		if err != nil {
			t.Fatal(err)
		}
		far := sample + (n-1)*f.Len()
		got, payload := c.ask(object{"do": "samples", "ids": 1, "fields": []int{image}}, numbersOf(far))
		if got["samples"] != 1. || len(payload) != row+8+len(raw.Data) || !bytes.Equal(payload[row+8:], raw.Data) {
			t.Errorf("sample %d: %v, %d bytes, want %d", far, got, len(payload), row+8+len(raw.Data))
		}
		_, pixels := c.ask(object{"do": "images", "field": "image", "ids": 1}, numbersOf(far))
		if len(pixels) != 3*raw.Width*raw.Height {
			t.Errorf("sample %d: %d bytes of pixels, want %dx%d", far, len(pixels), raw.Width, raw.Height)
		}
	}
	_, rows := c.ask(object{"do": "samples", "from": 0, "to": n * f.Len(), "fields": []int{}}, nil)
	if len(rows) != n*f.Len()*row {
		t.Errorf("%d bytes of rows, want %d of %d", len(rows), n*f.Len(), row)
	}
	_, entries := c.ask(object{"do": "entries", "from": 0}, nil)
	if want := n * int(f.NumEntries()) * 24; len(entries) != want {
		t.Errorf("%d bytes of entries, want %d", len(entries), want)
	}
	if _, rest := c.ask(object{"do": "entries", "from": len(entries) / 24}, nil); len(rest) != 0 {
		t.Errorf("%d bytes behind the last entry", len(rest))
	}
	last := len(entries) - 24
	sample, ptr, size := int(binary.LittleEndian.Uint64(entries[last:])), int(binary.LittleEndian.Uint64(entries[last+8:])), int(binary.LittleEndian.Uint64(entries[last+16:]))
	if _, b := c.ask(object{"do": "ranges", "n": 2}, numbersOf(sample, ptr, size, sample, ptr, 1)); len(b) != size+1 || b[0] != b[size] {
		t.Errorf("%d bytes of ranges, want %d", len(b), size+1)
	}
}

// TestLook opens several files as one, and asks for what isn't there.
func TestLook(t *testing.T) {
	path := write(t, 20)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"a.beton", "b.beton"} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t)
	c := s.connect()
	c.fails("state", object{"do": "samples", "ids": 1, "fields": []int{}}, numbersOf(0))
	c.fails("option", object{"do": "open", "paths": []string{}}, nil)
	c.fails("notfound", object{"do": "open", "paths": []string{filepath.Join(dir, "none.beton")}}, nil)
	got, descriptors := c.ask(object{"do": "open", "paths": []string{filepath.Join(dir, "*.beton")}}, nil)
	if got["samples"] != 40. || len(descriptors)%ffcv.DescriptorSize != 0 {
		t.Fatalf("open: %v, %d bytes of descriptors", got, len(descriptors))
	}
	checkLook(t, c, path, 2)
	for _, wrong := range []object{
		{"do": "samples", "ids": 1, "fields": []int{99}}, {"do": "samples", "ids": 1, "fields": []int{-1}}, {"do": "samples", "from": 1, "to": 0},
		{"do": "samples", "from": 0, "to": 41}, {"do": "ranges", "n": -1}, {"do": "key", "sample": 40}, {"do": "key", "sample": -1},
	} {
		var payload []byte
		if wrong["ids"] != nil {
			payload = numbersOf(0)
		}
		c.fails("option", wrong, payload)
	}
	c.fails("option", object{"do": "samples", "ids": 1, "fields": []int{}}, numbersOf(40))
	c.fails("option", object{"do": "ranges", "n": 1}, numbersOf(0, 0, 1<<40))
	c.fails("option", object{"do": "ranges", "n": 1}, numbersOf(-1, 0, 1))
	c.fails("state", object{"do": "open", "paths": []string{path}}, nil)
	if got, _ := c.ask(object{"do": "find", "key": "no such name"}, nil); got["sample"] != -1. {
		t.Errorf("find: %v", got)
	}
}

// TestLookFar: what this program doesn't reach is told, and its sibling named;
// file:// is the local disk.
func TestLookFar(t *testing.T) {
	c := serve(t).connect()
	for _, path := range []string{"s3://bucket/a.beton", "https://host/a.beton?x=1", "gs://bucket/*.beton", "/no/index.json"} {
		f := c.fails("option", object{"do": "open", "paths": []string{path}, "storage": object{"region": "x"}}, nil)
		if !strings.Contains(f.Error(), "betongo-tools") {
			t.Error(f)
		}
	}
	c.fails("option", object{"do": "exists", "url": "s3://bucket/a.beton"}, nil)
	path := write(t, 5)
	if got, _ := c.ask(object{"do": "open", "paths": []string{"file://localhost" + path}}, nil); got["samples"] != 5. {
		t.Errorf("file://: %v", got)
	}
}

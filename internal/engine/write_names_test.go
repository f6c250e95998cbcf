//go:build linux

package engine_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// namesOf is the end of a part's payload that gives names.
func namesOf(names ...string) []byte {
	var lengths, text []byte
	for _, name := range names {
		lengths = binary.LittleEndian.AppendUint32(lengths, uint32(len(name)))
		text = append(text, name...)
	}
	return append(lengths, text...)
}

// TestWriteNames: samples have the names that came with their parts, in chunks
// and in a stream; a part without gives none.
func TestWriteNames(t *testing.T) {
	const n = 10
	name := func(i int) string { return fmt.Sprintf("dir/%d é\xff.jpg", i) }
	for _, how := range []string{"chunks", "stream"} {
		t.Run(how, func(t *testing.T) {
			s := serve(t)
			c, f := s.connect(), s.connect()
			path := filepath.Join(t.TempDir(), "a.beton")
			o := object{"do": "write", "path": path, "fields": oneInt}
			if how == "chunks" {
				o["samples"], o["chunk"] = n, n
			}
			job := c.begin(o)
			f.ask(f.feedRequest(job), nil)
			for at := 0; at < n; at += 5 {
				part := object{"do": "part", "chunk": 0, "first": at, "rows": 5, "last": at+5 == n}
				payload := intsOf(5)
				if at == 0 {
					names := namesOf(name(0), name(1), "", name(3), name(4))
					part["names"], payload = len(names), append(payload, names...)
				}
				f.ask(part, payload)
			}
			if _, _, err := c.end(); err != nil {
				t.Fatal(err)
			}
			file, err := ffcv.Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			for i := range n {
				want := name(i)
				if i == 2 || i >= 5 {
					want = ""
				}
				if got, err := file.Key(i); err != nil || got != want {
					t.Errorf("sample %d is %q, %v; want %q", i, got, err, want)
				}
			}
		})
	}
}

// TestWriteNamesAbuse: names that don't fit their part end the file.
func TestWriteNamesAbuse(t *testing.T) {
	good := namesOf("a", "bc")
	long := namesOf("a", "bc")
	binary.LittleEndian.PutUint32(long, 3<<30)
	for name, test := range map[string]struct {
		size    int
		payload []byte
	}{
		"negative": {-1, append(intsOf(2), good...)},
		"huge":     {1 << 62, append(intsOf(2), good...)},
		"lengths":  {7, append(intsOf(2), good...)},
		"long":     {len(long), append(intsOf(2), long...)},
		"more":     {len(good) + 1, append(append(intsOf(2), good...), 'x')},
		"columns":  {len(good), append(intsOf(1), good...)},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			c, path := s.connect(), old(t)
			job := c.begin(object{"do": "write", "path": path, "fields": oneInt, "samples": 2, "chunk": 2})
			f := s.connect()
			f.ask(f.feedRequest(job), nil)
			if _, _, err := f.try(object{"do": "part", "chunk": 0, "first": 0, "rows": 2, "last": true, "names": test.size}, test.payload); err == nil {
				t.Error("it was taken")
			}
			f.sock.Close()
			if _, _, err := c.end(); err == nil {
				t.Error("the file was written")
			}
			nothing(t, path)
		})
	}
}

package source

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A stream that has more than it may is an error, and none that has just as much.
func TestBounded(t *testing.T) {
	for n := range int64(9) {
		r := &bounded{r: strings.NewReader("12345"), most: n, left: n}
		b, err := io.ReadAll(r)
		if len(b) != int(min(n, 5)) || (err == nil) != (n >= 5) {
			t.Errorf("5 bytes of at most %d: got %q, %v", n, b, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("more than %d bytes", n)) {
			t.Errorf("got %v", err)
		}
		r = &bounded{r: bytes.NewReader(make([]byte, 100)), most: n, left: n}
		for range 3 { // an error stays
			_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{r}, make([]byte, 3))
		}
		if err == nil {
			t.Errorf("100 bytes of at most %d: no error", n)
		}
	}
}

// As many are named as may be, and the others counted.
func TestSkips(t *testing.T) {
	var one, two, all skips
	for i := range maxReported - 1 {
		one.add(fmt.Sprint(i), "")
	}
	for range 3 {
		two.add("two", "")
	}
	all.join(&one)
	if got := all.all("files"); len(got) != maxReported-1 {
		t.Errorf("%d are named, want %d", len(got), maxReported-1)
	}
	all.join(&two)
	all.join(&two)
	got := all.all("files")
	if len(got) != maxReported+1 || got[maxReported-1].Path != "two" || got[maxReported] != (Skip{"…", "5 more files"}) {
		t.Errorf("got %d, the last %v", len(got), got[len(got)-2:])
	}
	for range maxReported {
		two.add("two", "")
	}
	if got := two.all("boxes"); len(got) != maxReported+1 || got[maxReported].Reason != "3 more boxes" {
		t.Errorf("got %d, the last %v", len(got), got[len(got)-1])
	}
}

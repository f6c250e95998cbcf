package result_test

import (
	"bytes"
	"testing"

	"github.com/betongo/betongo/benchmarks/result"
)

// FuzzParse: what is read is written, and read again as the same.
func FuzzParse(f *testing.F) {
	good, err := sound().Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"schema": 1, "runs": null}`))
	f.Add(bytes.Replace(good, []byte(`"dali"`), []byte(`"/a/b"`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := result.Parse(b)
		if err != nil {
			return
		}
		for _, work := range file.Works() {
			result.Compare(file, work, "betongo")
		}
		first, err := file.Bytes()
		if err != nil {
			return // such as a year that JSON has not
		}
		again, err := result.Parse(first)
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if second, err := again.Bytes(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written again as other bytes (%v):\n%s\n%s", err, first, second)
		}
	})
}

// FuzzScrub: what is scrubbed has nothing more to scrub.
func FuzzScrub(f *testing.F) {
	for _, text := range []string{"/home/anna/x", "--dir=/tmp/x/ C:\\a\\b ~/c file:///d/e", "a /b /c/ 'd' …/e", "x:/y/z:/w", "file:// /a", "/a/…//b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := result.Scrub(text)
		if twice := result.Scrub(once); twice != once {
			t.Fatalf("%q: first %q, then %q", text, once, twice)
		}
	})
}

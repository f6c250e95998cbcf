package remote

import (
	"bytes"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzPage: whatever lies in a page's file, what is read from it is what was put
// there, or an error.
func FuzzPage(f *testing.F) {
	key := pageKey{strings.Repeat("0a", 16), 7}
	data := bytes.Repeat([]byte("0123456789abcdef"), (pageChunk+1000)/16)
	whole := make([]byte, pageHead, pageHead+len(data))
	putPageHead(whole, key, data)
	whole = append(whole, data...)
	for _, n := range []int{0, 8, 39, 40, pageHead - 4, pageHead, pageHead + 1, pageHead + pageChunk, len(whole) - 1, len(whole)} {
		f.Add(whole[:n], uint32(0), uint32(len(data)))
	}
	for _, at := range []int{0, 8, 24, 32, 40, 44, 100, pageHead - 1, pageHead, len(whole) - 1} {
		b := bytes.Clone(whole)
		b[at] ^= 1
		f.Add(b, uint32(pageChunk-3), uint32(10))
	}
	path := filepath.Join(f.TempDir(), "page")
	f.Fuzz(func(t *testing.T, b []byte, off, n uint32) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := openPage(path, key, int64(len(data)))
		if err != nil {
			if p != nil {
				t.Fatal("a page and an error")
			}
			return
		}
		defer p.f.Close()
		lo := int64(off) % int64(len(data))
		got := make([]byte, min(int64(n), int64(len(data))-lo))
		if p.read(got, lo) != nil || bytes.Equal(got, data[lo:lo+int64(len(got))]) {
			return
		}
		// Only one who makes the checksums fit gets other bytes through.
		sum := crc32.Checksum(b[:pageHead-4], castagnoli)
		if bytes.Equal(b[:pageHead], whole[:pageHead]) || sum == crc32.Checksum(whole[:pageHead-4], castagnoli) {
			t.Fatalf("bytes %d to %d are wrong", lo, lo+int64(len(got)))
		}
	})
}

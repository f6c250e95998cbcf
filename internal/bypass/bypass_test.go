package bypass_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/betongo/betongo/internal/bypass"
	"github.com/betongo/betongo/internal/mmap"
)

// sizes are at the boundaries of what goes past the caches, and of its lines.
var sizes = []int{0, 1, 63, 127, 128, 1024, 4095, 4096, 4097, 4159, 4160, 4223, 4224, 10_000, 1 << 20}

// TestSame: whatever begins and ends where, the same bytes as by copy and clear,
// and none beside them.
func TestSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range sizes {
		src, got := make([]byte, n+300), make([]byte, n+300)
		for i := range src {
			src[i] = byte(rng.Uint32()) | 1
		}
		for _, at := range []int{0, 1, 31, 32, 63, 64, 65, 127, 129} {
			for _, from := range []int{0, 1, 63, 100} {
				for i := range got {
					got[i] = byte(i)*7 | 1
				}
				want := bytes.Clone(got)
				if k := bypass.Copy(got[at:at+n], src[from:from+n]); k != n {
					t.Fatalf("%d bytes: got %d copied", n, k)
				}
				if copy(want[at:at+n], src[from:from+n]); !bytes.Equal(got, want) {
					t.Fatalf("%d bytes from %d to %d: not copied as by copy", n, from, at)
				}
			}
			want := bytes.Clone(got)
			bypass.Clear(got[at : at+n])
			if clear(want[at : at+n]); !bytes.Equal(got, want) {
				t.Fatalf("%d bytes from %d: not cleared as by clear", n, at)
			}
		}
	}
}

// TestShorter: the shorter of both says how much is copied, as with copy.
func TestShorter(t *testing.T) {
	long, short := make([]byte, 5000), bytes.Repeat([]byte{9}, 3001)
	if n := bypass.Copy(long, short); n != 3001 || !bytes.Equal(long[:3001], short) || long[3001] != 0 {
		t.Errorf("got %d bytes copied of a short source, want 3001", n)
	}
	if n := bypass.Copy(short, long[1000:]); n != 3001 || !bytes.Equal(short, long[1000:4001]) {
		t.Errorf("got %d bytes copied to a short destination, want 3001", n)
	}
}

// TestFault: what copy reads may fault, and the panic is one to recover from.
func TestFault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mmap.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Skip("a mapped file keeps its length here:", err)
	}
	dst := make([]byte, 64<<10)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); !mmap.IsFault(r) {
			t.Errorf("got %v, want a fault", r)
		}
	}()
	bypass.Copy(dst, m.Bytes())
}

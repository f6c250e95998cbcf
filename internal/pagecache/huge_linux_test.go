package pagecache_test

import (
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/internal/pagecache"
)

// zeros is a file of them.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// TestSparse: of a file that has room as a whole, and is read here and there, little
// more memory is taken than was read.
func TestSparse(t *testing.T) {
	if b, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled"); err == nil && strings.Contains(string(b), "[always]") {
		t.Skip("the system lays all memory out in huge pages")
	}
	const size, each, reads = 256 << 20, 8 << 20, 32
	c, err := pagecache.New(zeros{}, size, pagecache.Options{Budget: size + size/8})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for off := int64(each / 2); off < size; off += each {
		_, done, err := c.Lend(off, 100)
		if err != nil || done == nil {
			t.Fatal("not lent", err)
		}
		// A reader that writes nothing takes nothing either.
		clear(c.Memory()[off : off+100])
		done()
	}
	const want = reads * pagecache.BlockSize
	if got := resident(t, c.Memory()); got > 4*want {
		t.Errorf("%d blocks take %d bytes of memory, want about %d", reads, got, want)
	}
}

// resident is how many bytes the system has given memory to.
func resident(t *testing.T, b []byte) (n int) {
	t.Helper()
	page := os.Getpagesize()
	in := make([]byte, (len(b)+page-1)/page)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0]))); errno != 0 {
		t.Skip(errno)
	}
	for _, v := range in {
		n += int(v&1) * page
	}
	return n
}

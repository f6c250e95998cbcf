package loader

import (
	"errors"
	"fmt"
	"sync"

	"github.com/betongo/betongo/internal/mmap"
)

// Allocator gives a loader the memory of its batches: such as can be shared with
// another process, or is known to a device. Its methods are called by many
// goroutines at once, Free also by the runtime's for cleanups.
type Allocator interface {
	// Alloc returns at least n bytes, n above 0, that begin a page and share
	// none with other memory; they are read and written, and need not be zero.
	// Its error ends the epoch.
	Alloc(n int) ([]byte, error)
	// Free takes back what Alloc returned, that very slice. The memory of a
	// batch that nobody releases comes back when the batch is out of reach.
	Free(b []byte) error
}

// anonymous is the Allocator of a loader that was given none.
type anonymous struct{}

// hugeBlock is the size from which a block is asked for in huge pages: what is
// smaller would hold one at most.
const hugeBlock = 4 << 20

func (anonymous) Alloc(n int) ([]byte, error) {
	b, err := mmap.Anon(n)
	if err == nil && n >= hugeBlock {
		mmap.Huge(b)
	}
	return b[:cap(b)], err
}

func (anonymous) Free(b []byte) error { return mmap.Free(b) }

// memory is a block outside the Go heap for each output of a batch. Each batch
// has one; whoever holds the batch may use it.
type memory struct {
	from   Allocator
	mu     sync.Mutex // release may come from a cleanup
	blocks [][]byte   // as Alloc returned them
}

// newMemory returns n empty blocks; from may be nil.
func newMemory(from Allocator, n int) *memory {
	if from == nil {
		from = anonymous{}
	}
	return &memory{from: from, blocks: make([][]byte, n)}
}

// ensure makes block i at least n bytes long. Its contents are lost when it
// grows.
func (m *memory) ensure(i, n int) error {
	if n <= len(m.blocks[i]) {
		return nil
	}
	return m.grow(i, n)
}

// reserve makes block i, if there is none yet, an eighth longer than the n bytes
// that rows of different lengths need now: the next ones need a little more, and
// a block that grows is another, all of whose pages the system has to make.
func (m *memory) reserve(i, n int) error {
	if len(m.blocks[i]) > 0 || n == 0 {
		return nil
	}
	return m.grow(i, n+n/8)
}

func (m *memory) grow(i, n int) (err error) {
	defer guard("Allocator", &err)
	if old := len(m.blocks[i]); old > 0 {
		n = max(n, old+old/4)
		b := m.blocks[i]
		m.blocks[i] = nil
		if err := m.from.Free(b); err != nil {
			return err
		}
	}
	b, err := m.from.Alloc(n)
	if err != nil {
		return err
	}
	if len(b) < n {
		return errors.Join(fmt.Errorf("%T gave %d bytes of memory, want %d", m.from, len(b), n), m.from.Free(b))
	}
	m.blocks[i] = b
	return nil
}

// release frees all blocks. It is idempotent.
func (m *memory) release() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unprotect()
	var errs []error
	for i, b := range m.blocks {
		if m.blocks[i] = nil; b != nil {
			errs = append(errs, m.from.Free(b))
		}
	}
	return errors.Join(errs...)
}

// swap exchanges block i of two memories of one Allocator.
func (m *memory) swap(i int, other *memory) {
	m.blocks[i], other.blocks[i] = other.blocks[i], m.blocks[i]
}

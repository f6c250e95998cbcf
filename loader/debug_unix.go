//go:build betongodebug && unix

package loader

import "golang.org/x/sys/unix"

// debugging is whether uses after Release are caught, at the cost of new
// memory for every batch.
const debugging = true

// protect makes every access to the memory a fault.
func (m *memory) protect() { m.allow(unix.PROT_NONE) }

// unprotect takes that back, for the Allocator, which may use it again.
func (m *memory) unprotect() { m.allow(unix.PROT_READ | unix.PROT_WRITE) }

func (m *memory) allow(access int) {
	for _, b := range m.blocks {
		if len(b) > 0 {
			if err := unix.Mprotect(b, access); err != nil {
				panic("loader: protect a released batch: " + err.Error())
			}
		}
	}
}

//go:build betongodebug && unix

package loader

import "golang.org/x/sys/unix"

// debugging is whether uses after Release are caught, at the cost of new
// memory for every batch.
const debugging = true

// protect makes every access to the memory a fault.
func (m *memory) protect() {
	for _, b := range m.blocks {
		if cap(b) > 0 {
			if err := unix.Mprotect(b[:cap(b)], unix.PROT_NONE); err != nil {
				panic("loader: protect a released batch: " + err.Error())
			}
		}
	}
}

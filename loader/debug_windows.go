//go:build betongodebug && windows

package loader

import (
	"unsafe"

	system "golang.org/x/sys/windows"
)

// debugging is whether uses after Release are caught, at the cost of new
// memory for every batch.
const debugging = true

// protect makes every access to the memory a fault.
func (m *memory) protect() { m.allow(system.PAGE_NOACCESS) }

// unprotect takes that back, for the Allocator, which may use it again.
func (m *memory) unprotect() { m.allow(system.PAGE_READWRITE) }

func (m *memory) allow(access uint32) {
	for _, b := range m.blocks {
		if len(b) > 0 {
			var old uint32
			p := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
			if err := system.VirtualProtect(p, uintptr(len(b)), access, &old); err != nil {
				panic("loader: protect a released batch: " + err.Error())
			}
		}
	}
}

//go:build betongodebug && windows

package loader

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// debugging is whether uses after Release are caught, at the cost of new
// memory for every batch.
const debugging = true

// protect makes every access to the memory a fault.
func (m *memory) protect() {
	for _, b := range m.blocks {
		if cap(b) > 0 {
			var old uint32
			p := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
			if err := windows.VirtualProtect(p, uintptr(cap(b)), windows.PAGE_NOACCESS, &old); err != nil {
				panic("loader: protect a released batch: " + err.Error())
			}
		}
	}
}

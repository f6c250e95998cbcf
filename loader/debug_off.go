//go:build !betongodebug

package loader

// debugging is whether uses after Release are caught, at the cost of new
// memory for every batch.
const debugging = false

func (m *memory) protect()   {}
func (m *memory) unprotect() {}

//go:build !purego

package jpeg

// acLoop is acGo's loop. It returns early, with kOut below 64, at a symbol that
// needs codes.symbol.
//
//go:noescape
func acLoop(r *reader, t *acTable, coefs *[64]int16, k, last uint) (kOut, lastOut uint)

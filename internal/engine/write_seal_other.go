//go:build !linux

package engine

import "os"

// sealed is for systems that have no seals: a client's segment is its own, and
// it doesn't cut it short.
func sealed(*os.File) error { return nil }

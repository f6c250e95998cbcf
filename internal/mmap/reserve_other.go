//go:build unix && !linux && !darwin

package mmap

import "os"

// reserve gives f its size; the file has holes until they are written.
func reserve(f *os.File, size int64) error { return f.Truncate(size) }

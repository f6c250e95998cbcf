//go:build !linux

package mmap

// Huge asks the system to lay memory of Anon out in huge pages. Here it does
// nothing.
func Huge([]byte) {}

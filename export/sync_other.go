//go:build !linux

package export

// syncAll does nothing: files are synced one by one.
func syncAll(string) error { return nil }

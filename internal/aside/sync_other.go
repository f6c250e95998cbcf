//go:build !unix

package aside

// SyncDir does nothing: this system does not sync folders.
func SyncDir(string) error { return nil }

//go:build !unix

package aside

// syncDir does nothing: this system does not sync folders.
func syncDir(string) error { return nil }

//go:build !unix

package build

import "io/fs"

// mine is nil: the folder for temporary files is the user's own here.
func mine(fs.FileInfo) error { return nil }

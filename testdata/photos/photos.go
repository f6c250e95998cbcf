// Package photos holds a few dozen real photographs in class folders, for
// tests and for ffcv demo. README.md beside them names their authors and
// licences.
package photos

import "embed"

// FS has one folder a class, and in it the class's photographs as JPEG files.
// Paths are CLASS/NAME.jpg.
//
//go:embed */*.jpg
var FS embed.FS

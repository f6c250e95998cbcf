//go:build !linux

package pagecache

import "io"

// vectorState is nothing where pieces are read one by one.
type vectorState struct{}

func (*vectorState) init() {}

func fileVector(io.ReaderAt, bool) vector { return nil }

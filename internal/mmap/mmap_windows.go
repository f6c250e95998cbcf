package mmap

import (
	"os"

	mmapgo "github.com/edsrzf/mmap-go"
)

const (
	adviseWillNeed = iota
	adviseSequential
	adviseRandom
	adviseNormal

	anonProt   = mmapgo.RDWR
	removeOpen = false
)

func advise([]byte, int) {}

// reserve gives f its size, which takes the space on disk too.
func reserve(f *os.File, size int64) error { return f.Truncate(size) }

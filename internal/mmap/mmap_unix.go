//go:build unix

package mmap

import (
	mmapgo "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

const (
	adviseWillNeed   = unix.MADV_WILLNEED
	adviseSequential = unix.MADV_SEQUENTIAL
	adviseRandom     = unix.MADV_RANDOM
	adviseNormal     = unix.MADV_NORMAL

	// A private map: a shared one is a file in memory, slower to touch and
	// without huge pages.
	anonProt = mmapgo.COPY

	// removeOpen: a file's name may go while the file is open.
	removeOpen = true
)

func advise(b []byte, advice int) { _ = unix.Madvise(b, advice) }

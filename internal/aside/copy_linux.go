package aside

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// page is what copy_file_range moves whole where it lies alike in both files.
	page = 4096
	// window is how much of a file is mapped at a time.
	window = 4 << 20
	// mappedMost is up to where in the target maps are the faster way: in the
	// largest pieces of memory that are at hand. Behind it a virtual machine may
	// have only such that its host must bring in first, and copies into small
	// pieces, that are in use over and over, take a third of the time.
	mappedMost = 1 << 30
)

// copyRange copies as far as the system does it. That it doesn't, for these
// files or at all, is no error: what stays one is found by reading and writing.
//
// Where bytes lie alike in their pages the system copies from file to file, or
// has both files share them. Elsewhere writing from a map takes it a fifth less
// time: one copy, straight into large pieces of memory.
func copyRange(to *os.File, at int64, from *os.File, off, n int64) (done int64, err error) {
	in, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	out, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = in.Control(func(rfd uintptr) {
		failed = out.Control(func(wfd uintptr) {
			if (off-at)%page != 0 && n >= copyPiece && at < mappedMost {
				done = copyMapped(int(wfd), at, int(rfd), off, n)
				return
			}
			for done < n {
				r, w := off+done, at+done
				k, err := unix.CopyFileRange(int(rfd), &r, int(wfd), &w, int(min(n-done, 1<<30)), 0)
				if errors.Is(err, unix.EINTR) {
					continue
				}
				if err != nil || k <= 0 {
					return
				}
				done += int64(k)
			}
		})
	})
	return done, errors.Join(err, failed)
}

// copyMapped writes from maps of the source. Where that has become shorter the
// system's write fails, and the process goes on.
func copyMapped(wfd int, at int64, rfd int, off, n int64) (done int64) {
	var info unix.Stat_t
	if unix.Fstat(rfd, &info) != nil || off > info.Size || n > info.Size-off {
		return 0
	}
	for done < n {
		base := (off + done) &^ (page - 1)
		m, err := unix.Mmap(rfd, base, int(min(window, off+n-base)), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return done
		}
		unix.Madvise(m, unix.MADV_POPULATE_READ) // one call for all pages; else they come one by one
		b := m[off+done-base:]
		for len(b) > 0 {
			// Pieces end where large ones of the target's memory do.
			k, err := unix.Pwrite(wfd, b[:min(int64(len(b)), copyPiece-(at+done)%copyPiece)], at+done)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil || k <= 0 {
				unix.Munmap(m)
				return done
			}
			b, done = b[k:], done+int64(k)
		}
		if unix.Munmap(m) != nil {
			return done
		}
	}
	return done
}

// begin has the system begin to bring n bytes of a file to disk, so that the
// sync at the end has less to wait for. It may do nothing.
func begin(f *os.File, at, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { unix.SyncFileRange(int(fd), at, n, unix.SYNC_FILE_RANGE_WRITE) })
	}
}

package ffcv

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataSync makes a file's bytes outlive a crash of the machine, and its size,
// but not its times.
func dataSync(f file) error {
	osFile, ok := f.(*os.File)
	if !ok {
		return f.Sync()
	}
	return control(osFile, "sync", func(fd int) error { return unix.Fdatasync(fd) })
}

// punch makes the bytes from off to end zero, by giving their space back. done
// is false where the file system can't, and they are as they were.
func punch(f file, off, end int64) (done bool) {
	osFile, ok := f.(*os.File)
	return ok && control(osFile, "punch a hole into", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, end-off)
	}) == nil
}

// control calls do with the file's descriptor.
func control(f *os.File, op string, do func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := conn.Control(func(fd uintptr) {
		for {
			if err = do(int(fd)); err != unix.EINTR {
				return
			}
		}
	})
	if ctlErr != nil {
		return ctlErr
	}
	if err != nil {
		return &os.PathError{Op: op, Path: f.Name(), Err: err}
	}
	return nil
}

package mmap

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"

	mmapgo "github.com/edsrzf/mmap-go"

	"github.com/betongo/betongo/internal/regular"
)

// Writable is a map of a whole regular file whose bytes can be written to: they
// are the file's at once for every process, and on disk after Flush. It is not
// safe to use Bytes during Close.
type Writable struct {
	name string

	mu   sync.Mutex
	data mmapgo.MMap // nil when the file is empty or the map is closed
}

// OpenWritable maps a file that exists for reading and writing. Its size can't
// change by that. An empty file gives empty Bytes.
func OpenWritable(path string) (*Writable, error) {
	f, err := regular.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	w := &Writable{name: path}
	switch size := info.Size(); {
	case size == 0:
		return w, nil // no system maps zero bytes
	case size > math.MaxInt:
		return nil, &fs.PathError{Op: "map", Path: path, Err: fmt.Errorf("%d bytes do not fit the address space", size)}
	default:
		w.data, err = mmapgo.MapRegion(f, int(size), mmapgo.RDWR, 0, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: path, Err: err}
	}
	return w, nil
}

// Bytes returns the file's bytes, valid until Close; nil after.
func (w *Writable) Bytes() []byte { return w.data }

// Flush returns once what was written is on disk.
func (w *Writable) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.data == nil {
		return nil
	}
	if err := w.data.Flush(); err != nil {
		return &fs.PathError{Op: "flush", Path: w.name, Err: err}
	}
	return nil
}

// Close gives the memory back; what was written stays in the file, though the
// system may put it on disk later. A second Close does nothing.
func (w *Writable) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.data == nil {
		return nil
	}
	if err := w.data.Unmap(); err != nil {
		return &fs.PathError{Op: "unmap", Path: w.name, Err: err}
	}
	return nil
}

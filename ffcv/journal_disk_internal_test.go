package ffcv

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
)

// errDead is what every call gets when the machine has stopped.
var errDead = errors.New("the machine has stopped")

// simDisk is a disk in memory. What was not synced may be lost when its machine
// stops: of each write some of its blocks, of each change of the folder any.
type simDisk struct {
	mu    sync.Mutex
	names map[string]*simFile
	safe  map[string]*simFile // the folder as it was synced last
	log   []simName           // what changed in it since
	calls int
	dies  int // the call at which the machine stops; 0 never

	// fault is asked before each call; an error is what the call gets, and with
	// short a write or read takes only so many bytes.
	fault func(call int, op string) (short int, err error)
}

type simName struct {
	from, to string // of a rename; "" of a new file or a removed one
	f        *simFile
}

type simFile struct {
	d    *simDisk
	data []byte
	safe []byte // as it was synced last
	log  []simWrite
}

// simWrite is a write, or a change of the size where data is nil.
type simWrite struct {
	off  int64
	data []byte
	size int64
}

func newSimDisk() *simDisk {
	return &simDisk{names: map[string]*simFile{}, safe: map[string]*simFile{}}
}

// call counts a call; the caller holds mu.
func (d *simDisk) call(op string) (short int, err error) {
	d.calls++
	if d.dies > 0 && d.calls >= d.dies {
		return -1, errDead
	}
	if d.fault != nil {
		return d.fault(d.calls, op)
	}
	return -1, nil
}

func (d *simDisk) open(name string, flag int, _ fs.FileMode) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.call("open"); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, ok := d.names[name]
	switch {
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case ok && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case !ok:
		f = &simFile{d: d}
		d.names[name] = f
		d.log = append(d.log, simName{to: name, f: f})
	}
	return f, nil
}

func (d *simDisk) size(name string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.names[name]
	if !ok {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return int64(len(f.data)), nil
}

func (d *simDisk) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.call("remove"); err != nil {
		return err
	}
	if _, ok := d.names[name]; !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.names, name)
	d.log = append(d.log, simName{from: name})
	return nil
}

func (d *simDisk) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.call("rename"); err != nil {
		return err
	}
	f, ok := d.names[from]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(d.names, from)
	d.names[to] = f
	d.log = append(d.log, simName{from, to, f})
	return nil
}

func (d *simDisk) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.call("syncdir"); err != nil {
		return err
	}
	d.safe, d.log = map[string]*simFile{}, nil
	for name, f := range d.names {
		d.safe[name] = f
	}
	return nil
}

// restart is the disk after its machine stopped and began again.
func (d *simDisk) restart(r *rand.Rand) *simDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.log {
		if r.IntN(2) == 0 {
			continue
		}
		if c.from != "" {
			delete(d.safe, c.from)
		}
		if c.to != "" {
			d.safe[c.to] = c.f
		}
	}
	next, seen := newSimDisk(), map[*simFile]*simFile{}
	for name, f := range d.safe {
		if seen[f] == nil {
			b := f.survives(r)
			seen[f] = &simFile{d: next, data: b, safe: slices.Clone(b)}
		}
		next.names[name], next.safe[name] = seen[f], seen[f]
	}
	return next
}

// survives is what of a file is there after its machine stopped.
func (f *simFile) survives(r *rand.Rand) []byte {
	b, block := f.safe, []int64{512, 4096}[r.IntN(2)]
	lost := r.IntN(4) // of four blocks: from none to most
	for _, w := range f.log {
		if w.data == nil {
			if r.IntN(2) == 0 {
				b = resized(b, w.size)
			}
			continue
		}
		end := w.off + int64(len(w.data))
		for at := w.off; at < end; {
			n := min(end, at&^(block-1)+block)
			if r.IntN(4) >= lost {
				b = resized(b, max(int64(len(b)), n))
				copy(b[at:n], w.data[at-w.off:])
			} else if r.IntN(8) == 0 {
				b = resized(b, max(int64(len(b)), n)) // the size, but not the bytes
			}
			at = n
		}
	}
	return b
}

// resized is b with n bytes, new ones zero. It goes on with b's memory.
func resized(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		clear(b[n:])
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

func (f *simFile) WriteAt(b []byte, off int64) (n int, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	short, err := f.d.call("write")
	if short >= 0 {
		b = b[:min(short, len(b))]
	} else if err != nil {
		return 0, err
	}
	end := off + int64(len(b))
	f.data = resized(f.data, max(int64(len(f.data)), end))
	copy(f.data[off:end], b)
	f.log = append(f.log, simWrite{off: off, data: slices.Clone(b)})
	return len(b), err
}

func (f *simFile) ReadAt(b []byte, off int64) (n int, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	short, err := f.d.call("read")
	if short >= 0 && len(b) > short {
		b = b[:short]
	} else if err != nil {
		return 0, err
	}
	if off < int64(len(f.data)) {
		n = copy(b, f.data[off:])
	}
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *simFile) Truncate(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if _, err := f.d.call("truncate"); err != nil {
		return err
	}
	f.data = resized(f.data, n)
	f.log = append(f.log, simWrite{size: n})
	return nil
}

func (f *simFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if _, err := f.d.call("sync"); err != nil {
		return err
	}
	for _, w := range f.log {
		if w.data == nil {
			f.safe = resized(f.safe, w.size)
			continue
		}
		end := w.off + int64(len(w.data))
		f.safe = resized(f.safe, max(int64(len(f.safe)), end))
		copy(f.safe[w.off:end], w.data)
	}
	f.log = nil
	return nil
}

func (f *simFile) Close() error { return nil }

// faults are what a call may get; the first two are no error to a writer.
var faults = []struct {
	name  string
	short int
	err   error
	over  bool // the writer goes on
}{
	{"EINTR", -1, syscall.EINTR, true},
	{"short", 7, nil, true},
	{"ENOSPC", -1, syscall.ENOSPC, false},
	{"EIO", -1, syscall.EIO, false},
}

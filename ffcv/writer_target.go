package ffcv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/betongo/betongo/internal/aside"
)

// partial is a file that is being written beside its target, with the spools
// that grow beside it.
type partial struct {
	file
	disk   disk
	name   string
	closed bool
	reuse  bool // spools are there already, and are gone on with

	mu     sync.Mutex // the placer makes spools while a checkpoint syncs them
	spools []*spool
}

// createPartial makes NAME.partial-XXXXXX with mode 0666 less the umask.
func createPartial(target string) (*partial, error) {
	return createPartialOn(osDisk{}, target)
}

func createPartialOn(d disk, target string) (*partial, error) {
	var f file
	name, err := aside.Beside(target, func(name string) (err error) {
		f, err = d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &partial{file: f, disk: d, name: name}, nil
}

// WriteAt is io.WriterAt.
func (p *partial) WriteAt(b []byte, off int64) (int, error) { return writeFull(p.file, b, off) }

// ReadAt is io.ReaderAt.
func (p *partial) ReadAt(b []byte, off int64) (int, error) { return readFull(p.file, b, off) }

// Sync makes all that was written outlive a crash of the machine.
func (p *partial) Sync() error { return syncFull(p.file, false) }

// spool makes a temporary file beside the partial one, its name and .kind.
func (p *partial) spool(kind string) (*spool, error) {
	flag := os.O_RDWR | os.O_CREATE
	if !p.reuse {
		flag |= os.O_EXCL
	}
	name := p.name + "." + kind
	f, err := p.disk.open(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spool{f: f, disk: p.disk, name: name}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spools = append(p.spools, s)
	return s, nil
}

// spoolList is the spools that there are.
func (p *partial) spoolList() []*spool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*spool(nil), p.spools...)
}

// closeSpools closes the spools, and removes them unless they are to be kept.
func (p *partial) closeSpools(keep bool) error {
	var errs []error
	for _, s := range p.spoolList() {
		errs = append(errs, s.close(keep))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spools = nil
	return errors.Join(errs...)
}

// close closes the file, once.
func (p *partial) close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	return p.file.Close()
}

// discard closes and removes everything.
func (p *partial) discard() error {
	return errors.Join(p.closeSpools(false), p.close(), removeIfThere(p.disk, p.name))
}

// keep closes everything, for a later build to go on with.
func (p *partial) keep() error { return errors.Join(p.closeSpools(true), p.close()) }

// commit removes the spools and puts the finished, synced file in the target's
// place.
func (p *partial) commit(target string, overwrite bool) error {
	if err := p.closeSpools(false); err != nil {
		return err
	}
	return p.place(target, overwrite)
}

// place puts the finished, synced file in the target's place.
func (p *partial) place(target string, overwrite bool) error {
	if err := p.close(); err != nil {
		return err
	}
	// Somebody may have put a file there since Create looked.
	if err := aside.Check(target, overwrite, false); err != nil {
		return err
	}
	if err := p.disk.rename(p.name, target); err != nil {
		return err
	}
	return p.disk.syncDir(filepath.Dir(target))
}

// isMissing says whether an error is that of a file that isn't there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

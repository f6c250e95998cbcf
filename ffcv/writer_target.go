package ffcv

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/internal/aside"
)

// file is what the writer needs of an *os.File; a test puts a full disk in its
// place.
type file interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// partial is a file that is being written beside its target, with the spools
// that grow beside it.
type partial struct {
	file
	name   string
	closed bool
	spools []*spool
}

// createPartial makes NAME.partial-XXXXXX with mode 0666 less the umask.
func createPartial(target string) (*partial, error) {
	var f *os.File
	name, err := aside.Beside(target, func(name string) (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &partial{file: f, name: name}, nil
}

// spool makes a temporary file beside the partial one, NAME.partial-XXXXXX.kind.
func (p *partial) spool(kind string) (*spool, error) {
	s, err := createSpool(p.name + "." + kind)
	if err != nil {
		return nil, err
	}
	p.spools = append(p.spools, s)
	return s, nil
}

// closeSpools removes the spools.
func (p *partial) closeSpools() error {
	var errs []error
	for _, s := range p.spools {
		errs = append(errs, s.close())
	}
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
	errs := []error{p.closeSpools(), p.close()}
	if err := os.Remove(p.name); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// commit puts the finished, synced file in the target's place.
func (p *partial) commit(target string, overwrite bool) error {
	if err := p.closeSpools(); err != nil {
		return err
	}
	if err := p.close(); err != nil {
		return err
	}
	// Somebody may have put a file there since Create looked.
	if err := aside.Check(target, overwrite, false); err != nil {
		return err
	}
	if err := os.Rename(p.name, target); err != nil {
		return err
	}
	return aside.SyncDir(filepath.Dir(target))
}

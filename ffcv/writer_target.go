package ffcv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// resolve follows symbolic links in the last part of path, also when they end
// at a file that does not exist yet.
func resolve(path string) (string, error) {
	for range 40 {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			// Not cleaned: the folder may itself be a link, and ".." in the
			// link's text begins at the folder that it leads to.
			to = filepath.Dir(path) + string(filepath.Separator) + to
		}
		path = to
	}
	return "", &fs.PathError{Op: "follow", Path: path, Err: errors.New("too many symbolic links")}
}

// checkTarget says whether a file may be put at path.
func checkTarget(path string, overwrite bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a directory")}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("not a regular file (%s)", info.Mode().Type())}
	case !overwrite:
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	}
	return nil
}

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

// maxBase is how much of the target's name goes into the partial file's: with
// what is added to it, names stay within the 255 bytes that systems allow.
const maxBase = 200

// createPartial makes NAME.partial-XXXXXX with mode 0666 less the umask.
func createPartial(target string) (*partial, error) {
	dir, base := filepath.Split(target)
	if len(base) > maxBase {
		base = strings.ToValidUTF8(base[:maxBase], "")
	}
	for try := 0; ; try++ {
		name := dir + base + ".partial-" + randomSuffix()
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) && try < 100 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &partial{file: f, name: name}, nil
	}
}

func randomSuffix() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	var b [6]byte
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b[:])
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
	if err := checkTarget(target, overwrite); err != nil {
		return err
	}
	if err := os.Rename(p.name, target); err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

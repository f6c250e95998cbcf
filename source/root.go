package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// ErrOutside is wrapped by the error for a file that a table names outside of
// its folder.
var ErrOutside = errors.New("is outside of the table's folder")

// root keeps the files that a table names below its folder: a table, and the
// links beside it, may come from others, and what they lead to ends in a dataset
// that is passed on.
type root struct {
	dir  string // absolute, where links in it lead to
	free bool   // everything is allowed

	mu   sync.Mutex
	dirs map[string]bool // folders of files: whether they lie below dir
}

// maxDirs bounds how many folders are remembered.
const maxDirs = 1 << 12

func newRoot(dir string, free bool) (*root, error) {
	r := &root{free: free, dirs: map[string]bool{}}
	if free {
		return r, nil
	}
	var err error
	if dir, err = filepath.Abs(dir); err == nil {
		r.dir, err = filepath.EvalSymlinks(dir)
	}
	return r, err
}

// check refuses the file called name in the table, at path, if it leads out.
func (r *root) check(name, path string) error {
	if r.free {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	ok := r.holds(filepath.Dir(path))
	if ok {
		info, err := os.Lstat(path)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			ok = r.leadsIn(path)
		}
	}
	if !ok {
		return fmt.Errorf("file %q %w", name, ErrOutside)
	}
	return nil
}

// holds says whether a folder is, or leads to, one below the root. Of many files
// most lie in few folders.
func (r *root) holds(dir string) bool {
	r.mu.Lock()
	ok, known := r.dirs[dir]
	r.mu.Unlock()
	if known {
		return ok
	}
	ok = r.leadsIn(dir)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.dirs) >= maxDirs {
		clear(r.dirs)
	}
	r.dirs[dir] = ok
	return ok
}

// leadsIn follows all links of a path. One that isn't there is judged by its
// name: whoever opens it finds nothing.
func (r *root) leadsIn(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path
		// The names above it that are there may be links.
		for up := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && up != filepath.Dir(up); up = filepath.Dir(up) {
			var top string
			if top, err = filepath.EvalSymlinks(up); err == nil {
				rest, relErr := filepath.Rel(up, path)
				if relErr != nil {
					return false
				}
				real = filepath.Join(top, rest)
			}
		}
	}
	rel, err := filepath.Rel(r.dir, real)
	return err == nil && filepath.IsLocal(rel)
}

// Package aside writes files and folders that come into being whole or not at
// all: beside their target, synced, then renamed into its place.
//
// Until Commit the target is as it was; after it, it is the new one, also when
// the machine stops right then. What is written beside has the target's name
// with ".partial-XXXXXX" behind it; a process that is killed leaves that, and
// a NAME.lock that nobody holds.
//
// Only one writer has a target at a time: another one is refused, by Hold's
// *HeldError.
package aside

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is a file that is being written. It is not safe for concurrent use,
// except for what *os.File allows.
type File struct {
	*os.File
	target    string
	overwrite bool
	done      bool
	lock      *Lock
}

// Create makes a file beside target, with mode 0666 less the umask. A symbolic
// link is followed. Where something is there already the error is fs.ErrExist,
// unless overwrite is set and it is a regular file.
func Create(target string, overwrite bool) (*File, error) {
	target, err := Resolve(target)
	if err != nil {
		return nil, err
	}
	if err := Check(target, overwrite, false); err != nil {
		return nil, err
	}
	lock, err := Hold(target)
	if err != nil {
		return nil, err
	}
	f, err := create(target)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &File{File: f, target: target, overwrite: overwrite, lock: lock}, nil
}

// create makes the file that stands beside target.
func create(target string) (f *os.File, err error) {
	_, err = Beside(target, func(name string) (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	return f, err
}

// Another makes a second file for f's target, for what can't be moved in its
// place. It has the target's lock from then on, so that f is for reading, and
// for Abort.
func (f *File) Another() (*File, error) {
	if f.done {
		return nil, &fs.PathError{Op: "write", Path: f.target, Err: fs.ErrClosed}
	}
	other, err := create(f.target)
	if err != nil {
		return nil, err
	}
	lock := f.lock
	f.lock = nil
	return &File{File: other, target: f.target, overwrite: f.overwrite, lock: lock}, nil
}

// Target returns the path that Commit puts the file at.
func (f *File) Target() string { return f.target }

// Commit syncs and closes the file and puts it in the target's place. If that
// fails nothing of it is left. A second Commit, or one behind Abort, is an error.
func (f *File) Commit() error {
	if f.done {
		return &fs.PathError{Op: "commit", Path: f.target, Err: fs.ErrClosed}
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Abort())
	}
	f.done = true
	err := f.File.Close()
	if err == nil {
		// Somebody may have put a file there since Create looked.
		err = Check(f.target, f.overwrite, false)
	}
	if err == nil {
		err = os.Rename(f.Name(), f.target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()), f.lock.Release())
	}
	return errors.Join(SyncDir(filepath.Dir(f.target)), f.lock.Release())
}

// Abort closes and removes what was written. Behind Commit it does nothing, so
// that it can be deferred.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.File.Close(), os.Remove(f.Name()), f.lock.Release())
}

// Close is Abort: a file that isn't committed is no file.
func (f *File) Close() error { return f.Abort() }

// WriteFile puts b at target, as Create and Commit do, but for the lock: of
// two writers whose files are whole from the start the last one wins.
func WriteFile(target string, b []byte, overwrite bool) error {
	target, err := Resolve(target)
	if err != nil {
		return err
	}
	if err := Check(target, overwrite, false); err != nil {
		return err
	}
	part, err := create(target)
	if err != nil {
		return err
	}
	f := &File{File: part, target: target, overwrite: overwrite}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

// Folder is a folder that is being written.
type Folder struct {
	name, target string
	overwrite    bool
	done         bool
	check        func(dir string) error
	lock         *Lock
}

// CreateFolder makes a folder beside target, with mode 0777 less the umask. A
// symbolic link is followed. Where something is there already the error is
// fs.ErrExist, unless overwrite is set and it is a folder, or an empty one.
//
// check tells why a folder that is there must not be replaced, since all that
// is in it goes away: its error is CreateFolder's, and Commit's. nil lets any be
// replaced.
func CreateFolder(target string, overwrite bool, check func(dir string) error) (*Folder, error) {
	target, err := Resolve(filepath.Clean(target))
	if err != nil {
		return nil, err
	}
	if err := checkFolder(target, overwrite, check); err != nil {
		return nil, err
	}
	lock, err := Hold(target)
	if err != nil {
		return nil, err
	}
	name, err := Beside(target, func(name string) error { return os.Mkdir(name, 0o777) })
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &Folder{name: name, target: target, overwrite: overwrite, check: check, lock: lock}, nil
}

// Path returns where a slash-separated name lies while it is written; the
// folder itself for "".
func (d *Folder) Path(name string) string { return filepath.Join(d.name, filepath.FromSlash(name)) }

// Target returns the path that Commit puts the folder at.
func (d *Folder) Target() string { return d.target }

// Leftovers lists the folders that dead writers of the target left beside it, by
// their names: whose they are the caller has to find out. Where the file system
// has no locks there are none, since they might be a living writer's.
func (d *Folder) Leftovers() ([]string, error) {
	if d.lock == nil || d.done {
		return nil, nil
	}
	list, err := Partials(d.target)
	return slices.DeleteFunc(list, func(name string) bool {
		info, err := os.Lstat(name)
		return err != nil || !info.IsDir() || name == d.name
	}), err
}

// Commit syncs every file in the folder, which must be closed by now, and puts
// it in the target's place; an older folder there is removed once the new one
// stands. If that fails nothing of the new one is left and the old one stands.
func (d *Folder) Commit() error {
	if d.done {
		return &fs.PathError{Op: "commit", Path: d.target, Err: fs.ErrClosed}
	}
	if err := errors.Join(syncTree(d.name), checkFolder(d.target, d.overwrite, d.check)); err != nil {
		return errors.Join(err, d.Abort())
	}
	old := ""
	if _, err := os.Lstat(d.target); err == nil {
		// No system replaces a folder with things in it.
		if old, err = Beside(d.target, func(name string) error { return renameNew(d.target, name) }); err != nil {
			return errors.Join(err, d.Abort())
		}
	}
	if err := os.Rename(d.name, d.target); err != nil {
		if old != "" {
			err = errors.Join(err, os.Rename(old, d.target))
		}
		return errors.Join(err, d.Abort())
	}
	d.done = true
	err := SyncDir(filepath.Dir(d.target))
	if old != "" {
		err = errors.Join(err, os.RemoveAll(old))
	}
	return errors.Join(err, d.lock.Release())
}

// checkFolder is Check for a folder, with the writer's own.
func checkFolder(path string, overwrite bool, own func(dir string) error) error {
	if err := Check(path, overwrite, true); err != nil || own == nil {
		return err
	}
	if list, err := os.ReadDir(path); errors.Is(err, fs.ErrNotExist) || err == nil && len(list) == 0 {
		return nil
	}
	if err := own(path); err != nil {
		return &fs.PathError{Op: "replace", Path: path, Err: err}
	}
	return nil
}

// renameNew renames to a name that nothing has.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// Abort removes what was written. Behind Commit it does nothing, so that it
// can be deferred.
func (d *Folder) Abort() error {
	if d.done {
		return nil
	}
	d.done = true
	return errors.Join(os.RemoveAll(d.name), d.lock.Release())
}

// syncTree syncs the files and folders below root, and root.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return SyncDir(name)
		case !e.Type().IsRegular():
			return nil
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// Check says whether a file, or a folder, may be put at path: the error is
// fs.ErrExist where something is there, unless overwrite is set and it is of the
// same kind.
func Check(path string, overwrite, folder bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case folder && !info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: errors.Join(fs.ErrExist, errors.New("not a folder"))}
	case folder && !overwrite:
		if list, err := os.ReadDir(path); err != nil || len(list) > 0 {
			return &fs.PathError{Op: "write", Path: path, Err: errors.Join(fs.ErrExist, err)}
		}
		return nil
	case folder:
		return nil
	case info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a directory")}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "write", Path: path, Err: fmt.Errorf("not a regular file (%s)", info.Mode().Type())}
	case !overwrite:
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	}
	return nil
}

// Resolve follows symbolic links in the last part of path, also when they end
// at a file that does not exist yet.
func Resolve(path string) (string, error) {
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

// maxBase is how much of the target's name goes into the partial one: with
// what is added to it, names stay within the 255 bytes that systems allow.
const maxBase = 200

// short cuts a name down to maxBase bytes.
func short(base string) string {
	if len(base) <= maxBase {
		return base
	}
	return strings.ToValidUTF8(base[:maxBase], "")
}

// Beside finds a name beside target that nothing has, NAME.partial-XXXXXX, and
// makes it by create, whose fs.ErrExist has it try another.
func Beside(target string, create func(name string) error) (string, error) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	dir, base := filepath.Split(target)
	base = short(base)
	for try := 0; ; try++ {
		var suffix [6]byte
		for i := range suffix {
			suffix[i] = letters[rand.IntN(len(letters))]
		}
		name := dir + base + ".partial-" + string(suffix[:])
		err := create(name)
		if errors.Is(err, fs.ErrExist) && try < 100 {
			continue
		}
		return name, err
	}
}

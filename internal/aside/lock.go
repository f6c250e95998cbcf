package aside

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrHeld is what a HeldError unwraps to.
var ErrHeld = errors.New("another writer has it")

// HeldError says who writes a target at the moment. What could not be learnt
// is zero.
type HeldError struct {
	Path    string // the target
	PID     int
	Host    string
	Program string
	Since   time.Time
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return e.Path + ": is being written by another process"
	}
	at := e.Since.Local()
	layout := time.TimeOnly
	if y, m, d := time.Now().Date(); !at.After(time.Date(y, m, d, 0, 0, 0, 0, time.Local)) {
		layout = time.DateTime
	}
	return fmt.Sprintf("%s: is being written by process %d (%s) on host %s since %s", e.Path, e.PID, e.Program, e.Host, at.Format(layout))
}

func (e *HeldError) Unwrap() error { return ErrHeld }

// Lock keeps other writers of a target out, in this process and in others,
// until Release. It is safe for concurrent use.
type Lock struct {
	once sync.Once
	f    *os.File
	err  error
}

// Hold takes the lock of target, a file or a folder, which need not be there.
// Symbolic links are followed. It does not wait: where another holds it the
// error is a *HeldError. A process that dies lets go.
//
// Who holds it stands in the file NAME.lock beside the target, which goes away
// with Release; a dead process's is taken over. Where the file system has no
// locks nothing is held, and the Lock is nil, which Release takes.
func Hold(target string) (*Lock, error) {
	target, err := Resolve(trim(target))
	if err != nil {
		return nil, err
	}
	name := lockName(target)
	for range 1000 {
		l, again, err := hold(target, name)
		if !again || err != nil {
			return l, err
		}
	}
	return nil, &HeldError{Path: target} // others come and go all the time
}

// Release lets go, and removes the file that said who holds the target. It may
// be called on nil, and again.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	l.once.Do(func() { l.err = release(l.f) })
	return l.err
}

// lockName is NAME.lock beside target, with a shorter name where systems would
// not take that.
func lockName(target string) string {
	dir, base := filepath.Split(trim(target))
	if len(base) > maxBase {
		base = fmt.Sprintf("%s-%08x", short(base), crc32.ChecksumIEEE([]byte(base)))
	}
	return dir + base + ".lock"
}

// trim cuts separators off the end: a folder's name is the link's that leads to
// it, not what is in it.
func trim(path string) string {
	end := len(path)
	for end > len(filepath.VolumeName(path))+1 && os.IsPathSeparator(path[end-1]) {
		end--
	}
	return path[:end]
}

// hold tries once; again is true where the file went away meanwhile.
func hold(target, name string) (l *Lock, again bool, err error) {
	f, err := openLock(name)
	if errors.Is(err, fs.ErrNotExist) { // or the folder isn't there
		_, err := os.Stat(filepath.Dir(name))
		return nil, true, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("lock %s: %w", target, err)
	}
	kept := false
	defer func() {
		if !kept {
			f.Close()
		}
	}()
	switch err := tryLock(f); {
	case errors.Is(err, ErrHeld):
		who, gone := holder(f, name)
		if gone {
			return nil, true, nil
		}
		who.Path = target
		return nil, false, who
	case errors.Is(err, errors.ErrUnsupported):
		if read(f) == nil { // ours, just made
			os.Remove(name)
		}
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("lock %s: %w", target, &fs.PathError{Op: "lock", Path: name, Err: err})
	}
	// Whoever had it may have removed the name between open and lock: then it
	// keeps nobody out.
	if !named(f, name) {
		return nil, true, nil
	}
	if err := checkOurs(f, name); err != nil {
		return nil, false, fmt.Errorf("lock %s: %w", target, err)
	}
	if err := sign(f); err != nil {
		return nil, false, errors.Join(fmt.Errorf("lock %s: %w", target, err), os.Remove(name))
	}
	kept = true
	return &Lock{f: f}, false, nil
}

// named says whether f is what the name leads to.
func named(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	its, err := os.Lstat(name)
	return err == nil && os.SameFile(mine, its)
}

// signature is what a lock file holds. Its text begins with lockBegin.
type signature struct {
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
}

const (
	lockBegin = `{"writer":`
	maxSigned = 4096 // bytes, of a signature
)

// sign writes who holds the lock, in one write.
func sign(f *os.File) error {
	host, _ := os.Hostname()
	b, err := json.Marshal(struct {
		Writer signature `json:"writer"`
	}{signature{os.Getpid(), filepath.Base(os.Args[0]), host, time.Now().Round(time.Second)}})
	if err != nil || len(b) >= maxSigned {
		return fmt.Errorf("signature of %d bytes: %w", len(b), err)
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(b, '\n'), 0)
	return err
}

// read returns the lock file's first bytes, nil where there are none.
func read(f *os.File) []byte {
	b := make([]byte, maxSigned)
	n, _ := f.ReadAt(b, 0)
	if n <= 0 {
		return nil
	}
	return b[:n]
}

// checkOurs refuses a file that somebody keeps something else in, such as a
// package manager's list beside a target that has the package's name. What a
// dead writer left, whole or not, is ours.
func checkOurs(f *os.File, name string) error {
	b := read(f)
	whole := bytes.HasPrefix(b, []byte(lockBegin)) || bytes.HasPrefix([]byte(lockBegin), b)
	if !whole && len(bytes.Trim(b, "\x00")) > 0 {
		return &fs.PathError{Op: "lock", Path: name, Err: errors.New("is in the way: not a lock of a writer")}
	}
	return nil
}

// holder reads who holds the lock. The signature comes a moment after the lock,
// so it is waited for, shortly. Gone is true when the file has no name any more.
func holder(f *os.File, name string) (who *HeldError, gone bool) {
	for range 10 {
		var s struct{ Writer signature }
		if json.Unmarshal(read(f), &s) == nil && s.Writer.PID > 0 {
			return &HeldError{PID: s.Writer.PID, Host: s.Writer.Host, Program: s.Writer.Program, Since: s.Writer.Since}, false
		}
		if !named(f, name) {
			return nil, true
		}
		time.Sleep(2 * time.Millisecond)
	}
	return &HeldError{}, false
}

// Partials lists what dead writers left beside target, NAME.partial*, sorted. It
// is for who holds target's lock: else a living writer's could be among them.
func Partials(target string) ([]string, error) {
	target, err := Resolve(trim(target))
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(trim(target))
	list, err := os.ReadDir(dir + ".")
	if err != nil {
		return nil, err
	}
	prefix := short(base) + ".partial"
	var names []string
	for _, e := range list {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '-') {
			names = append(names, dir+e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

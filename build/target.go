package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// target is a file to be written: on the local disk, or collected there for an
// object store.
type target struct {
	name      string // as given
	path      string // of the local file
	url       string // of the object, "" none
	overwrite bool   // what is at path
	replace   bool   // the object that is there
	store     *store.Options
}

// CheckTarget says, before a source is opened, what is in the way of a Write: that
// there is a file, or no folder for it. With resume a file that is there is no
// error: it may be the one that was to be resumed.
func CheckTarget(ctx context.Context, out string, overwrite, resume bool, st *store.Options) error {
	if store.IsURL(out) {
		if overwrite {
			return nil
		}
		there, err := store.Exists(ctx, out, st)
		if err == nil && there {
			err = fs.ErrExist
		}
		if err != nil {
			return fmt.Errorf("output %s: %w", store.Name(out), err)
		}
		return nil
	}
	info, err := os.Stat(out)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("output %s: is a folder; expected the name of a file", out)
	case err == nil && !overwrite && !resume:
		return fmt.Errorf("output %s: %w", out, fs.ErrExist)
	}
	if info, err := os.Stat(filepath.Dir(out)); err != nil {
		return fmt.Errorf("output folder: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("output folder %s: not a folder", filepath.Dir(out))
	}
	return nil
}

// newTarget returns where a file is written to.
func newTarget(out string, overwrite bool, staging string, st *store.Options) (*target, error) {
	t := &target{name: out, path: store.Join(".", out), overwrite: overwrite, store: st}
	if !store.IsURL(out) {
		return t, nil
	}
	dir, err := stagingDir(staging)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(out))
	// Whatever lies there is of an earlier build, and of nobody else.
	t.path, t.url, t.overwrite, t.replace = filepath.Join(dir, hex.EncodeToString(sum[:8])+".beton"), out, true, overwrite
	return t, nil
}

// stagingDir returns the folder for files that go to an object store: the one
// that is given, or one that nobody else may write in.
func stagingDir(dir string) (string, error) {
	if dir != "" {
		return dir, os.MkdirAll(dir, 0o777)
	}
	dir = filepath.Join(os.TempDir(), fmt.Sprintf("betongo-staging-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("staging folder %s: not a folder", dir)
	}
	if err := mine(info); err != nil {
		return "", fmt.Errorf("staging folder %s: %w; another one can be given", dir, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", fmt.Errorf("staging folder: %w", err)
	}
	return dir, nil
}

// whole returns the path of the file when it is whole, before it is in its place
// or just behind that.
func (t *target) whole() string {
	if partial := t.path + ".partial"; fileThere(partial) {
		return partial
	}
	return t.path
}

func fileThere(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// upload makes the object, of the file when it is whole.
func (t *target) upload(ctx context.Context, replace bool) error {
	f, err := regular.Open(t.whole())
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	part := 16 << 20
	for info.Size()/int64(part) >= 9_999 { // an object has at most 10,000 parts
		part *= 2
	}
	u, err := remote.Create(ctx, t.url, t.remote(), &remote.WriteOptions{Overwrite: replace, PartSize: part})
	if err == nil {
		if _, err = io.Copy(u, f); err != nil {
			err = errors.Join(err, u.Abort())
		} else {
			err = u.Commit()
		}
	}
	if errors.Is(err, remote.ErrExist) {
		err = fmt.Errorf("%w: %w", err, fs.ErrExist)
	}
	return err
}

// remote says how object stores are reached.
func (t *target) remote() *remote.Options {
	if t.store == nil {
		return nil
	}
	return &t.store.Remote
}

// close removes the local file of an object.
func (t *target) close() error {
	if t.url == "" {
		return nil
	}
	if err := os.Remove(t.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sumFile returns a local file's size and SHA-256.
func sumFile(ctx context.Context, path string) (size int64, sum string, err error) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return 0, "", err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return size, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return 0, "", err
		}
	}
}

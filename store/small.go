package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
)

// mostRead is the size of a file up to which ReadFile reads it.
const mostRead = 64 << 20

// ReadFile reads a whole file of at most 64 MiB.
func ReadFile(ctx context.Context, path string, opts *Options) ([]byte, error) {
	return opts.orDefaults().readFile(ctx, path, mostRead)
}

func (o *Options) readFile(ctx context.Context, path string, most int64) ([]byte, error) {
	if !IsURL(path) {
		return regular.ReadFile(localPath(path), most)
	}
	if most <= mostRead {
		b, err := remote.ReadFile(ctx, path, &o.Remote)
		return b, plain(err)
	}
	obj, err := o.openObject(ctx, path)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	if obj.Size() > most {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", obj.Name(), obj.Size(), most)
	}
	stop := context.AfterFunc(ctx, func() { obj.Close() })
	defer stop()
	b := make([]byte, obj.Size())
	if _, err := obj.ReadAt(b, 0); err != nil && len(b) > 0 {
		return nil, errors.Join(ctx.Err(), plain(err))
	}
	return b, nil
}

// WriteFile writes a file, which appears whole or not at all. Without overwrite
// one that is there is fs.ErrExist, also if it came meanwhile: of several that
// write a file one wins.
func WriteFile(ctx context.Context, path string, b []byte, overwrite bool, opts *Options) error {
	o := opts.orDefaults()
	if !IsURL(path) {
		return writeLocal(localPath(path), b, overwrite)
	}
	return plain(remote.WriteFile(ctx, path, b, &o.Remote, &remote.WriteOptions{Overwrite: overwrite}))
}

func existsLocal(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeLocal is WriteFile on the local disk. A new file gets its name by a link,
// which never replaces another, where the file system has links.
func writeLocal(path string, b []byte, overwrite bool) error {
	if overwrite {
		return aside.WriteFile(path, b, true)
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	}
	name := fmt.Sprintf("%s.partial-%08x", path, rand.Uint32())
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Link(name, path); err == nil {
		return aside.SyncDir(filepath.Dir(path))
	}
	if errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "write", Path: path, Err: fs.ErrExist}
	}
	return aside.WriteFile(path, b, false) // no links here: a look, then a rename
}

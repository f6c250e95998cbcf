package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
)

// Copy is a local file with the bytes of one that may lie elsewhere.
type Copy struct {
	Path string
	dir  string // to be removed; "" none
}

// Close removes what Fetch made. It is idempotent.
func (c *Copy) Close() error {
	if c.dir == "" {
		return nil
	}
	err := os.RemoveAll(c.dir)
	c.dir = ""
	return err
}

// Fetch gives a local path with the bytes of a file, for what can read only one:
// the path itself, or a copy of an object in a temporary folder ($TMPDIR), which
// Close removes. Where there is no such object but some below it, as below a
// folder, it is a folder of these.
func Fetch(ctx context.Context, path string, opts *Options) (*Copy, error) {
	o := opts.orDefaults()
	if !IsURL(path) {
		return &Copy{Path: localPath(path)}, nil
	}
	dir, err := os.MkdirTemp("", "betongo-")
	if err != nil {
		return nil, err
	}
	c := &Copy{Path: filepath.Join(dir, fileName(Base(path))), dir: dir}
	if err := o.fetch(ctx, path, c.Path); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (o *Options) fetch(ctx context.Context, path, to string) error {
	var obj *remote.Object
	err := fs.ErrNotExist
	if !strings.HasSuffix(path, "/") || web(path) {
		obj, err = o.openObject(ctx, path)
	}
	if errors.Is(err, fs.ErrNotExist) && !web(path) {
		if folderErr := o.fetchFolder(ctx, path, to); strings.HasSuffix(path, "/") || !errors.Is(folderErr, fs.ErrNotExist) {
			return folderErr
		}
	}
	if err != nil {
		return err
	}
	return plain(errors.Join(download(ctx, obj, to), obj.Close()))
}

// fileName is a name that a file may have on every system.
func fileName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c < ' ' || c == '/' || c == '\\' || c == ':' || c == '*' || c == '?' || c == '"' || c == '<' || c == '>' || c == '|' {
			b[i] = '_'
		}
	}
	if s := string(b); s != "" && s != "." && s != ".." {
		return s
	}
	return "file"
}

const (
	pieceSize = 8 << 20 // that are asked for together
	pieces    = 8       // at a time
)

// download writes an object's bytes to a new file.
func download(ctx context.Context, obj *remote.Object, to string) (err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	outer := ctx
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pieces)
	defer context.AfterFunc(ctx, func() { obj.Close() })() // ends reads in progress
	for off := int64(0); off < obj.Size() && ctx.Err() == nil; off += pieceSize {
		g.Go(func() error { // ends with its piece; Wait below
			b := make([]byte, min(pieceSize, obj.Size()-off))
			if n, err := obj.ReadAt(b, off); n < len(b) {
				return err
			}
			_, err := f.WriteAt(b, off)
			return err
		})
	}
	if err := g.Wait(); outer.Err() == nil {
		return err
	}
	return outer.Err() // not that the object was closed for it
}

// Target is a file that is being written.
type Target struct {
	Path string // to write to

	name      string
	dir       string // to be removed; "" none
	overwrite bool
	opts      *Options
}

// Create gives a local path to write a file to: the path itself, where who writes
// heeds overwrite himself, or one in a temporary folder ($TMPDIR), which Commit
// uploads. Without overwrite an object that is there is fs.ErrExist, now and at
// Commit.
func Create(ctx context.Context, path string, overwrite bool, opts *Options) (*Target, error) {
	o := opts.orDefaults()
	if !IsURL(path) {
		return &Target{Path: localPath(path), name: path}, nil
	}
	if web(path) {
		return nil, fmt.Errorf("write %s: a web server's files can't be written; want s3://, gs://, azblob:// or a path", Name(path))
	}
	if !overwrite {
		there, err := Exists(ctx, path, o)
		if err == nil && there {
			err = plain(&remote.Error{Op: "write", URL: Name(path), Err: remote.ErrExist})
		}
		if err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "betongo-")
	if err != nil {
		return nil, err
	}
	return &Target{Path: filepath.Join(dir, fileName(Base(path))), name: path, dir: dir, overwrite: overwrite, opts: o}, nil
}

// Commit uploads what was written to Path. Of a local path there is nothing left
// to do.
func (t *Target) Commit(ctx context.Context) error {
	if t.dir == "" {
		return nil
	}
	return upload(ctx, t.Path, t.name, t.overwrite, t.opts)
}

// Close removes the temporary folder. What was not committed is seen nowhere. It
// is idempotent.
func (t *Target) Close() error {
	if t.dir == "" {
		return nil
	}
	err := os.RemoveAll(t.dir)
	t.dir = ""
	return err
}

// upload makes an object of a local file.
func upload(ctx context.Context, from, to string, overwrite bool, o *Options) error {
	f, err := regular.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	u, err := remote.Create(ctx, to, &o.Remote, &remote.WriteOptions{Overwrite: overwrite, PartSize: partSize(info.Size())})
	if err != nil {
		return plain(err)
	}
	if _, err := io.Copy(u, f); err != nil {
		return plain(errors.Join(err, u.Abort()))
	}
	return plain(u.Commit())
}

// partSize is the least power of two of bytes in a part, from 16 MiB on, with
// which an object has at most 10,000 parts.
func partSize(size int64) int {
	part := int64(16 << 20)
	for size/part >= 9_999 {
		part *= 2
	}
	return int(part)
}

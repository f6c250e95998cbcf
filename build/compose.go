package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/splice"
	"github.com/betongo/betongo/store"
)

// pageRun is where the data pages of a shard lie, and belong in the merged file.
type pageRun struct {
	shard       int
	from, to, n int64
}

// elsewhere makes the merged file where it or the shards lie in an object store:
// all but the data pages is made on the local disk, in a file with holes in their
// places, and they come by themselves.
func (m *merger) elsewhere(ctx context.Context, files []*ffcv.File) (stats ffcv.Stats, err error) {
	dir, err := m.holesDir()
	if err != nil {
		return stats, err
	}
	temp, err := os.MkdirTemp(dir, store.Base(m.out)+".partial-*")
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	path := filepath.Join(temp, "merged.beton")
	var runs []pageRun
	o := m.splice()
	o.Overwrite = false
	o.Pages = func(file int, from, to, n int64) error {
		runs = append(runs, pageRun{file, from, to, n})
		return nil
	}
	if stats, err = splice.Merge(ctx, path, files, o); err != nil {
		return stats, err
	}
	if store.IsURL(m.out) {
		return stats, m.compose(ctx, path, runs)
	}
	if err := m.fill(ctx, path, runs); err != nil {
		return stats, err
	}
	return stats, m.place(path)
}

// holesDir is the folder for the file with holes: the target's, so that it can be
// renamed there, or the one for what goes to an object store.
func (m *merger) holesDir() (string, error) {
	if store.IsURL(m.out) {
		return stagingDir(m.opts.Staging)
	}
	return store.Dir(m.out), nil
}

// compose has the object made of the file with holes and the shards' pages.
func (m *merger) compose(ctx context.Context, path string, runs []pageRun) error {
	f, err := regular.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var pieces []remote.Piece
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	at := int64(0)
	own := func(to int64) {
		if to > at {
			pieces = append(pieces, remote.Piece{Off: at, Len: to - at, Bytes: f})
		}
	}
	for _, r := range runs {
		own(r.to)
		p := remote.Piece{Off: r.from, Len: r.n}
		if shard := m.paths[r.shard]; store.IsURL(shard) {
			p.Object, p.Version = shard, m.versions[r.shard]
		} else {
			s, err := regular.Open(store.Join(".", shard))
			if err != nil {
				return err
			}
			open = append(open, s)
			p.Bytes = s
		}
		pieces = append(pieces, p)
		at = r.to + r.n
	}
	own(info.Size())
	err = remote.Compose(ctx, m.out, pieces, remoteOf(m.opts.Store), &remote.WriteOptions{Overwrite: m.opts.Overwrite})
	if errors.Is(err, remote.ErrExist) {
		err = fmt.Errorf("%w: %w", err, fs.ErrExist)
	}
	return err
}

// fill fetches the shards' pages into the holes of the file.
func (m *merger) fill(ctx context.Context, path string, runs []pageRun) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	g, under := errgroup.WithContext(ctx)
	g.SetLimit(checkers)
	for _, r := range runs {
		g.Go(func() error { // ends with the shard's pages, or with ctx
			obj, err := openObject(under, m.paths[r.shard], m.opts.Store)
			if err != nil {
				return err
			}
			defer obj.Close()
			if obj.Version() != m.versions[r.shard] {
				return &ShardError{r.shard, m.paths[r.shard], remote.ErrChanged}
			}
			at := r.to
			return eachPiece(under, obj, r.from, r.from+r.n, func(b []byte) error {
				n, err := f.WriteAt(b, at)
				at += int64(n)
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.Sync()
}

// place puts the finished file in the target's place, which no other writer has at
// the moment.
func (m *merger) place(path string) (err error) {
	target, err := aside.Resolve(store.Join(".", m.out))
	if err != nil {
		return err
	}
	lock, err := aside.Hold(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := aside.Check(target, m.opts.Overwrite, false); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return err
	}
	return aside.SyncDir(filepath.Dir(target))
}

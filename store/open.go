package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
)

// opening is how many objects are opened at once: each takes some answers of a
// store.
const opening = 64

// Open opens files as one dataset, one after another: those that Expand makes of
// paths. Local ones are mapped, unless Options.File.Memory says otherwise; those
// of URLs share one cache in memory. A single path that ends in .json is a
// dataset.Index's, whose files are opened when they are first needed; what one at
// a URL may name dataset.Index.Within says. ctx is for the opening alone.
func Open(ctx context.Context, paths []string, opts *Options) (*dataset.Concat, error) {
	o := opts.orDefaults()
	list, err := Expand(ctx, paths, o)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, func(p string) bool { return dataset.IsIndex(Base(p)) }); i >= 0 {
		if len(list) > 1 {
			return nil, fmt.Errorf("%s: an index is a dataset by itself, and there are %d more paths", Name(list[i]), len(list)-1)
		}
		return o.openIndex(ctx, list[0])
	}
	name := ""
	if len(paths) == 1 && len(list) > 1 {
		name = fmt.Sprintf("%s (%d files)", paths[0], len(list))
	}
	if !slices.ContainsFunc(list, IsURL) {
		return dataset.OpenFiles(name, list, &dataset.Options{File: o.File, IgnoreClasses: o.IgnoreClasses})
	}
	cache, at, err := o.cacheFor(ctx, list)
	if err != nil {
		return nil, err
	}
	var c *dataset.Concat
	err = closing(ctx, cache, func() (err error) {
		c, err = dataset.OpenFiles(name, list, &dataset.Options{File: o.File, IgnoreClasses: o.IgnoreClasses, Cache: cache,
			Open: func(p string) (*ffcv.File, error) {
				if i, ok := at[p]; ok {
					return cache.Open(i, o.File)
				}
				return ffcv.Open(p, o.File)
			}})
		return err
	})
	if err != nil {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
		return nil, errors.Join(err, cache.Close())
	}
	return c, nil
}

// closing calls open, and closes what it reads from when ctx ends meanwhile, which
// ends reads that wait for a server. That is then the error.
func closing(ctx context.Context, from io.Closer, open func() error) error {
	stop := context.AfterFunc(ctx, func() { from.Close() })
	err := open()
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

// openIndex opens the dataset that an index lists. Where a file of it is a URL all
// are read through the one cache.
func (o *Options) openIndex(ctx context.Context, p string) (*dataset.Concat, error) {
	x, err := o.readIndex(ctx, p)
	if err != nil {
		return nil, err
	}
	base := Dir(p)
	d := &dataset.Options{File: o.File, IgnoreClasses: o.IgnoreClasses}
	if paths := x.Paths(base); slices.ContainsFunc(paths, IsURL) {
		files := make([]dataset.CacheFile, len(paths))
		for i, p := range paths {
			size := x.Shards[i].Size
			x.Shards[i].Path = Name(p) // as messages show it
			files[i] = dataset.CacheFile{Name: Name(p), Size: size, Open: func(ctx context.Context) (io.ReaderAt, error) { return o.openSized(ctx, p, size) }}
		}
		if d.Cache, err = dataset.NewCache(o.memoryFor(), files, o.far()); err != nil {
			return nil, err
		}
	}
	c, err := dataset.OpenIndex(x, Name(base), d)
	if err != nil && d.Cache != nil {
		return nil, errors.Join(err, d.Cache.Close())
	}
	return c, err
}

func (o *Options) readIndex(ctx context.Context, p string) (*dataset.Index, error) {
	b, err := o.readFile(ctx, p, dataset.MaxIndexSize)
	if err != nil {
		return nil, err
	}
	x, err := dataset.ParseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name(p), err)
	}
	if IsURL(p) {
		if err := x.Within(Dir(p)); err != nil {
			return nil, fmt.Errorf("index %s: %w", Name(p), err)
		}
	}
	for i := range x.Shards {
		x.Shards[i].Path = localPath(x.Shards[i].Path)
	}
	return x, nil
}

// openSized opens a file of which an index tells the size.
func (o *Options) openSized(ctx context.Context, p string, size int64) (io.ReaderAt, error) {
	f, open, err := o.cacheFile(ctx, p)
	if err == nil && f.Size != size {
		err = errors.Join(fmt.Errorf("%s: %d bytes, the index says %d", f.Name, f.Size, size), open.Close())
	}
	if err != nil {
		return nil, err
	}
	return f.Open(ctx)
}

// cacheFor opens what is to be read through a cache, and makes that. at tells
// which of the cache's files a path is.
func (o *Options) cacheFor(ctx context.Context, list []string) (cache *dataset.Cache, at map[string]int, err error) {
	at = map[string]int{}
	var in []string
	for _, p := range list {
		if IsURL(p) || o.File != nil && o.File.Memory > 0 {
			at[p] = len(in)
			in = append(in, p)
		}
	}
	files, opened := make([]dataset.CacheFile, len(in)), make([]io.Closer, len(in))
	g, under := errgroup.WithContext(ctx)
	g.SetLimit(opening)
	for i, p := range in {
		g.Go(func() (err error) {
			files[i], opened[i], err = o.cacheFile(under, p)
			return err
		})
	}
	if err = g.Wait(); err == nil {
		cache, err = dataset.NewCache(o.memoryFor(), files, o.far())
	}
	if err != nil {
		for _, c := range opened {
			if c != nil {
				c.Close()
			}
		}
		return nil, nil, err
	}
	return cache, at, nil
}

// far says how a cache reads from object stores.
func (o *Options) far() *dataset.CacheOptions {
	n := o.Remote.Requests
	if n <= 0 {
		n = remote.DefaultRequests
	}
	return &dataset.CacheOptions{Reads: n}
}

// cacheFile opens a file for a cache, which owns what is open then.
func (o *Options) cacheFile(ctx context.Context, p string) (dataset.CacheFile, io.Closer, error) {
	if IsURL(p) {
		obj, err := o.openObject(ctx, p)
		if err != nil {
			return dataset.CacheFile{}, nil, err
		}
		return dataset.CacheFile{Name: obj.Name(), Size: obj.Size(), Open: func(context.Context) (io.ReaderAt, error) { return obj, nil }}, obj, nil
	}
	f, err := regular.Open(p)
	if err != nil {
		return dataset.CacheFile{}, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return dataset.CacheFile{}, nil, err
	}
	return dataset.CacheFile{Name: p, Size: info.Size(), Open: func(context.Context) (io.ReaderAt, error) { return f, nil }}, f, nil
}

// OpenFile opens one file: a local one as ffcv.Open does, that of a URL through a
// cache in memory. ctx is for the opening alone.
func OpenFile(ctx context.Context, path string, opts *Options) (*ffcv.File, error) {
	o := opts.orDefaults()
	if !IsURL(path) {
		return ffcv.Open(localPath(path), o.File)
	}
	obj, err := o.openObject(ctx, path)
	if err != nil {
		return nil, err
	}
	src, err := ffcv.CacheSource(obj.Name(), obj, obj.Size(), o.memoryFor())
	if err != nil {
		return nil, errors.Join(err, obj.Close())
	}
	var f *ffcv.File
	err = closing(ctx, src, func() (err error) {
		f, err = ffcv.New(src, o.File)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return f, nil
}

// Exists says whether there is a file, or an object.
func Exists(ctx context.Context, path string, opts *Options) (bool, error) {
	o := opts.orDefaults()
	if !IsURL(path) {
		return existsLocal(localPath(path))
	}
	_, err := remote.Stat(ctx, path, &o.Remote)
	if errors.Is(err, remote.ErrNotExist) {
		return false, nil
	}
	return err == nil, plain(err)
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/remote"
)

// A folder in an object store is the objects whose keys begin with its own and a
// '/'. Object stores have none, so that one appears and goes object by object.

// below returns the objects below a folder, by their slash-separated names there.
func (o *Options) below(ctx context.Context, folder string) (names []string, err error) {
	prefix := strings.TrimRight(folder, "/") + "/"
	err = remote.Walk(ctx, prefix, true, &o.Remote, func(e remote.Entry) error {
		name, ok := strings.CutPrefix(e.URL, prefix)
		if ok && name != "" && !strings.HasSuffix(name, "/") { // an object that stands for a folder is none of its files
			names = append(names, name)
		}
		return nil
	})
	return names, plain(err)
}

// Below returns what lies in a folder and in those below it, by slash-separated
// names, in order. A folder of the local disk that isn't there is fs.ErrNotExist;
// of object stores nothing then lies in it.
func Below(ctx context.Context, folder string, opts *Options) ([]string, error) {
	if IsURL(folder) {
		return opts.orDefaults().below(ctx, folder)
	}
	return localNames(localPath(folder))
}

func localNames(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	slices.Sort(names)
	return names, err
}

// fetchFolder copies what lies below a folder into dir.
func (o *Options) fetchFolder(ctx context.Context, folder, dir string) error {
	names, err := o.below(ctx, folder)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return plain(&remote.Error{Op: "open", URL: Name(folder), Err: remote.ErrNotExist})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(opening)
	for _, name := range names {
		local := filepath.FromSlash(name)
		if !filepath.IsLocal(local) || path.Clean(name) != name {
			return errors.Join(fmt.Errorf("%s: %q is no name of a file", Name(folder), name), g.Wait())
		}
		to := filepath.Join(dir, local)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return errors.Join(err, g.Wait())
		}
		url := strings.TrimRight(folder, "/") + "/" + name
		g.Go(func() error { // ends with its object; Wait below
			obj, err := o.openObject(ctx, url)
			if err != nil {
				return err
			}
			return errors.Join(plain(download(ctx, obj, to)), obj.Close())
		})
	}
	return g.Wait()
}

// Upload makes an object of a local file. Without overwrite one that is there is
// fs.ErrExist.
//
// Of a folder it makes an object of each file below it: those that last names come
// behind all others, so that what a reader looks for first is there when the rest
// is. Without overwrite anything below url is fs.ErrExist, and what was sent is
// removed again where it fails. With it what lay there otherwise is removed at the
// end.
func Upload(ctx context.Context, from, url string, last func(name string) bool, overwrite bool, opts *Options) error {
	o := opts.orDefaults()
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return upload(ctx, from, url, overwrite, o)
	}
	names, err := localNames(from)
	if err != nil {
		return err
	}
	before, err := o.below(ctx, url)
	if err != nil {
		return err
	}
	if len(before) > 0 && !overwrite {
		return plain(&remote.Error{Op: "write", URL: Name(url), Err: remote.ErrExist})
	}
	u := &folderUpload{from: from, url: strings.TrimRight(url, "/") + "/", overwrite: overwrite, opts: o}
	early := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return last != nil && last(name) })
	late := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return last == nil || !last(name) })
	if err = u.send(ctx, early, opening/8); err == nil {
		err = u.send(ctx, late, 1)
	}
	switch {
	case err != nil && overwrite:
		return err // some are the old ones, some the new ones
	case err != nil:
		return errors.Join(err, u.remove(context.WithoutCancel(ctx), u.sent))
	}
	return u.remove(ctx, slices.DeleteFunc(before, func(name string) bool { return slices.Contains(names, name) }))
}

// folderUpload is a folder that is being sent.
type folderUpload struct {
	from, url string
	overwrite bool
	opts      *Options

	mu   sync.Mutex
	sent []string
}

// send sends files, several at a time.
func (u *folderUpload) send(ctx context.Context, names []string, several int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(several)
	for _, name := range names {
		g.Go(func() error { // ends with its file; Wait below
			if err := upload(ctx, filepath.Join(u.from, filepath.FromSlash(name)), u.url+name, u.overwrite, u.opts); err != nil {
				return err
			}
			u.mu.Lock()
			defer u.mu.Unlock()
			u.sent = append(u.sent, name)
			return nil
		})
	}
	return g.Wait()
}

func (u *folderUpload) remove(ctx context.Context, names []string) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, plain(remote.Delete(ctx, u.url+name, &u.opts.Remote)))
	}
	return errors.Join(errs...)
}

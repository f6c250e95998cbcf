package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/remote"
)

// Expand returns the files that paths stand for, in the order in which Open puts
// them together. Each path is a file's or an object's, or a pattern that stands
// for the files that match it, in the order of their names' bytes: '*' and '?'
// are characters but '/', [a-z] one of those. A URL of a web server is never a
// pattern. A path that no local file has, a pattern that matches nothing, and
// what is given twice are errors; whether an object is there Open says.
func Expand(ctx context.Context, paths []string, opts *Options) ([]string, error) {
	o := opts.orDefaults()
	if len(paths) == 0 {
		return nil, errors.New("no paths")
	}
	var list, local []string
	for _, p := range paths {
		if !IsURL(p) {
			found, err := dataset.Expand([]string{localPath(p)})
			if err != nil {
				return nil, err
			}
			list, local = append(list, found...), append(local, found...)
			continue
		}
		found, err := o.expandURL(ctx, p)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	if len(local) > 0 {
		if _, err := dataset.Expand(local); err != nil { // one under two names
			return nil, err
		}
	}
	seen := make(map[string]bool, len(list))
	for _, p := range list {
		if seen[p] {
			return nil, fmt.Errorf("%s is given twice", Name(p))
		}
		seen[p] = true
	}
	return list, nil
}

// Files is Expand, with the files that an index lists instead of the index: for
// what goes through files one by one.
func Files(ctx context.Context, paths []string, opts *Options) ([]string, error) {
	o := opts.orDefaults()
	found, err := Expand(ctx, paths, o)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, p := range found {
		if !dataset.IsIndex(Base(p)) {
			list = append(list, p)
			continue
		}
		x, err := o.readIndex(ctx, p)
		if err != nil {
			return nil, err
		}
		list = append(list, x.Paths(Dir(p))...)
	}
	return list, nil
}

// expandURL returns the objects that a URL stands for.
func (o *Options) expandURL(ctx context.Context, p string) ([]string, error) {
	_, key, _ := cut(p)
	if web(p) || !strings.ContainsAny(key, `*?[`) {
		return []string{p}, nil
	}
	found, err := remote.List(ctx, p, &o.Remote)
	if err != nil {
		return nil, plain(err)
	}
	if len(found) == 0 { // the key may be just so
		there, err := Exists(ctx, p, o)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fmt.Errorf("pattern %q: no object matches it: %w", p, fs.ErrNotExist)
		}
		return []string{p}, nil
	}
	list := make([]string, len(found))
	for i, e := range found {
		list[i] = e.URL
	}
	return list, nil
}

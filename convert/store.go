package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// FromS3 is Convert of an object of S3, or of a server that speaks as it does; in
// is its URL, s3://bucket/key. s3 says how it is reached: without credentials,
// where, in which region.
func FromS3(ctx context.Context, in, out string, s3 remote.S3, opts *Options) (*Report, error) {
	return throughS3(ctx, in, in, out, s3, opts)
}

// ToS3 is Convert into an object of S3, or of a server that speaks as it does; out
// is its URL. It appears whole or not at all; of a format that is a folder each
// file does.
func ToS3(ctx context.Context, in, out string, s3 remote.S3, opts *Options) (*Report, error) {
	return throughS3(ctx, out, in, out, s3, opts)
}

func throughS3(ctx context.Context, url, in, out string, s3 remote.S3, opts *Options) (*Report, error) {
	if !strings.HasPrefix(url, "s3://") {
		return nil, fmt.Errorf("%s: want s3://bucket/key", store.Name(url))
	}
	var o Options
	var st store.Options
	if opts != nil {
		o = *opts
	}
	if o.Store != nil {
		st = *o.Store
	}
	st.Remote.S3, o.Store = s3, &st
	return Convert(ctx, in, out, &o)
}

// convertStored is Convert where the input or the output is a URL: what is read is
// fetched before, and what was written is sent behind it.
func convertStored(ctx context.Context, in, out string, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if strings.HasPrefix(out, "http://") || strings.HasPrefix(out, "https://") {
		return nil, fmt.Errorf("output %s: a web server's files can't be written", store.Name(out))
	}
	to, err := target(out, o.To)
	if err != nil {
		return nil, err
	}
	if store.IsURL(out) && store.Base(out) == ".." {
		return nil, fmt.Errorf("output %s: a name of \"..\" is none of an object", store.Name(out))
	}
	if in == out {
		return nil, fmt.Errorf("output %s is the input", store.Name(out))
	}
	names := renamed{}
	local := out
	if store.IsURL(out) {
		if err := checkStored(ctx, out, to, &o); err != nil {
			return nil, fmt.Errorf("output %w", err)
		}
		dir, err := os.MkdirTemp("", "betongo-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		local = filepath.Join(dir, store.Base(out))
		if strings.HasSuffix(out, "/") {
			local += string(filepath.Separator)
		}
		names[dir+string(filepath.Separator)] = strings.TrimRight(store.Dir(out), "/") + "/"
	}
	if store.IsURL(in) {
		c, err := store.Fetch(ctx, in, o.Store)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		names[c.Path], in = store.Name(in), c.Path
	}
	r, err := Convert(ctx, in, local, &o)
	if err == nil && store.IsURL(out) {
		err = send(ctx, r, names, to, &o)
	}
	if err != nil {
		return nil, names.wrap(err)
	}
	return r, nil
}

// checkStored refuses an output that is there, before anything is read, and one of
// a folder with anything else in it than arrays.
func checkStored(ctx context.Context, out string, to *format, o *Options) error {
	if strings.Contains(out, pattern) {
		return nil // the names are not known yet
	}
	var there []string
	exists, err := store.Exists(ctx, strings.TrimRight(out, "/"), o.Store)
	if err == nil && to.Folder && !exists {
		there, err = store.Below(ctx, out, o.Store)
	}
	switch {
	case err != nil:
		return err
	case !exists && len(there) == 0:
		return nil
	case !o.Overwrite:
		return fmt.Errorf("%s: %w", store.Name(out), fs.ErrExist)
	}
	// What a folder has and the new one doesn't goes away.
	arrays := slices.ContainsFunc(there, func(name string) bool { return !strings.Contains(name, "/") && entry(name) })
	for _, name := range there {
		if arrays && !entry(name) && !stored.MatchString(path.Base(name)) || !arrays && byExtension(name) != imageFormat {
			return fmt.Errorf("%s: a folder with something else in it than arrays, %s; it is not replaced", store.Name(out), name)
		}
	}
	return nil
}

// stored are the names of files that a .npk has, and of chunks of a Zarr.
var stored = regexp.MustCompile(`^((data|deleted|seg)_.*\.npk(d|b|seg)|c|[0-9]+(\.[0-9]+)*)$`)

// entry says whether a file of a folder is what its reader begins with: it is sent
// behind the others, and a folder that has it is one of arrays.
func entry(name string) bool {
	switch path.Base(name) {
	case "metadata.npkm", "zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata":
		return true
	}
	return false
}

// send sends the files of a report, and names them by where they are then.
func send(ctx context.Context, r *Report, names renamed, to *format, o *Options) error {
	sent := map[string]bool{}
	for i := range r.Arrays {
		a := &r.Arrays[i]
		from := strings.TrimRight(a.Path, string(filepath.Separator))
		url := names.text(a.Path)
		if !sent[url] {
			if err := store.Upload(ctx, from, url, entry, o.Overwrite, o.Store); err != nil {
				return err
			}
			sent[url] = true
		}
		a.Path = url
	}
	return nil
}

// renamed are the names, for people, of local paths that stand for others.
type renamed map[string]string

func (n renamed) text(s string) string {
	for local, name := range n {
		s = strings.ReplaceAll(s, local, name)
	}
	return s
}

func (n renamed) wrap(err error) error { return &storedError{err, n} }

// storedError is an error that names what was meant instead of a copy of it.
type storedError struct {
	err   error
	names renamed
}

func (e *storedError) Error() string { return e.names.text(e.err.Error()) }
func (e *storedError) Unwrap() error { return e.err }

// openStored opens a file at a URL: a .beton by ranges, another one's copy.
func openStored(ctx context.Context, url string, o *Options) (*format, File, error) {
	f, err := findStored(ctx, url, o)
	if err != nil {
		return nil, nil, err
	}
	if f != nil && f.beton {
		b, err := store.OpenFile(ctx, url, o.Store)
		if err != nil {
			return nil, nil, err
		}
		stop := context.AfterFunc(ctx, func() { b.Close() }) // ends reads in progress
		r, err := newBeton(b, o)
		if !stop() {
			return nil, nil, errors.Join(context.Cause(ctx), b.Close())
		}
		return f, r, err
	}
	c, err := store.Fetch(ctx, url, o.Store)
	if err != nil {
		return nil, nil, err
	}
	f, err = find(c.Path, o.From)
	var r File
	if err == nil {
		r, err = f.open(c.Path, o)
	}
	if err != nil {
		return nil, nil, errors.Join(renamed{c.Path: store.Name(url)}.wrap(err), c.Close())
	}
	return f, &fetched{r, c}, nil
}

// findStored finds the format of an object by its first bytes or its name; nil
// where there is no object, but what may be a folder.
func findStored(ctx context.Context, url string, o *Options) (*format, error) {
	if o.From != "" {
		return byName(o.From)
	}
	head, err := store.ReadHead(ctx, url, peekSize, o.Store)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &peek{path: url, head: head}
	for _, f := range formats {
		if f.magic != nil && f.magic(p) {
			return f, nil
		}
	}
	return byExtension(store.Name(url)), nil
}

// fetched is a File of a copy, which goes with it.
type fetched struct {
	File
	copy *store.Copy
}

func (f *fetched) Close() error { return errors.Join(f.File.Close(), f.copy.Close()) }

// Refused tells why arrays are not among the Members.
func (f *fetched) Refused() error {
	if r, ok := f.File.(interface{ Refused() error }); ok {
		return r.Refused()
	}
	return nil
}

// Notes tells what is given otherwise than it is stored.
func (f *fetched) Notes() []Note {
	if r, ok := f.File.(interface{ Notes() []Note }); ok {
		return r.Notes()
	}
	return nil
}

// localPath is the path that a file:// URL means, and any other one itself.
func localPath(p string) string {
	if name, ok := remote.Local(p); ok {
		return filepath.FromSlash(name)
	}
	return p
}

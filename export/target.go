package export

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// receiptName is the file that tells a whole export, and what is part of it. Its
// name begins with a dot, as those that readers of folders pass over.
const receiptName = ".betongo-export.json"

// receipt is what it holds: a contract with later versions.
type receipt struct {
	Version int    `json:"betongo_export"` // 1
	Format  Format `json:"format"`
	Samples int    `json:"samples"`
	Files   int64  `json:"files"`        // but for this one
	Names   string `json:"sum_of_names"` // FNV-1a of each file's slash-separated name, added, in hexadecimal
}

const receiptVersion = 1

// receipt is that of what was written.
func (e *exporter) receipt() *receipt {
	return &receipt{Version: receiptVersion, Format: e.opts.Format, Samples: e.stats.Samples}
}

// target is where an export is written. Its methods are safe for concurrent use,
// and names are slash-separated.
type target interface {
	// create begins a file that nothing has yet: an error that wraps fs.ErrExist
	// otherwise.
	create(ctx context.Context, name string) (file, error)
	// put writes a whole file.
	put(ctx context.Context, name string, b []byte) error
	// mkdir makes a folder that nothing has yet, fs.ErrExist otherwise.
	mkdir(name string) error
	// commit makes all that was written appear.
	commit(ctx context.Context, r *receipt) error
	// abort removes what was written, unless it was committed.
	abort(ctx context.Context) error
	// written counts what was.
	written() (files, bytes int64)
	// far says that writing waits for a network.
	far() bool
}

// file is one that is being written.
type file interface {
	io.Writer
	close() error // completes it
	drop() error  // lets go of it
}

// openTarget begins to write at a place.
func openTarget(ctx context.Context, out string, opts *Options) (target, error) {
	if out == "" {
		return nil, errors.New("export: no place to write to")
	}
	if store.IsURL(out) {
		return openFar(ctx, out, opts)
	}
	if name, ok := remote.Local(out); ok {
		out = filepath.FromSlash(name)
	}
	dir, err := aside.CreateFolder(out, opts.Overwrite, ours)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir.Path(unfinishedName), unfinished(), 0o666); err != nil {
		return nil, errors.Join(err, dir.Abort())
	}
	clean(dir, opts.Warn)
	return &local{dir: dir}, nil
}

// unfinishedName is a file in the folder beside the target while it is written:
// it tells what a killed export left from what somebody keeps.
const unfinishedName = ".betongo-export.unfinished"

// unfinished is what it holds: the machine, as another one's locks may not be
// known here.
func unfinished() []byte {
	host, _ := os.Hostname()
	return []byte("betongo export on " + host + "\n")
}

// clean removes what killed exports to the same place left. The marks go last, so
// that what is left of a cleaning is cleaned too.
func clean(dir *aside.Folder, warn func(string)) {
	list, err := dir.Leftovers()
	for _, name := range list {
		mark, err2 := regular.ReadFile(filepath.Join(name, unfinishedName), 4096)
		if err2 != nil || !bytes.Equal(mark, unfinished()) {
			continue
		}
		parts, err2 := os.ReadDir(name)
		for _, part := range parts {
			if part.Name() != unfinishedName {
				err2 = errors.Join(err2, os.RemoveAll(filepath.Join(name, part.Name())))
			}
		}
		if err2 == nil {
			err2 = os.RemoveAll(name)
		}
		if err2 == nil {
			warn(name + ": left by an export that was killed; removed")
		}
		err = errors.Join(err, err2)
	}
	if err != nil {
		warn("what a killed export left is not removed: " + err.Error())
	}
}

// counts is what was written so far.
type counts struct{ files, bytes, names atomic.Int64 }

func (c *counts) add(name string) {
	c.files.Add(1)
	c.names.Add(int64(hash.FNV(name)))
}

func (c *counts) written() (files, bytes int64) { return c.files.Load(), c.bytes.Load() }

// marshal completes a receipt.
func (c *counts) marshal(r *receipt) ([]byte, error) {
	r.Files, r.Names = c.files.Load(), sumText(uint64(c.names.Load()))
	b, err := json.Marshal(r)
	return append(b, '\n'), err
}

func sumText(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// manyFiles is how many files are synced one by one.
const manyFiles = 256

// local is a folder on the disk.
type local struct {
	dir *aside.Folder
	counts
	folders sync.Map // those that were made, by name
}

func (l *local) far() bool { return false }

// parents makes the folders above a name.
func (l *local) parents(name string) error {
	dir := path.Dir(name)
	if _, there := l.folders.Load(dir); there || dir == "." {
		return nil
	}
	if err := os.MkdirAll(l.dir.Path(dir), 0o777); err != nil {
		return err
	}
	l.folders.Store(dir, true)
	return nil
}

func (l *local) mkdir(name string) error {
	if err := l.parents(name); err != nil {
		return err
	}
	err := os.Mkdir(l.dir.Path(name), 0o777)
	if err == nil {
		l.folders.Store(name, true)
	}
	return err
}

func (l *local) open(name string) (*os.File, error) {
	if err := l.parents(name); err != nil {
		return nil, err
	}
	return os.OpenFile(l.dir.Path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (l *local) create(_ context.Context, name string) (file, error) {
	f, err := l.open(name)
	if err != nil {
		return nil, err
	}
	l.counts.add(name)
	return &localFile{Writer: bufio.NewWriterSize(f, 1<<20), f: f, bytes: &l.bytes}, nil
}

func (l *local) put(_ context.Context, name string, b []byte) error {
	f, err := l.open(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		l.counts.add(name)
		l.bytes.Add(int64(len(b)))
	}
	return err
}

func (l *local) commit(_ context.Context, r *receipt) error {
	b, err := l.marshal(r)
	if err == nil {
		err = os.WriteFile(l.dir.Path(receiptName), b, 0o666)
	}
	if err == nil {
		err = os.Remove(l.dir.Path(unfinishedName))
	}
	if err == nil && l.files.Load() > manyFiles {
		err = syncAll(l.dir.Path(""))
	}
	if err != nil {
		return err
	}
	return l.dir.Commit()
}

func (l *local) abort(context.Context) error { return l.dir.Abort() }

// localFile is a file on the disk.
type localFile struct {
	*bufio.Writer
	f     *os.File
	bytes *atomic.Int64
}

func (f *localFile) close() error {
	err := f.Flush()
	if n, at := f.f.Seek(0, io.SeekCurrent); at == nil {
		f.bytes.Add(n)
	}
	return errors.Join(err, f.f.Close())
}

func (f *localFile) drop() error { return f.f.Close() }

// ours says whether a folder holds an export and nothing else.
func ours(dir string) error {
	b, err := regular.ReadFile(filepath.Join(dir, receiptName), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no %s in it", ErrForeign, receiptName)
	}
	if err != nil {
		return err
	}
	r, err := parseReceipt(b)
	if err != nil {
		return err
	}
	var found counts
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if rel = filepath.ToSlash(rel); rel != receiptName {
			found.add(rel)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.check(&found)
}

func parseReceipt(b []byte) (*receipt, error) {
	var r receipt
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrForeign, receiptName, err)
	}
	if r.Version != receiptVersion {
		return nil, fmt.Errorf("%w: %s of version %d, want %d", ErrForeign, receiptName, r.Version, receiptVersion)
	}
	return &r, nil
}

// check says whether the files that were found are those of the receipt.
func (r *receipt) check(found *counts) error {
	switch {
	case found.files.Load() != r.Files:
		return fmt.Errorf("%w: %d files, the export wrote %d", ErrForeign, found.files.Load(), r.Files)
	case sumText(uint64(found.names.Load())) != r.Names:
		return fmt.Errorf("%w: files of other names than the export wrote", ErrForeign)
	}
	return nil
}

// objects is a folder in an object store.
type objects struct {
	url   string // with a '/' at its end
	opts  *store.Options
	force bool
	counts

	mu     sync.Mutex
	sent   []string        // to be removed after an error
	before map[string]bool // of an earlier export; true: written anew
}

// openFar begins to write to an object store.
func openFar(ctx context.Context, out string, opts *Options) (target, error) {
	o := &objects{url: strings.TrimRight(out, "/") + "/", opts: opts.Store, force: opts.Overwrite, before: map[string]bool{}}
	if o.opts == nil {
		o.opts = &store.Options{}
	}
	if strings.HasPrefix(out, "http://") || strings.HasPrefix(out, "https://") {
		return nil, fmt.Errorf("write %s: a web server's files can't be written; want s3://, gs://, azblob:// or a path", store.Name(out))
	}
	names, err := store.Below(ctx, out, o.opts)
	if err != nil || len(names) == 0 {
		return o, err
	}
	if !opts.Overwrite {
		return nil, exists(out)
	}
	if err := o.replace(ctx, names); err != nil {
		return nil, fmt.Errorf("replace %s: %w", store.Name(out), err)
	}
	return o, nil
}

// replace makes way for what replaces an earlier export: its receipt goes, so that
// what is neither the old one nor the new one is taken for neither.
func (o *objects) replace(ctx context.Context, names []string) error {
	b, err := store.ReadFile(ctx, o.url+receiptName, o.opts)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no %s there", ErrForeign, receiptName)
	}
	if err != nil {
		return err
	}
	r, err := parseReceipt(b)
	if err != nil {
		return err
	}
	var found counts
	for _, name := range names {
		if name != receiptName {
			found.add(name)
			o.before[name] = false
		}
	}
	if err := r.check(&found); err != nil {
		return err
	}
	for _, name := range []string{receiptName, "index.json"} {
		if _, there := o.before[name]; there || name == receiptName {
			if err := remote.Delete(ctx, o.url+name, &o.opts.Remote); err != nil {
				return err
			}
			delete(o.before, name)
		}
	}
	return nil
}

func (o *objects) far() bool          { return true }
func (o *objects) mkdir(string) error { return nil }

// begin notes that an object is written, which may be only one of the earlier
// export's.
func (o *objects) begin(name string) (overwrite bool) {
	o.counts.add(name)
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, overwrite = o.before[name]; overwrite {
		o.before[name] = true
	}
	return overwrite
}

// end notes that it is there, or, after an error, may be: the store can have got
// all of it, and only the answer was not waited for. What was there before is
// another's.
func (o *objects) end(name string, n int, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil {
		o.bytes.Add(int64(n))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, name)
	return err
}

func (o *objects) create(ctx context.Context, name string) (file, error) {
	u, err := remote.Create(ctx, o.url+name, &o.opts.Remote, &remote.WriteOptions{Overwrite: o.begin(name)})
	if err != nil {
		return nil, err
	}
	return &farFile{to: o, name: name, u: u}, nil
}

func (o *objects) put(ctx context.Context, name string, b []byte) error {
	return o.end(name, len(b), store.WriteFile(ctx, o.url+name, b, o.begin(name), o.opts))
}

func (o *objects) commit(ctx context.Context, r *receipt) error {
	var old []string
	for name, again := range o.before {
		if !again {
			old = append(old, name)
		}
	}
	if err := o.remove(ctx, old); err != nil {
		return err
	}
	b, err := o.marshal(r)
	if err != nil {
		return err
	}
	return store.WriteFile(ctx, o.url+receiptName, b, true, o.opts)
}

// abort removes what was sent. Of an earlier export that was being replaced
// nothing is left then that looks whole.
func (o *objects) abort(ctx context.Context) error { return o.remove(ctx, o.sent) }

// remove deletes objects, many at a time, as many as can be; the error is the
// first one's.
func (o *objects) remove(ctx context.Context, names []string) error {
	var g errgroup.Group
	g.SetLimit(farWorkers)
	for _, name := range names {
		g.Go(func() error {
			err := remote.Delete(ctx, o.url+name, &o.opts.Remote)
			if errors.Is(err, remote.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// farFile is an object that is being written.
type farFile struct {
	to   *objects
	name string
	u    *remote.Upload
	n    int
}

func (f *farFile) Write(b []byte) (int, error) {
	n, err := f.u.Write(b)
	f.n += n
	return n, err
}

func (f *farFile) close() error { return f.to.end(f.name, f.n, f.u.Commit()) }

func (f *farFile) drop() error { return f.u.Abort() }

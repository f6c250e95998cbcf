package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// library is the files that connections have open: each set of files once, as
// long as someone has it.
type library struct {
	mu   sync.Mutex
	sets map[string]*set

	environ environment
	caches  caches
}

// set is files opened as one dataset.
type set struct {
	data   loader.Dataset
	of     *library
	key    string
	files  string        // the part of key that tells which files, custom fields and stores
	same   string        // the part of that which tells which files
	cached bool          // the files are not mapped
	users  int           // guarded by library.mu
	opened chan struct{} // closed when there is data or an error
	close  func() error
	err    error
}

// access is how the bytes of files are reached.
type access struct {
	memory int64 // 0: they are mapped; else a cache of so many bytes
	direct bool
	// as tells caches apart that can be shared, by default by their size: of one
	// that is derived from what memory is left, by what it is derived from.
	as     string
	custom map[string]customRequest // fields that only the program knows, by name
	// storage says how objects are reached; nil as by default.
	storage *storageRequest
}

// customRequest says how much of a row a field takes.
type customRequest struct {
	Size  int `json:"size"`
	Align int `json:"align"`
}

// fields describes custom fields for the reading of files.
func (a *access) fields() (map[string]fields.Field, error) {
	list := map[string]fields.Field{}
	for name, q := range a.custom {
		if q.Size < 0 || q.Size > 1<<20 || q.Align < 1 || q.Align&(q.Align-1) != 0 {
			return nil, optionf("custom field %q: %d bytes, aligned to %d", name, q.Size, q.Align)
		}
		list[name] = &customField{size: q.Size, align: q.Align}
	}
	return list, nil
}

// open opens files, or shares them if they are open and are the same ones. Who
// has the set leaves it once.
func (l *library) open(paths []string, how access) (*set, error) {
	if how.as == "" {
		how.as = fmt.Sprint(how.memory)
	}
	release, err := l.prepare(paths, &how)
	if err != nil {
		return nil, err
	}
	defer release()
	key, err := keyOf(paths, how.storage)
	if err != nil {
		return nil, err
	}
	same := key
	files := fmt.Sprintf("%s|%v|%s", same, how.custom, how.storage.key())
	key = fmt.Sprintf("%s|%s|%v", files, how.as, how.direct)
	l.mu.Lock()
	s := l.sets[key]
	mine := s == nil
	if mine {
		s = &set{of: l, key: key, files: files, same: same, cached: how.memory != 0, opened: make(chan struct{})}
		if l.sets == nil {
			l.sets = map[string]*set{}
		}
		l.sets[key] = s
	}
	s.users++
	l.mu.Unlock()
	if mine {
		s.open(paths, how)
	}
	return s.wait()
}

// cached opens files that are not to be mapped: the ones that somebody has open
// so, whatever the size of the cache, or else with the least one.
func (l *library) cached(paths []string, custom map[string]customRequest) (*set, error) {
	key, err := keyOf(paths, nil)
	if err != nil {
		return nil, err
	}
	files := fmt.Sprintf("%s|%v|", key, custom)
	l.mu.Lock()
	for _, s := range l.sets {
		if s.cached && s.files == files {
			s.users++
			l.mu.Unlock()
			return s.wait()
		}
	}
	l.mu.Unlock()
	return l.open(paths, access{memory: leastMemory, custom: custom})
}

// prepare makes the environment that of a request about objects, until release is
// called.
func (l *library) prepare(paths []string, how *access) (release func(), err error) {
	if !far(paths) {
		how.storage = nil
		return func() {}, nil
	}
	if how.storage == nil {
		how.storage = &storageRequest{}
	}
	if err := how.storage.check(); err != nil {
		return nil, err
	}
	return l.environ.hold(how.storage.Environ)
}

// far says whether objects may be among the files: an index on the local disk
// may name some.
func far(paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return remote.IsURL(p) || isIndex(p) })
}

func isIndex(path string) bool { return strings.HasSuffix(path, ".json") }

// several says whether paths may stand for more than one file.
func several(paths []string) bool {
	if len(paths) != 1 || isIndex(paths[0]) {
		return true
	}
	web := strings.HasPrefix(paths[0], "http://") || strings.HasPrefix(paths[0], "https://")
	return !web && strings.ContainsAny(paths[0], "*?[")
}

// wait waits until the files are open, by whoever is first, who doesn't wait for
// anybody. Where they can't be, the set is left.
func (s *set) wait() (*set, error) {
	<-s.opened
	if s.err != nil {
		s.leave()
		return nil, s.err
	}
	return s, nil
}

// open opens the files. A panic is an error: others wait.
func (s *set) open(paths []string, how access) {
	defer close(s.opened)
	defer func() {
		if p := recover(); p != nil {
			s.err = fmt.Errorf("open %s: panic: %v", strings.Join(paths, ", "), p)
		}
	}()
	custom, err := how.fields()
	if err != nil {
		s.err = err
		return
	}
	if len(custom) > 0 && several(paths) { // their pointers would be those of each file alone
		s.err = fmt.Errorf("%s: fields of a program's own can't be read from several files, where their pointers stand is not known: %w",
			strings.Join(paths, ", "), ffcv.ErrUnknownField)
		return
	}
	opts := &ffcv.OpenOptions{Memory: how.memory, Direct: how.direct && how.memory > 0, Custom: custom}
	switch {
	case far(paths):
		s.err = s.openFar(paths, how, opts)
	case !several(paths):
		s.have(ffcv.Open(paths[0], opts))
	default:
		s.have(dataset.Open(paths, &dataset.Options{File: opts}))
	}
}

// opened is a dataset that is to be closed.
type opened interface {
	loader.Dataset
	Close() error
}

// have takes what was opened.
func (s *set) have(ds opened, err error) {
	if s.err = err; err == nil {
		s.data, s.close = ds, ds.Close
	}
}

// openFar opens objects. What is on the way when nobody waits any more ends with
// its retries.
func (s *set) openFar(paths []string, how access, file *ffcv.OpenOptions) error {
	opts := &store.Options{Remote: how.storage.options(), File: file}
	release := func() error { return nil }
	if dir := how.storage.Cache; dir != "" {
		var err error
		if opts.Remote.Cache, release, err = s.of.caches.get(dir, how.storage.CacheSize); err != nil {
			return err
		}
	}
	if several(paths) {
		s.have(store.Open(context.Background(), paths, opts))
	} else {
		s.have(store.OpenFile(context.Background(), paths[0], opts))
	}
	if s.err != nil {
		release()
		return s.err
	}
	files := s.close
	s.close = func() error { return errors.Join(files(), release()) }
	return nil
}

// leave closes the files if nobody else has them.
func (s *set) leave() error {
	s.of.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(s.of.sets, s.key)
	}
	s.of.mu.Unlock()
	if last && s.close != nil {
		return s.close()
	}
	return nil
}

// keyOf tells sets of files apart, and a file from another that has taken its
// place.
func keyOf(paths []string, storage *storageRequest) (string, error) {
	var b strings.Builder
	for _, p := range paths {
		var err error
		if store.IsURL(p) {
			err = objectKey(&b, p, storage)
		} else {
			err = fileKey(&b, p)
		}
		if err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// fileKey writes what tells the files of a path of the local disk apart.
func fileKey(b *strings.Builder, path string) error {
	if local, ok := remote.Local(path); ok {
		path = local
	}
	list, err := dataset.Expand([]string{path})
	if err != nil {
		return err
	}
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%q %s %d %d|", path, fileOf(info), info.Size(), info.ModTime().UnixNano())
	}
	return nil
}

// objectKey does so of a URL: a file's version, or of a pattern the versions of
// all that match it.
func objectKey(b *strings.Builder, url string, storage *storageRequest) error {
	opts := storage.options()
	list, err := []remote.Entry(nil), error(nil)
	if several([]string{url}) && !isIndex(url) {
		list, err = remote.List(context.Background(), url, &opts)
	} else {
		var e remote.Entry
		e, err = remote.Stat(context.Background(), url, &opts)
		list = []remote.Entry{e}
	}
	if err != nil {
		return err
	}
	for _, e := range list {
		fmt.Fprintf(b, "%q %d %q|", e.URL, e.Size, e.Version)
	}
	fmt.Fprintf(b, "%q|", url)
	return nil
}

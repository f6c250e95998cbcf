package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// library is the files that connections have open: each set of files once, as
// long as someone has it.
type library struct {
	mu   sync.Mutex
	sets map[string]*set

	stores Stores // nil: only files of the local disk
}

// set is files opened as one dataset.
type set struct {
	data   loader.Dataset
	of     *library
	key    string
	files  string        // the part of key that tells which files, custom fields and stores
	same   string        // the part of that which tells which files
	cached bool          // the files are not mapped
	memory int64         // of the cache that objects have where none was asked for; 0: no objects
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
	// storage is what the request says of how objects are reached.
	storage json.RawMessage
	reach   Reach // of that; nil: no object is among the files
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
	paths = onDisk(paths)
	release, err := l.prepare(paths, &how)
	if err != nil {
		return nil, err
	}
	defer release()
	key, err := keyOf(paths, how.reach)
	if err != nil {
		return nil, err
	}
	same, reached := key, ""
	if how.reach != nil {
		reached = how.reach.Key()
	}
	files := fmt.Sprintf("%s|%v|%s", same, how.custom, reached)
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

// prepare finds how the objects among the files are reached, and makes the
// environment that of the request until release is called.
func (l *library) prepare(paths []string, how *access) (release func(), err error) {
	if !far(paths) {
		return func() {}, nil
	}
	if l.stores == nil {
		return nil, optionf("%s: this program reaches files of the local disk alone: URLs, and indexes, which may name some, are betongo-tools'", strings.Join(paths, ", "))
	}
	if how.reach, err = l.stores.Reach(how.storage); err != nil {
		return nil, err
	}
	return how.reach.Hold()
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
	switch one := !several(paths); {
	case how.reach != nil:
		if how.memory == 0 {
			s.memory = how.reach.Memory()
		}
		s.reach(how.reach, paths, !one, opts)
	case one:
		s.have(ffcv.Open(paths[0], opts))
	default:
		s.have(dataset.Open(paths, &dataset.Options{File: opts}))
	}
}

// have takes what was opened.
func (s *set) have(ds Dataset, err error) {
	if s.err = err; err == nil {
		s.data, s.close = ds, ds.Close
	}
}

// reach opens objects.
func (s *set) reach(r Reach, paths []string, several bool, opts *ffcv.OpenOptions) {
	ds, release, err := r.Open(paths, several, opts)
	if s.have(ds, err); err == nil {
		s.close = func() error { return errors.Join(ds.Close(), release()) }
	}
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
func keyOf(paths []string, reach Reach) (string, error) {
	var b strings.Builder
	for _, p := range paths {
		if !isURL(p) {
			if err := fileKey(&b, p); err != nil {
				return "", err
			}
			continue
		}
		version, err := reach.Version(p, several([]string{p}) && !isIndex(p))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s%q|", version, p)
	}
	return b.String(), nil
}

// fileKey writes what tells the files of a path of the local disk apart.
func fileKey(b *strings.Builder, path string) error {
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

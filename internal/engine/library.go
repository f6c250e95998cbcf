package engine

import (
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
}

// set is files opened as one dataset.
type set struct {
	data   loader.Dataset
	of     *library
	key    string
	files  string        // the part of key that tells which files, and custom fields
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
	key, err := keyOf(paths)
	if err != nil {
		return nil, err
	}
	files := fmt.Sprintf("%s|%v", key, how.custom)
	key = fmt.Sprintf("%s|%s|%v", files, how.as, how.direct)
	l.mu.Lock()
	s := l.sets[key]
	mine := s == nil
	if mine {
		s = &set{of: l, key: key, files: files, cached: how.memory != 0, opened: make(chan struct{})}
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
	key, err := keyOf(paths)
	if err != nil {
		return nil, err
	}
	files := fmt.Sprintf("%s|%v", key, custom)
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
	opts := &ffcv.OpenOptions{Memory: how.memory, Direct: how.direct && how.memory > 0, Custom: custom}
	if len(paths) == 1 && !strings.ContainsAny(paths[0], "*?[") {
		f, err := ffcv.Open(paths[0], opts)
		if s.err = err; err == nil {
			s.data, s.close = f, f.Close
		}
		return
	}
	c, err := dataset.Open(paths, &dataset.Options{File: opts})
	if s.err = err; err == nil {
		s.data, s.close = c, c.Close
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
func keyOf(paths []string) (string, error) {
	list, err := dataset.Expand(paths)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%q %s %d %d|", path, fileOf(info), info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}

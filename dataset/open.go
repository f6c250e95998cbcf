package dataset

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
)

// Options are the choices of Open. nil and zero are the defaults.
type Options struct {
	// File are the options of each file. With File.Memory several files share a
	// cache of that size, and each keeps a file descriptor, two with File.Direct.
	File *ffcv.OpenOptions
	// Open opens a file instead of ffcv.Open, which maps it: the default is wrong
	// where files are reached otherwise. It is called by several goroutines at
	// once; the Concat owns what it returns.
	Open func(path string) (*ffcv.File, error)
	// Cache is what files that Open returns are read through. The Concat owns it
	// once it has been made, and tells of it as of one of its own.
	Cache *Cache
	// IgnoreClasses lets files name different classes: the default is wrong when
	// labels don't stand for them. Classes then returns nil.
	IgnoreClasses bool
}

// How many files are opened at once: what takes time is waiting for disks, or for
// what Options.Open waits for, which may be farther away.
const (
	opening    = 16
	openingFar = 64
)

// Open opens files as one dataset, as NewConcat puts them together. Each path
// is a file's, or a pattern (filepath.Glob) that stands for the files which
// match it, in the order of their names' bytes (x-10 before x-2). A path that no
// file has, a pattern that matches none, and a file given twice are errors.
//
// A single path that ends in .json is an Index's, opened as OpenIndex does.
//
// All files are opened at once and stay mapped, which takes some 0.1 ms a file,
// cold or not (Linux maps 65,530 files by default); no file descriptor is kept.
func Open(paths []string, opts *Options) (*Concat, error) {
	if opts == nil {
		opts = &Options{}
	}
	list, err := Expand(paths)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, IsIndex); i >= 0 {
		if len(list) > 1 {
			return nil, fmt.Errorf("%s: an index is a dataset by itself, and there are %d more paths", list[i], len(list)-1)
		}
		return openIndexFile(list[0], opts)
	}
	name := ""
	if len(paths) == 1 && len(list) > 1 {
		name = fmt.Sprintf("%s (%d files)", paths[0], len(list))
	}
	return OpenFiles(name, list, opts)
}

// MaxIndexSize is how many bytes an Index may have where it is read by its name.
const MaxIndexSize = 1 << 30

// IsIndex says whether a path is one that Open takes for an Index's.
func IsIndex(path string) bool { return strings.EqualFold(filepath.Ext(path), ".json") }

func openIndexFile(path string, opts *Options) (*Concat, error) {
	b, err := regular.ReadFile(path, MaxIndexSize)
	if err != nil {
		return nil, err
	}
	x, err := ParseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c, err := OpenIndex(x, filepath.Dir(path), opts)
	if err != nil {
		return nil, err
	}
	c.name = path
	return c, nil
}

// OpenFiles is Open of paths that stand for themselves: they are no patterns, and
// with Options.Open they need be no files of the system. name is the dataset's;
// "" is the first path and how many more there are.
func OpenFiles(name string, list []string, opts *Options) (*Concat, error) {
	if opts == nil {
		opts = &Options{}
	}
	files, cache, err := openAll(list, opts)
	if err != nil {
		return nil, err
	}
	owned := make([]io.Closer, len(files), len(files)+1)
	members := make([]Dataset, len(files))
	for i, f := range files {
		owned[i], members[i] = f, f
	}
	c, err := newConcat(members, opts.IgnoreClasses)
	if err != nil {
		if cache != opts.Cache {
			owned = append(owned, cache)
		}
		closeAll(owned)
		return nil, err
	}
	if c.owned = owned; cache != nil {
		c.owned, c.cache = append(owned, cache), cache.src
	}
	if name != "" {
		c.name = name
	}
	return c, nil
}

// Expand returns the files that paths stand for, in the order in which Open
// puts them together.
func Expand(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return nil, fmt.Errorf("dataset: no paths")
	}
	var list []string
	var infos []os.FileInfo
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil || !strings.ContainsAny(path, `*?[`) {
			if err != nil {
				return nil, err
			}
			list, infos = append(list, path), append(infos, info)
			continue
		}
		found, err := filepath.Glob(path)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", path, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("pattern %q: no file matches it", path)
		}
		slices.Sort(found)
		for _, name := range found {
			if info, err = os.Stat(name); err != nil {
				return nil, err
			}
			list, infos = append(list, name), append(infos, info)
		}
	}
	return list, checkTwice(list, infos)
}

// checkTwice refuses a file that is there twice, under whatever names.
func checkTwice(list []string, infos []os.FileInfo) error {
	alike := map[[2]int64][]int{} // by size and time: few are the same
	for i, info := range infos {
		key := [2]int64{info.Size(), info.ModTime().UnixNano()}
		for _, k := range alike[key] {
			if os.SameFile(info, infos[k]) {
				if list[i] == list[k] {
					return fmt.Errorf("%s is given twice", list[i])
				}
				return fmt.Errorf("%s and %s are the same file", list[k], list[i])
			}
		}
		alike[key] = append(alike[key], i)
	}
	return nil
}

// fetch reads what ffcv.New looks at, so that it is in memory. Through a map
// the first touch of a cold file reads far around it, and holds up a processor
// meanwhile: a thousand files take seconds then, and a seventh of one this way.
// What is wrong ffcv.New finds.
func fetch(path string) {
	const (
		most    = 64 // fields; more come by the map
		trailer = 64 // bytes before the allocation table
	)
	f, err := regular.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	var b [ffcv.HeaderSize + most*ffcv.DescriptorSize]byte
	if _, err := f.ReadAt(b[:ffcv.HeaderSize], 0); err != nil {
		return
	}
	h := ffcv.HeaderAt(b[:])
	f.ReadAt(b[:ffcv.HeaderSize+min(int(h.NumFields), most)*ffcv.DescriptorSize], 0)
	if h.AllocTable >= trailer && h.AllocTable <= math.MaxInt64 {
		f.ReadAt(b[:trailer], int64(h.AllocTable-trailer))
	}
}

// openAll opens the files, and the cache that they share, if they do.
func openAll(list []string, opts *Options) (files []*ffcv.File, cache *Cache, err error) {
	open, wide := opts.Open, openingFar
	cache = opts.Cache
	switch {
	case open != nil:
	case opts.File != nil && opts.File.Memory > 0 && len(list) > 1:
		if cache, err = localCache(list, opts.File); err != nil {
			return nil, nil, err
		}
	default:
		wide = opening
		open = func(path string) (*ffcv.File, error) {
			fetch(path)
			return ffcv.Open(path, opts.File)
		}
	}
	files = make([]*ffcv.File, len(list))
	err = each(len(list), wide, func(i int) (err error) {
		if open != nil {
			files[i], err = open(list[i])
		} else {
			files[i], err = cache.Open(i, opts.File)
		}
		return err
	})
	if err == nil {
		return files, cache, nil
	}
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
	if cache != opts.Cache {
		cache.Close()
	}
	return nil, nil, err
}

// eachPath calls do for each path, several at a time. The error is that of the
// first path in order which has one.
func eachPath(list []string, do func(i int) error) error { return each(len(list), opening, do) }

// each calls do for each of n, several at a time. The error is that of the first
// which has one.
func each(n, several int, do func(i int) error) error {
	errs := make([]error, n)
	next, failed := make(chan int), make(chan struct{})
	var once sync.Once
	var workers sync.WaitGroup
	for range min(several, n) {
		workers.Add(1)
		go func() { // ends when next is closed
			defer workers.Done()
			for i := range next {
				if errs[i] = do(i); errs[i] != nil {
					once.Do(func() { close(failed) })
				}
			}
		}()
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-failed:
			break feed
		}
	}
	close(next)
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// closeAll closes what was opened.
func closeAll(owned []io.Closer) {
	for _, c := range owned {
		c.Close()
	}
}

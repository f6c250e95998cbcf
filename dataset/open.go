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
	// IgnoreClasses lets files name different classes: the default is wrong when
	// labels don't stand for them. Classes then returns nil.
	IgnoreClasses bool
}

// opening is how many files are opened at once: what takes time is waiting for
// disks.
const opening = 16

// Open opens files as one dataset, as NewConcat puts them together. Each path
// is a file's, or a pattern (filepath.Glob) that stands for the files which
// match it, in the order of their names' bytes (x-10 before x-2). A path that no
// file has, a pattern that matches none, and a file given twice are errors.
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
	files, cache, err := openAll(list, opts)
	if err != nil {
		return nil, err
	}
	var owned []io.Closer
	if cache != nil {
		owned = append(owned, cache)
	} else {
		for _, f := range files {
			owned = append(owned, f)
		}
	}
	members := make([]Dataset, len(files))
	for i, f := range files {
		members[i] = f
	}
	c, err := newConcat(members, opts.IgnoreClasses)
	if err != nil {
		closeAll(owned)
		return nil, err
	}
	c.owned, c.cache = owned, cache
	if len(paths) == 1 && len(list) > 1 {
		c.name = fmt.Sprintf("%s (%d files)", paths[0], len(list))
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

// openAll opens the files. Where they share a cache, which then is the owner of
// what is to be closed, it returns that too.
func openAll(list []string, opts *Options) (files []*ffcv.File, cache ffcv.Source, err error) {
	if opts.Open == nil && opts.File != nil && opts.File.Memory > 0 && len(list) > 1 {
		return openCached(list, opts.File)
	}
	open := opts.Open
	if open == nil {
		open = func(path string) (*ffcv.File, error) { return ffcv.Open(path, opts.File) }
	}
	files = make([]*ffcv.File, len(list))
	err = eachPath(list, func(i int) (err error) {
		fetch(list[i])
		files[i], err = open(list[i])
		return err
	})
	if err != nil {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
		return nil, nil, err
	}
	return files, nil, nil
}

// eachPath calls do for each path, several at a time. The error is that of the
// first path in order which has one.
func eachPath(list []string, do func(i int) error) error {
	errs := make([]error, len(list))
	next, failed := make(chan int), make(chan struct{})
	var once sync.Once
	var workers sync.WaitGroup
	for range min(opening, len(list)) {
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
	for i := range list {
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

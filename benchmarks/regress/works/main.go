// Command works does small pieces of work, each always the same, whose
// instructions benchmarks/regress counts: one goroutine's, with fixed seeds, on
// the photographs of testdata and on files that it wrote itself.
//
//	works -list                             its works, a line each
//	works -prepare -dir DIR -photos PHOTOS  writes what they read
//	works -work NAME -times N -dir DIR -photos PHOTOS
//
// What comes before the work, such as opening a file, is done with N = 0 too, so
// that the difference is the work's alone. Each file here is built with the
// packages of two commits: of one whose packages it does not go with, its works
// are left out. So a work says what it needs in its own file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// work is one piece of work.
type work struct {
	name  string
	times int // as often as it is counted
	// prepare writes what begin reads; nil: nothing.
	prepare func(p place) error
	// begin makes ready and returns what is done each time.
	begin func(p place) (once func() error, err error)
}

// place is where things are.
type place struct{ dir, photos string }

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

var all []work

// register adds a file's works.
func register(works ...work) bool {
	all = append(all, works...)
	return true
}

func main() {
	var (
		list    = flag.Bool("list", false, "print the works and how often each is counted")
		prepare = flag.Bool("prepare", false, "write what the works read")
		name    = flag.String("work", "", "what to do")
		times   = flag.Int("times", 1, "how often")
		p       place
	)
	flag.StringVar(&p.dir, "dir", "", "where files are")
	flag.StringVar(&p.photos, "photos", "", "a folder of class folders with photographs")
	flag.Parse()
	slices.SortFunc(all, func(a, b work) int { return strings.Compare(a.name, b.name) })
	var err error
	switch {
	case *list:
		for _, w := range all {
			fmt.Println(w.name, w.times)
		}
	case *prepare:
		for _, w := range all {
			if w.prepare != nil && err == nil {
				err = w.prepare(p)
			}
		}
	default:
		err = do(p, *name, *times)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "works: error:", err)
		os.Exit(1)
	}
}

// do does one work with one processor and without a garbage collector, whose
// moments would be others each time.
func do(p place, name string, times int) error {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	at := slices.IndexFunc(all, func(w work) bool { return w.name == name })
	if at < 0 {
		return fmt.Errorf("no work %q", name)
	}
	once, err := all[at].begin(p)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for range times {
		if err := once(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// photographs reads the first n photographs.
func photographs(p place, n int) (photos [][]byte, err error) {
	names, err := filepath.Glob(filepath.Join(p.photos, "*", "*.jpg"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	if len(names) < n {
		return nil, fmt.Errorf("%s: %d photographs, want %d", p.photos, len(names), n)
	}
	for _, name := range names[:n] {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		photos = append(photos, b)
	}
	return photos, nil
}

const pageSize = 2 << 20

// samples are values ready to be written.
type samples [][]any

func (s samples) Len() int                                               { return len(s) }
func (s samples) Sample(_ context.Context, i int) ([]any, string, error) { return s[i], "", nil }

// write makes a file with one worker, unless it is there.
func write(path string, specs []ffcv.FieldSpec, s samples) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := ffcv.Create(path, specs, &ffcv.Options{Workers: 1, PageSize: pageSize})
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(context.Background(), s, nil)
}

// photoSpecs are an image and a label.
func photoSpecs() []ffcv.FieldSpec {
	return []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}
}

// photoSamples are the first n photographs with labels.
func photoSamples(p place, n int) (samples, error) {
	photos, err := photographs(p, n)
	if err != nil {
		return nil, err
	}
	var s samples
	for i, b := range photos {
		s = append(s, []any{b, int64(i)})
	}
	return s, nil
}

// noise fills bytes with what no compressor shortens, by a seed.
func noise(b []byte, seed uint64) []byte {
	for i := range b {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		b[i] = byte(seed >> 32)
	}
	return b
}

package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Trait is something of a source by which it is known again: two sources with
// the same ones give the same samples, as far as that can be told without
// reading all of them.
type Trait struct{ Name, Value string }

// listing is a sum over files, each with its number, name, size and time, which
// does not depend on the order in which they are added.
type listing struct {
	timeless bool // without times, which differ between copies of a file

	mu     sync.Mutex
	count  int64
	bytes  int64
	newest time.Time
	name   string // of the newest
	a, b   uint64
}

// file adds the file of that path, whose name in the source is key. One that is
// not there counts as such.
func (l *listing) file(i int, key, path string) {
	info, err := os.Stat(path)
	size, at := int64(-1), time.Time{}
	if err == nil {
		size, at = info.Size(), info.ModTime()
	}
	l.add(i, key, size, at)
}

// add adds a file, of size -1 for one that is not there.
func (l *listing) add(i int, key string, size int64, at time.Time) {
	if l.timeless {
		at = time.Time{}
	}
	var buf [256]byte
	b := buf[:0]
	for _, n := range []int64{int64(i), size, at.UnixNano()} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	sum := sha256.Sum256(append(b, key...))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	l.bytes += max(size, 0)
	if at.After(l.newest) || at.Equal(l.newest) && !at.IsZero() && key < l.name {
		l.newest, l.name = at, key
	}
	l.a += binary.LittleEndian.Uint64(sum[:])
	l.b += binary.LittleEndian.Uint64(sum[8:])
}

// object adds an object, whose name in the source is key. One that is not there
// counts as such.
func (l *listing) object(ctx context.Context, s Store, i int, key, name string) error {
	size, err := s.Size(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		size, err = -1, nil
	}
	if err == nil {
		l.add(i, key, size, time.Time{})
	}
	return err
}

// String is made for a person who looks what changed: what was written last is
// most often it.
func (l *listing) String() string {
	s := fmt.Sprintf("%d files, %d bytes, sum %016x%016x", l.count, l.bytes, l.a, l.b)
	if !l.newest.IsZero() {
		s += fmt.Sprintf(", the newest %q of %s", l.name, l.newest.UTC().Format(time.RFC3339))
	}
	return s
}

// lookers is how many files are looked at at the same time, and lookRun how many
// one takes.
const (
	lookers = 8
	lookRun = 64
)

// each calls look for 0 to n-1, several at a time, until ctx is done.
func each(ctx context.Context, n int, look func(i int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(lookers, n/lookRun+1) {
		g.Go(func() error { // ends when all are taken, or with ctx
			for {
				lo := int(next.Add(lookRun)) - lookRun
				if lo >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				for i := lo; i < min(lo+lookRun, n); i++ {
					if err := look(i); err != nil {
						return err
					}
				}
			}
		})
	}
	return g.Wait()
}

// Identity looks at every image and mask: name, size and time of change; in a
// store, name and size.
func (f *Folder) Identity(ctx context.Context) ([]Trait, error) {
	if f.closed {
		return nil, fmt.Errorf("folder %s: %w", f.dir, os.ErrClosed)
	}
	var images, masks listing
	err := each(ctx, f.Len(), func(i int) error { return f.look(ctx, i, &images, &masks) })
	if err != nil {
		return nil, err
	}
	list := []Trait{{"images", images.String()}}
	if f.masks != "" {
		list = append(list, Trait{"masks", masks.String()})
	}
	return list, nil
}

// look adds the files of sample i.
func (f *Folder) look(ctx context.Context, i int, images, masks *listing) error {
	_, key, size := f.entry(i)
	if far(f.dir) {
		images.add(i, key, size, time.Time{})
	} else {
		images.file(i, key, filepath.Join(f.dir, filepath.FromSlash(key)))
	}
	if f.masks == "" {
		return nil
	}
	name := maskName(key)
	if !far(f.masks) {
		masks.file(i, name, filepath.Join(f.masks, filepath.FromSlash(name)))
		return nil
	}
	return masks.object(ctx, f.store, i, name, strings.TrimSuffix(f.masks, "/")+"/"+name)
}

// lookedAt is how many of a table's records have the files that they name looked
// at: enough to see that a folder is another one, few enough for any table.
const lookedAt = 1000

// Identity reads the whole table for its SHA-256, and looks at the files that some
// of its records name, spread over all of them: their size and time of change.
func (t *Table) Identity(ctx context.Context) ([]Trait, error) {
	list, err := t.content(ctx)
	if err != nil {
		return nil, err
	}
	files, err := t.named(ctx, t.rows, func(k int) int { return k }, false)
	if err != nil {
		return nil, err
	}
	if files.count > 0 {
		list = append(list, Trait{"files that the table names", "among others " + files.String()})
	}
	return list, nil
}

// content tells what the table holds and how it is read.
func (t *Table) content(ctx context.Context) ([]Trait, error) {
	if t.file == nil {
		return nil, fmt.Errorf("table %s: %w", t.path, os.ErrClosed)
	}
	info, err := t.file.Stat()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &ctxReader{ctx, io.NewSectionReader(t.file, 0, info.Size())}); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.path, err)
	}
	list := []Trait{{"table", fmt.Sprintf("%d bytes, %d records, SHA-256 %x", info.Size(), t.rows, sum.Sum(nil))}}
	for i := range t.columns {
		c := &t.columns[i]
		list = append(list, Trait{"column of field " + c.Name, fmt.Sprintf("%q, inline %q", c.Column, c.Inline)})
	}
	return list, nil
}

// Identity looks at every file: size, time of change, header.
func (a *Arrays) Identity(context.Context) ([]Trait, error) {
	var list []Trait
	for _, c := range a.columns {
		info, err := os.Stat(c.file.Name())
		if err != nil {
			return nil, fmt.Errorf("field %q of arrays: %w", c.Name, err)
		}
		text := fmt.Sprintf("%v, %d bytes, changed %s", c.file.Array().Spec, info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
		list = append(list, Trait{"array of field " + c.Name, text})
	}
	return list, nil
}

// ctxReader reads until ctx is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

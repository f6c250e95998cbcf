package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/betongo/betongo/fields"
)

// Traits are those of Identity that another copy of the folder has too, on
// another machine or in an object store: the images' names.
func (f *Folder) Traits(ctx context.Context) ([]Trait, error) {
	if f.closed {
		return nil, fmt.Errorf("folder %s: %w", f.dir, os.ErrClosed)
	}
	var names nameSum
	for i := range f.Len() {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		_, key, _ := f.entry(i)
		names.add(key)
	}
	list := []Trait{{"images", fmt.Sprintf("%d of %d classes, sum of names %s", f.Len(), len(f.classes), names.String())}}
	if f.masks != "" {
		list = append(list, Trait{"masks", fmt.Sprintf("of %d bits", f.maskBits())})
	}
	return list, nil
}

func (f *Folder) maskBits() int {
	_, depth := f.mask.Kind()
	return 8 * depth
}

// nameSum is a sum over a list of names, in its order.
type nameSum struct{ sum [sha256.Size]byte }

func (s *nameSum) add(name string) {
	b := make([]byte, 0, 512)
	b = append(append(b, s.sum[:]...), name...)
	s.sum = sha256.Sum256(b)
}

func (s *nameSum) String() string { return fmt.Sprintf("%x", s.sum[:16]) }

// Files looks at the files of n samples, those whose numbers at gives, and
// returns a sum over their names and sizes, which other copies of the folder have
// too, with how many files and bytes they are.
func (f *Folder) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	if f.closed {
		return "", fmt.Errorf("folder %s: %w", f.dir, os.ErrClosed)
	}
	images, masks := listing{timeless: true}, listing{timeless: true}
	if err := each(ctx, n, func(k int) error { return f.look(ctx, at(k), &images, &masks) }); err != nil {
		return "", err
	}
	if f.masks == "" {
		return images.String(), nil
	}
	return images.String() + "; masks: " + masks.String(), nil
}

// Traits are those of Identity that another copy of the table has too: what it
// holds, by its SHA-256, and how it is read.
func (t *Table) Traits(ctx context.Context) ([]Trait, error) { return t.content(ctx) }

// Files looks at the files that some of n records name, those whose numbers at
// gives, and returns a sum over their names and sizes, with how many files and
// bytes they are; "" when the records name none.
func (t *Table) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	files, err := t.named(ctx, n, at, true)
	if err != nil || files.count == 0 {
		return "", err
	}
	return "among others " + files.String(), nil
}

// named looks at the files that some of n records name.
func (t *Table) named(ctx context.Context, n int, at func(k int) int, timeless bool) (*listing, error) {
	files := &listing{timeless: timeless}
	step := max(1, n/lookedAt)
	err := each(ctx, (n+step-1)/step, func(k int) error {
		i := at(k * step)
		values, _, err := t.record(ctx, i)
		if err != nil {
			return ctx.Err() // the writer will tell of a broken record
		}
		for k, v := range values {
			n := i*len(values) + k
			switch p := v.(type) {
			case fields.Path:
				files.file(n, filepath.Base(shown(string(p))), string(p))
			case object:
				if err := files.object(ctx, t.store, n, path.Base(string(p)), string(p)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return files, err
}

// Traits are those of Identity that another copy of the arrays has too: their
// headers and sizes, and a sum over some of their bytes.
func (a *Arrays) Traits(ctx context.Context) ([]Trait, error) {
	var list []Trait
	for _, c := range a.columns {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data := c.file.Array().Data
		text := fmt.Sprintf("%v, %d bytes, sum of some %x", c.file.Array().Spec, len(data), sumOfSome(data))
		list = append(list, Trait{"array of field " + c.Name, text})
	}
	return list, nil
}

// Files returns "": Traits have looked at the files of arrays already.
func (a *Arrays) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// sumOfSome is a sum over some blocks of data, the first and the last among them.
func sumOfSome(data []byte) []byte {
	const blocks, size = 64, 4096
	h := sha256.New()
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(data)))
	h.Write(n[:])
	if len(data) <= blocks*size {
		h.Write(data)
		return h.Sum(nil)[:16]
	}
	step := (len(data) - size) / (blocks - 1)
	for i := range blocks - 1 {
		h.Write(data[i*step:][:size])
	}
	h.Write(data[len(data)-size:])
	return h.Sum(nil)[:16]
}

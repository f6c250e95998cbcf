package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/roll"
	"github.com/betongo/betongo/record/webdataset"
)

// index opens the shards and finds their samples, several shards at a time.
func (w *WebDataset) index(ctx context.Context, st Store) error {
	if w.members == nil {
		if err := w.choose(ctx, st); err != nil {
			return err
		}
	} else if err := w.settle(ctx, st); err != nil {
		return err
	}
	w.lists = make([]roll.Texts, min(listers, len(w.shards)))
	skipped := make([]skips, len(w.shards))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for k := range w.lists {
		g.Go(func() error { // ends when all are taken, or with ctx
			for i := next.Add(1) - 1; i < int64(len(w.shards)); i = next.Add(1) - 1 {
				s := &w.shards[i]
				s.list, s.first = &w.lists[k], w.lists[k].Len()
				var err error
				if skipped[i], err = w.indexShard(ctx, s, st); err != nil {
					return fmt.Errorf("%s: %w", shown(s.name), err)
				}
			}
			return w.lists[k].Seal()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	total := 0
	for i := range w.shards {
		w.starts = append(w.starts, total)
		total += w.shards[i].count
	}
	w.starts = append(w.starts, total)
	for i := range skipped {
		w.skipped.join(&skipped[i])
	}
	return nil
}

// open opens a shard, unless it is open.
func (s *tarShard) open(ctx context.Context, st Store) error {
	if s.blob != nil {
		return nil
	}
	b, err := openBlob(ctx, s.name, st)
	if errors.Is(err, regular.ErrKind) {
		if info, statErr := os.Stat(s.name); statErr == nil && info.IsDir() {
			err = fmt.Errorf("a folder; expected shards, such as %s", filepath.Join(s.name, "*.tar"))
		}
	}
	if err != nil {
		return err
	}
	s.blob = b
	how, err := packing(ctx, b)
	if err != nil || how == nil {
		return err
	}
	s.parcel = newParcel(func(ctx context.Context, to io.Writer) error {
		return unpackBlob(ctx, b, how, func(r io.Reader) error {
			_, err := io.Copy(to, r)
			return err
		})
	})
	return nil
}

// scan tells v what the shard holds.
func (s *tarShard) scan(ctx context.Context, v webdataset.Visitor) error {
	if s.parcel == nil {
		return webdataset.Scan(scanBlob(ctx, s.blob), s.blob.Size(), v)
	}
	how, err := packing(ctx, s.blob)
	if err != nil {
		return err
	}
	return unpackBlob(ctx, s.blob, how, func(r io.Reader) error {
		return webdataset.Scan(&forward{r: r}, webdataset.Unknown, v)
	})
}

// indexShard adds the samples of a shard to its list.
func (w *WebDataset) indexShard(ctx context.Context, s *tarShard, st Store) (skipped skips, err error) {
	if err := s.open(ctx, st); err != nil {
		return skipped, err
	}
	base := path.Base(filepath.ToSlash(shown(s.name)))
	var t tarSample
	var text []byte
	err = s.scan(ctx, webdataset.Visitor{
		Sample: func(x *webdataset.Sample) error {
			w.place(&t, x)
			text = t.append(text[:0])
			s.list.Append(string(text))
			s.count++
			s.sum = addSum(s.sum, x.Sum)
			if s.count%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			return s.list.Err()
		},
		Skip: func(name, reason string) { skipped.add(base+"/"+name, reason) },
	})
	if s.parcel != nil {
		s.parcel.samples = s.count
		err = errors.Join(err, s.parcel.giveUp(false)) // of the look at the first sample
	}
	return skipped, err
}

// addSum adds a sum to one of many, in their order.
func addSum(sum, next uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], next)
	return crc32.Update(sum, crc32.IEEETable, b[:])
}

// place finds the fields' members among those of a sample.
func (w *WebDataset) place(t *tarSample, x *webdataset.Sample) {
	t.key, t.off, t.note, t.places = x.Key, x.Off, "", t.places[:0]
	used, missing := 0, false
	for k := range w.members {
		p := tarPlace{ext: -1}
		for n, ext := range w.members[k].exts {
			if at := slices.IndexFunc(x.Entries, func(e webdataset.Entry) bool { return e.Ext == ext }); at >= 0 {
				p = tarPlace{ext: n, off: x.Entries[at].Off, size: x.Entries[at].Size}
				used++
				break
			}
		}
		missing = missing || p.ext < 0
		t.places = append(t.places, p)
	}
	if missing || w.chosen && used != len(x.Entries) {
		var there []string
		for _, e := range x.Entries {
			there = append(there, "."+e.Ext)
		}
		t.note = shorten(there)
	}
}

var errFound = errors.New("the first sample is found")

// peek returns the extensions of the first sample, and what reads its members by them.
func (w *WebDataset) peek(ctx context.Context, st Store) (exts []string, read func(ext string) ([]byte, error), err error) {
	for i := range w.shards {
		s := &w.shards[i]
		if err := s.open(ctx, st); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", shown(s.name), err)
		}
		var entries []webdataset.Entry
		var key string
		err := s.scan(ctx, webdataset.Visitor{Sample: func(x *webdataset.Sample) error {
			entries, key = slices.Clone(x.Entries), x.Key
			return errFound
		}})
		if err == nil {
			continue // an empty one
		}
		if !errors.Is(err, errFound) {
			return nil, nil, fmt.Errorf("%s: %w", shown(s.name), err)
		}
		for _, e := range entries {
			exts = append(exts, e.Ext)
		}
		if s.parcel != nil {
			s.parcel.samples = len(entries) // as often as it may be used before its samples are counted
		}
		return exts, func(ext string) ([]byte, error) {
			e := entries[slices.Index(exts, ext)]
			files, err := s.files(ctx, []tarPlace{{off: e.Off, size: e.Size}})
			if err != nil {
				return nil, fmt.Errorf("%s: sample %q: member .%s: %w", shown(s.name), key, ext, err)
			}
			return files[0], nil
		}, nil
	}
	return nil, nil, nil
}

// choose takes the fields that the first sample has.
func (w *WebDataset) choose(ctx context.Context, st Store) error {
	exts, read, err := w.peek(ctx, st)
	if err != nil {
		return err
	}
	if exts == nil {
		return errors.New("no samples in the shards, which would tell the fields; choose fields (--field)")
	}
	w.chosen = true
	if w.members, err = membersOf(exts); err != nil {
		return err
	}
	return w.complete(exts, read)
}

// settle finds dtype and shape of arrays where the specs don't tell.
func (w *WebDataset) settle(ctx context.Context, st Store) error {
	if !slices.ContainsFunc(w.members, func(m member) bool { return m.cell == cellNPY && m.open() }) {
		return nil
	}
	exts, read, err := w.peek(ctx, st)
	if err != nil || exts == nil {
		return err
	}
	return w.complete(exts, read)
}

// open says whether dtype or shape of an array are not told.
func (m *member) open() bool { return !m.spec.DType.Valid() || m.spec.Shape == nil }

// complete asks the files of the first sample for what the specs leave open.
func (w *WebDataset) complete(exts []string, read func(ext string) ([]byte, error)) error {
	for i := range w.members {
		m := &w.members[i]
		mask := w.chosen && m.cell == cellText && m.Name != "image" && strings.HasSuffix("."+m.exts[0], ".png")
		if !mask && !(m.cell == cellNPY && m.open()) {
			continue
		}
		for _, ext := range m.exts {
			if !slices.Contains(exts, ext) {
				continue
			}
			b, err := read(ext)
			if err != nil {
				return err
			}
			if err := m.settle(b, w.chosen); err != nil {
				return fmt.Errorf("the first sample's member .%s: %w", ext, err)
			}
			break
		}
		if m.cell == cellNPY && m.open() {
			return &SpecError{fmt.Errorf("field %q: no dtype or no shape, and the first sample has no member .%s to take them from", m.Name, strings.Join(m.exts, " or ."))}
		}
	}
	return nil
}

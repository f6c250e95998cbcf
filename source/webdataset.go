package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/roll"
)

// WebDatasetOptions are the choices of OpenWebDataset. Nil and the zero value are
// the defaults.
type WebDatasetOptions struct {
	// Classes are the names of the classes by label: those of the field of whole
	// numbers called label, or the only one. A member may then hold a class's name
	// instead of its number; a number that is none of theirs is an error.
	Classes []string

	// Store is where shards with URLs lie.
	Store Store
}

// WebDataset are the samples of WebDataset's shards: tar archives in which the
// members of a sample follow each other, with its key as their path up to the first
// dot of the base name. Archives may be compressed by gzip, zstd or bzip2.
//
// Without fields that are asked for, those are taken that the first sample has:
// "image", its one image, of whichever format; "label", the number in .cls; numbers
// of .index, .id and such; JSON; arrays of .npy; of the rest the bytes. A sample
// with other members than the first one is then an error. With fields, a sample has
// a member for each, and others are left aside. A sample's key is its path with the
// extension of its first image, or of its first field.
//
// Opening reads the headers of all shards, of those in a store all bytes, and keeps
// some ten bytes a sample and its key: in memory up to 256 KiB, beyond that in a
// file in os.TempDir. A compressed shard is unpacked into a file there while its
// samples are read. A shard that is broken is an error of opening, that names it and
// the place; a member that is missing, or holds something else, is one of its
// sample.
type WebDataset struct {
	shards  []tarShard
	members []member
	chosen  bool // by the first sample
	lists   []roll.Texts
	starts  []int // the number of each shard's first sample, and the total
	classes []string
	skipped skips
	closed  bool
}

// tarShard is one archive, whose samples follow each other in a list.
type tarShard struct {
	name   string
	blob   Blob
	parcel *parcel // nil: not compressed
	list   *roll.Texts
	first  int
	count  int
	sum    uint32 // of its samples' sums
}

// OpenWebDataset indexes shards, paths or URLs, with lists in braces and patterns,
// whose samples fill the fields of specs: a spec's column is the extensions of its
// members, "jpg;jpeg;png". Close it after its last use.
func OpenWebDataset(ctx context.Context, shards []string, specs []Spec, opts *WebDatasetOptions) (_ *WebDataset, err error) {
	if opts == nil {
		opts = &WebDatasetOptions{}
	}
	w := &WebDataset{classes: slices.Clone(opts.Classes)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("webdataset: %w", errors.Join(err, w.Close()))
		}
	}()
	l, err := labelsOf(w.classes)
	if err != nil {
		return nil, err
	}
	for _, s := range specs {
		m, err := newMember(s)
		if err != nil {
			return nil, err
		}
		w.members = append(w.members, m)
	}
	for _, name := range shards {
		if strings.HasPrefix(name, "pipe:") {
			return nil, fmt.Errorf("%q: programs are not run; expected a path or URL", name)
		}
	}
	names, err := expandShards(ctx, shards, opts.Store)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		w.shards = append(w.shards, tarShard{name: name})
	}
	if err := w.index(ctx, opts.Store); err != nil {
		return nil, err
	}
	at, err := checkLabels(w.specs(), l)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		w.members[at].labels = l
	}
	return w, nil
}

func (w *WebDataset) specs() (list []Spec) {
	for _, m := range w.members {
		list = append(list, m.Spec)
	}
	return list
}

// Len returns the number of samples.
func (w *WebDataset) Len() int { return w.starts[len(w.shards)] }

// Fields returns the fields of the specs, or those that were chosen.
func (w *WebDataset) Fields() (list []Field) {
	for _, m := range w.members {
		list = append(list, m.Field)
	}
	return list
}

// Classes returns the class names that were given. The slice is the source's own.
func (w *WebDataset) Classes() []string { return w.classes }

// Skipped returns the files that belong to no sample, by shard and path. The slice
// is the source's own.
func (w *WebDataset) Skipped() []Skip { return w.skipped.all("files") }

// Close closes the shards, which nobody may use meanwhile, nor samples that were
// read from them. A second Close does nothing.
func (w *WebDataset) Close() error {
	w.closed = true
	var errs []error
	for i := range w.shards {
		s := &w.shards[i]
		if s.parcel != nil {
			errs = append(errs, s.parcel.close())
		}
		if s.blob != nil {
			errs = append(errs, s.blob.Close())
			s.blob = nil
		}
	}
	for i := range w.lists {
		errs = append(errs, w.lists[i].Close())
	}
	return errors.Join(errs...)
}

// tarSample is a sample as the index has it.
type tarSample struct {
	key    string
	off    int64      // of its first header
	places []tarPlace // by field
	note   string     // the extensions that it has, if they are not those that are expected
}

// tarPlace is where a member is.
type tarPlace struct {
	ext       int // among those of the field; -1 missing
	off, size int64
}

// append writes a sample as text of a list.
func (s *tarSample) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.off))
	for _, p := range s.places {
		b = binary.AppendUvarint(b, uint64(p.ext+1))
		if p.ext >= 0 {
			b = binary.AppendUvarint(b, uint64(p.off-s.off))
			b = binary.AppendUvarint(b, uint64(p.size))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(s.note)))
	return append(append(b, s.note...), s.key...)
}

// parse reads what append wrote.
func (s *tarSample) parse(b []byte, members int) {
	next := func() int64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return int64(v)
	}
	s.off = next()
	s.places = slices.Grow(s.places[:0], members)
	for range members {
		p := tarPlace{ext: int(next()) - 1}
		if p.ext >= 0 {
			p.off = s.off + next()
			p.size = next()
		}
		s.places = append(s.places, p)
	}
	n := next()
	s.note, s.key = string(b[:n]), string(b[n:])
}

// locate returns the shard and the place of sample i.
func (w *WebDataset) locate(i int) (*tarShard, tarSample, error) {
	var t tarSample
	if i < 0 || i >= w.Len() {
		return nil, t, fmt.Errorf("webdataset: sample %d of %d", i, w.Len())
	}
	if w.closed {
		return nil, t, fmt.Errorf("webdataset: sample %d: %w", i, os.ErrClosed)
	}
	k := sort.SearchInts(w.starts, i+1) - 1
	s := &w.shards[k]
	t.parse(s.list.At(s.first+i-w.starts[k]), len(w.members))
	return s, t, nil
}

// Sample reads sample i: images, bytes and JSON as bytes, numbers as int64 and
// float64, arrays. Values of a local shard that is not compressed are borrowed from
// it until Close.
func (w *WebDataset) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	s, t, err := w.locate(i)
	if err != nil {
		return nil, "", err
	}
	key = w.keyOf(&t)
	if values, err = w.read(ctx, s, &t); err != nil {
		return nil, key, fmt.Errorf("%s: sample %q at byte %d: %w", shown(s.name), t.key, t.off, err)
	}
	return values, key, nil
}

// keyOf is the path of the sample's first image, or of its first field.
func (w *WebDataset) keyOf(t *tarSample) string {
	best := -1
	for k, p := range t.places {
		if p.ext < 0 {
			continue
		}
		if _, image := plainField(w.members[k].Field.Field).(fields.RGBImage); image {
			best = k
			break
		}
		if best < 0 {
			best = k
		}
	}
	if best < 0 {
		return t.key
	}
	return t.key + "." + w.members[best].exts[t.places[best].ext]
}

// check tells of members that are missing, and of those that the first sample did not
// have.
func (w *WebDataset) check(t *tarSample) error {
	for k, p := range t.places {
		if p.ext < 0 {
			m := &w.members[k]
			return fmt.Errorf("no member .%s for field %q; it has %s", strings.Join(m.exts, " or ."), m.Name, t.note)
		}
	}
	if t.note != "" {
		return fmt.Errorf("mixed fields: it has the members %s; those of the first sample make the fields %s: choose fields (--field)", t.note, w.names())
	}
	return nil
}

func (w *WebDataset) names() string {
	var list []string
	for _, m := range w.members {
		list = append(list, m.Name)
	}
	return strings.Join(list, ", ")
}

// together bounds what is between members that are read by one request.
const together = 1 << 20

// read returns the sample's values.
func (w *WebDataset) read(ctx context.Context, s *tarShard, t *tarSample) ([]any, error) {
	if err := w.check(t); err != nil {
		return nil, err
	}
	files, err := s.files(ctx, t.places)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(t.places))
	for k, p := range t.places {
		m := &w.members[k]
		if values[k], err = m.value(files[k]); err != nil {
			return nil, fmt.Errorf("member .%s at byte %d, field %q: %w", m.exts[p.ext], p.off, m.Name, err)
		}
	}
	return values, nil
}

// files returns the bytes of members of one sample: those of a store by one request
// where they lie together.
func (s *tarShard) files(ctx context.Context, places []tarPlace) ([][]byte, error) {
	list := make([][]byte, len(places))
	if s.parcel != nil {
		return list, s.parcel.use(ctx, func(data []byte) error {
			for k, p := range places {
				if end := p.off + p.size; end > int64(len(data)) {
					return fmt.Errorf("it ends at byte %d, and the archive unpacks to %d now", end, len(data))
				}
				if p.size > maxObject {
					return fmt.Errorf("%d bytes; a sample's file has at most %d", p.size, int64(maxObject))
				}
				list[k] = bytes.Clone(data[p.off:][:p.size])
			}
			return nil
		})
	}
	lo, hi, sum := places[0].off, int64(0), int64(0)
	for _, p := range places {
		lo, hi, sum = min(lo, p.off), max(hi, p.off+p.size), sum+p.size
	}
	if hi-lo <= sum+together {
		all, err := readBlob(ctx, s.blob, lo, hi-lo)
		if err != nil {
			return nil, err
		}
		for k, p := range places {
			list[k] = all[p.off-lo:][:p.size:p.size]
		}
		return list, nil
	}
	for k, p := range places {
		var err error
		if list[k], err = readBlob(ctx, s.blob, p.off, p.size); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SampleSize returns how many bytes the members of sample i have.
func (w *WebDataset) SampleSize(_ context.Context, i int) (size int64, err error) {
	_, t, err := w.locate(i)
	for _, p := range t.places {
		size += p.size
	}
	return size, err
}

// Identity looks at every shard: name, size and time of change; in a store, name,
// size and version.
func (w *WebDataset) Identity(context.Context) ([]Trait, error) {
	if w.closed {
		return nil, fmt.Errorf("webdataset: %w", os.ErrClosed)
	}
	shards := listed(len(w.shards), func(i int) (string, Blob) { return w.shards[i].name, w.shards[i].blob })
	return append([]Trait{{"shards", shards}}, w.columns()...), nil
}

// Traits are those of Identity that another copy of the shards has too: the keys,
// where the members are, and what is in the small ones.
func (w *WebDataset) Traits(ctx context.Context) ([]Trait, error) {
	files, err := w.Files(ctx, w.Len(), func(k int) int { return k })
	if err != nil {
		return nil, err
	}
	// Of shards that were written anew with other labels the places may be the same.
	var sum nameSum
	for i := range w.shards {
		sum.add(fmt.Sprintf("%08x", w.shards[i].sum))
	}
	return append([]Trait{{"members", files}, {"labels", "sum " + sum.String()}}, w.columns()...), nil
}

func (w *WebDataset) columns() (list []Trait) {
	for _, m := range w.members {
		list = append(list, Trait{"column of field " + m.Name, fmt.Sprintf("%q", strings.Join(m.exts, ";"))})
	}
	return list
}

// Files returns a sum over the keys, the places and the sizes of the members of n
// samples, those whose numbers at gives, with how many bytes they are.
func (w *WebDataset) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	var sum nameSum
	var size int64
	for k := range n {
		if k%4096 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		s, t, err := w.locate(at(k))
		if err != nil {
			return "", err
		}
		for _, p := range t.places {
			size += p.size
		}
		sum.add(fmt.Sprintf("%s\x00%d\x00%v\x00%s", path.Base(filepath.ToSlash(shown(s.name))), t.off, t.places, t.key))
	}
	return fmt.Sprintf("of %d samples, %d bytes, sum %s", n, size, sum.String()), nil
}

package source

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/internal/roll"
	"github.com/betongo/betongo/record/tfrecord"
)

// TFRecordOptions are the choices of OpenTFRecord. Nil and the zero value are the
// defaults.
type TFRecordOptions struct {
	// Classes are the names of the classes by label: those of the field of whole
	// numbers called label, or the only one. Its feature may then hold classes' names;
	// a number that is none of theirs is an error.
	Classes []string

	// Store is where files with URLs lie.
	Store Store
}

// TFRecord are the records of TensorFlow's files, plain or compressed by gzip or
// zlib, which must be messages tf.train.Example or tf.train.SequenceExample.
//
// Without specs the features of the first 16 records become fields:
// "image/encoded" is "image" and "image/class/label" is "label"; others keep their
// name, or of one that is too long the part behind its last '/'. Bytes are an RGB
// image where they begin as a JPEG or PNG does, or else bytes; a number is an int or
// a float; as many numbers in all of the records an array; other lists, and feature
// lists, JSON. A record with other features is then an error. With specs those
// features alone are taken that their Column names.
//
// A feature image/filename, filename, __key__ or key, the first that is there, holds
// the samples' keys and is no field unless it is asked for.
//
// Opening reads the lengths of all records, of files in a store all bytes, and keeps
// 8 bytes a record: in memory up to 256 KiB, beyond that in a file in os.TempDir. A
// compressed file is unpacked into a file there while its samples are read. A file
// that is cut off is an error of opening; a record's checksum is compared, and what
// is in it looked at, when its sample is read.
type TFRecord struct {
	shards  []tfShard
	columns []tfColumn
	known   map[string]bool // the features of the first records; nil with specs
	want    map[string]bool // those that are read
	key     string          // of the samples; "" for none
	lists   []roll.Numbers
	starts  []int // the number of each file's first sample, and the total
	classes []string
	closed  bool
}

// tfShard is one file, whose records begin where a part of a list tells.
type tfShard struct {
	name   string
	blob   Blob
	unpack func(r io.Reader) (io.ReadCloser, error) // nil: not compressed
	parcel *parcel
	list   *roll.Numbers
	first  int
	count  int
	size   int64  // of the file, unpacked
	sum    uint32 // of the records' checksums
}

// OpenTFRecord opens files, paths or URLs, with lists in braces and patterns. Close
// it after its last use.
func OpenTFRecord(ctx context.Context, files []string, specs []Spec, opts *TFRecordOptions) (_ *TFRecord, err error) {
	if opts == nil {
		opts = &TFRecordOptions{}
	}
	t := &TFRecord{classes: slices.Clone(opts.Classes)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("tfrecord: %w", errors.Join(err, t.Close()))
		}
	}()
	l, err := labelsOf(t.classes)
	if err != nil {
		return nil, err
	}
	names, err := expandShards(ctx, files, opts.Store)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		t.shards = append(t.shards, tfShard{name: name})
	}
	if err := t.choose(ctx, specs, opts.Store); err != nil {
		return nil, err
	}
	if err := t.index(ctx, opts.Store); err != nil {
		return nil, err
	}
	at, err := checkLabels(t.specs(), l)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		t.columns[at].labels = l
	}
	return t, nil
}

func (t *TFRecord) specs() (list []Spec) {
	for _, c := range t.columns {
		list = append(list, c.Spec)
	}
	return list
}

// open opens a file, unless it is open.
func (s *tfShard) open(ctx context.Context, st Store) error {
	if s.blob != nil {
		return nil
	}
	b, err := openBlob(ctx, s.name, st)
	if err != nil {
		return err
	}
	s.blob = b
	if s.unpack, err = tfPacking(ctx, b); err != nil || s.unpack == nil {
		return err
	}
	s.parcel = newParcel(func(ctx context.Context, to io.Writer) error {
		return unpackBlob(ctx, b, s.unpack, func(r io.Reader) error {
			_, err := io.Copy(to, r)
			return err
		})
	})
	return nil
}

// tfPacking says how a file is compressed: nil, with no error, for one that isn't.
func tfPacking(ctx context.Context, b Blob) (func(r io.Reader) (io.ReadCloser, error), error) {
	head, err := readBlob(ctx, b, 0, min(tfrecord.HeaderSize, b.Size()))
	if err != nil {
		return nil, err
	}
	if _, err := tfrecord.Length(head); err == nil || len(head) < 2 {
		return nil, nil
	}
	if head[0]&15 == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 && !bytes.HasPrefix(head, []byte("\x1f\x8b")) {
		return zlib.NewReader, nil
	}
	how, err := packing(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("no TFRecord: %w", err)
	}
	return how, nil
}

// scan finds the file's records.
func (s *tfShard) scan(ctx context.Context, found func(r io.ReaderAt, off, n int64) error) error {
	if s.unpack == nil {
		r := scanBlob(ctx, s.blob)
		return tfrecord.Scan(r, s.blob.Size(), func(off, n int64) error { return found(r, off, n) })
	}
	return unpackBlob(ctx, s.blob, s.unpack, func(r io.Reader) error {
		f := &forward{r: r}
		return tfrecord.Scan(f, -1, func(off, n int64) error { return found(f, off, n) })
	})
}

// index opens the files and finds their records, several files at a time.
func (t *TFRecord) index(ctx context.Context, st Store) error {
	t.lists = make([]roll.Numbers, min(listers, len(t.shards)))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for k := range t.lists {
		g.Go(func() error { // ends when all are taken, or with ctx
			for i := next.Add(1) - 1; i < int64(len(t.shards)); i = next.Add(1) - 1 {
				s := &t.shards[i]
				s.list, s.first = &t.lists[k], t.lists[k].Len()
				if err := s.index(ctx, st); err != nil {
					return fmt.Errorf("%s: %w", shown(s.name), err)
				}
			}
			return t.lists[k].Seal()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	total := 0
	for i := range t.shards {
		t.starts = append(t.starts, total)
		total += t.shards[i].count
	}
	t.starts = append(t.starts, total)
	return nil
}

func (s *tfShard) index(ctx context.Context, st Store) error {
	if err := s.open(ctx, st); err != nil {
		return err
	}
	err := s.scan(ctx, func(r io.ReaderAt, off, n int64) error {
		var foot [tfrecord.FooterSize]byte
		if k, err := r.ReadAt(foot[:], off+tfrecord.HeaderSize+n); k < len(foot) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return &tfrecord.FormatError{Record: int64(s.count), Offset: off, Msg: fmt.Sprintf("its checksum: %v", err)}
		}
		s.sum = addSum(s.sum, binary.LittleEndian.Uint32(foot[:]))
		s.list.Append(off)
		s.count++
		s.size = off + tfrecord.HeaderSize + n + tfrecord.FooterSize
		if s.count%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return s.list.Err()
	})
	if s.parcel != nil {
		s.parcel.samples = s.count
	}
	return err
}

// Len returns the number of records.
func (t *TFRecord) Len() int { return t.starts[len(t.shards)] }

// Fields returns the fields of the specs, or those that were chosen.
func (t *TFRecord) Fields() (list []Field) {
	for _, c := range t.columns {
		list = append(list, c.Field)
	}
	return list
}

// Classes returns the class names that were given. The slice is the source's own.
func (t *TFRecord) Classes() []string { return t.classes }

// locate returns the file of sample i, its number there, and where its record
// begins and ends.
func (t *TFRecord) locate(i int) (s *tfShard, n int, off, end int64, err error) {
	if t.closed {
		return nil, 0, 0, 0, fmt.Errorf("tfrecord: sample %d: %w", i, os.ErrClosed)
	}
	if i < 0 || i >= t.Len() {
		return nil, 0, 0, 0, fmt.Errorf("tfrecord: sample %d of %d", i, t.Len())
	}
	k := sort.SearchInts(t.starts, i+1) - 1
	s, n = &t.shards[k], i-t.starts[k]
	off, end = s.list.At(s.first+n), s.size
	if n+1 < s.count {
		end = s.list.At(s.first + n + 1)
	}
	return s, n, off, end, nil
}

// Sample reads record i. Its values may borrow from a local file, until Close.
func (t *TFRecord) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	s, n, off, end, err := t.locate(i)
	if err != nil {
		return nil, "", err
	}
	values, key, err = t.read(ctx, s, off, end)
	if err != nil {
		return nil, key, fmt.Errorf("%s: record %d at byte %d: %w", shown(s.name), n, off, err)
	}
	return values, key, nil
}

func (t *TFRecord) read(ctx context.Context, s *tfShard, off, end int64) (values []any, key string, err error) {
	var b []byte
	if s.parcel != nil {
		err = s.parcel.use(ctx, func(data []byte) error {
			if end > int64(len(data)) {
				return fmt.Errorf("it ends at byte %d, and the file unpacks to %d now", end, len(data))
			}
			b = bytes.Clone(data[off:end])
			return nil
		})
	} else {
		b, err = readBlob(ctx, s.blob, off, end-off)
	}
	if err == nil {
		b, err = tfrecord.Payload(b)
	}
	if err != nil {
		return nil, "", err
	}
	e, err := t.parse(b)
	if err != nil {
		return nil, "", err
	}
	key = t.keyOf(e)
	values = make([]any, len(t.columns))
	for k := range t.columns {
		c := &t.columns[k]
		if values[k], err = c.value(e); err != nil {
			return nil, key, fmt.Errorf("feature %q, field %q: %w", c.Column, c.Name, err)
		}
	}
	return values, key, nil
}

// parse reads the features of a record that are needed.
func (t *TFRecord) parse(b []byte) (*tfrecord.Example, error) {
	unknown := ""
	e, err := tfrecord.Parse(b, func(name string) bool {
		if t.known != nil && !t.known[name] {
			unknown = name
		}
		return t.want[name]
	})
	if err == nil && unknown != "" {
		err = fmt.Errorf("mixed fields: it has the feature %q, and none of the first records does: choose fields (--field)", unknown)
	}
	return e, err
}

// keyOf returns the sample's key.
func (t *TFRecord) keyOf(e *tfrecord.Example) string {
	f := e.Feature(t.key)
	if t.key == "" || f == nil || f.Kind != tfrecord.Bytes || len(f.Bytes) != 1 {
		return ""
	}
	return keyOf(string(f.Bytes[0]))
}

// SampleSize returns how many bytes record i has.
func (t *TFRecord) SampleSize(_ context.Context, i int) (int64, error) {
	_, _, off, end, err := t.locate(i)
	return end - off, err
}

// Identity looks at every file: name, size and time of change; in a store, name,
// size and version.
func (t *TFRecord) Identity(context.Context) ([]Trait, error) {
	if t.closed {
		return nil, fmt.Errorf("tfrecord: %w", os.ErrClosed)
	}
	files := listed(len(t.shards), func(i int) (string, Blob) { return t.shards[i].name, t.shards[i].blob })
	return append([]Trait{{"files", files}}, t.features()...), nil
}

// Traits are those of Identity that another copy of the files has too: where the
// records lie, and their checksums.
func (t *TFRecord) Traits(ctx context.Context) ([]Trait, error) {
	places, err := t.Files(ctx, t.Len(), func(k int) int { return k })
	if err != nil {
		return nil, err
	}
	// Records of the same sizes may hold other labels.
	var sum nameSum
	for i := range t.shards {
		sum.add(fmt.Sprintf("%08x", t.shards[i].sum))
	}
	return append([]Trait{{"records", places}, {"checksums", "sum " + sum.String()}}, t.features()...), nil
}

func (t *TFRecord) features() (list []Trait) {
	for _, c := range t.columns {
		list = append(list, Trait{"feature of field " + c.Name, fmt.Sprintf("%q", c.Column)})
	}
	return list
}

// Files returns a sum over the places of n records, those whose numbers at gives,
// with how many bytes they are.
func (t *TFRecord) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	var sum nameSum
	var size int64
	for k := range n {
		if k%4096 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		s, _, off, end, err := t.locate(at(k))
		if err != nil {
			return "", err
		}
		size += end - off
		sum.add(fmt.Sprintf("%s\x00%d\x00%d", path.Base(filepath.ToSlash(shown(s.name))), off, end))
	}
	return fmt.Sprintf("%d, %d bytes, sum %s", n, size, sum.String()), nil
}

// Close closes the files, which nobody may use meanwhile, nor samples that were read
// from them. A second Close does nothing.
func (t *TFRecord) Close() error {
	t.closed = true
	var errs []error
	for i := range t.shards {
		s := &t.shards[i]
		if s.parcel != nil {
			errs = append(errs, s.parcel.close())
		}
		if s.blob != nil {
			errs = append(errs, s.blob.Close())
			s.blob = nil
		}
	}
	for i := range t.lists {
		errs = append(errs, t.lists[i].Close())
	}
	return errors.Join(errs...)
}

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/betongo/betongo/internal/roll"
	"github.com/betongo/betongo/record/mds"
)

// MDSOptions are the choices of OpenMDS. Nil and the zero value are the defaults.
type MDSOptions struct {
	// Classes are the names of the classes by label: those of the field of whole
	// numbers called label, or the only one. Its column may then hold classes' names
	// (str); a number that is none of theirs is an error.
	Classes []string

	// Store is where datasets with URLs lie.
	Store Store
}

// MDS are the samples of datasets of MosaicML Streaming, one after another: folders
// with an index.json and the shards that it lists, raw or compressed.
//
// Without fields that are asked for, all columns are taken, by their encodings:
// jpeg, png and pil are images, int and the other whole types numbers, and so on;
// text and lists of images are bytes as they are stored. A column of text called
// __key__, key or filename, the first that is there, holds the samples' keys and is
// no field then; of other datasets a sample's key is its shard and its number in it,
// "shard.00000.mds:17". Pickled columns are refused unless only others are asked for.
//
// Files on the local disk are mapped. Compressed shards, and those in a store of
// which the index has a hash, are fetched whole, into a file in os.TempDir while
// their samples are read; of other shards in a store the samples are read by
// ranges. A shard's hash is compared once, before the first of its samples is read.
// A shard of another size than the index says is an error of opening; other things
// that are wrong in a shard are errors of the samples.
type MDS struct {
	shards  []mdsShard
	columns []mdsColumn
	key     int        // the column of keys, -1 none
	tables  roll.Texts // of shards that are read by ranges
	starts  []int      // the number of each shard's first sample, and the total
	classes []string
	closed  bool
}

// mdsShard is one shard.
type mdsShard struct {
	*mds.Shard
	name   string // of the file that is read
	blob   Blob
	parcel *parcel // nil: the samples are read from the blob
	ranges bool    // by the table
	table  mds.Table

	once    sync.Once // of a shard in memory
	checked error
}

// OpenMDS opens datasets, folders or URLs of folders (or of their index.json), whose
// samples fill the fields of specs: a spec's column is one of theirs. All shards must
// have the same columns. Close it after its last use.
func OpenMDS(ctx context.Context, dirs []string, specs []Spec, opts *MDSOptions) (_ *MDS, err error) {
	if opts == nil {
		opts = &MDSOptions{}
	}
	m := &MDS{classes: slices.Clone(opts.Classes), key: -1}
	defer func() {
		if err != nil {
			err = fmt.Errorf("mds: %w", errors.Join(err, m.Close()))
		}
	}()
	if len(dirs) == 0 {
		return nil, errors.New("no folders; expected at least one with an index.json")
	}
	l, err := labelsOf(m.classes)
	if err == nil {
		err = eachOnce(dirs)
	}
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if err := m.openIndex(ctx, dir, opts.Store); err != nil {
			return nil, err
		}
	}
	if err := m.choose(specs); err != nil {
		return nil, err
	}
	if err := m.openShards(ctx, opts.Store); err != nil {
		return nil, err
	}
	if err := m.settle(ctx); err != nil {
		return nil, err
	}
	var list []Spec
	for _, c := range m.columns {
		list = append(list, c.Spec)
	}
	at, err := checkLabels(list, l)
	if err == nil && at >= 0 {
		m.columns[at].labels = l
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

const mdsIndex = "index.json"

// maxIndex bounds an index, which has some hundred bytes a shard.
const maxIndex = 1 << 30

// openIndex adds the shards of a dataset.
func (m *MDS) openIndex(ctx context.Context, dir string, st Store) error {
	name := join(dir, mdsIndex)
	if base(dir) == mdsIndex {
		name = dir
		dir = join(dir, "..")
	}
	b, err := openBlob(ctx, name, st)
	if err != nil {
		return err
	}
	defer b.Close()
	if n := b.Size(); n > maxIndex {
		return fmt.Errorf("%s: %d bytes; an index has at most %d", shown(name), n, maxIndex)
	}
	text, err := readBlob(ctx, b, 0, b.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", shown(name), err)
	}
	shards, err := mds.ParseIndex(text)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(name), err)
	}
	for i := range shards {
		s := &shards[i]
		if len(m.shards) > 0 && !slices.Equal(s.Columns, m.shards[0].Columns) {
			return fmt.Errorf("%s: mixed columns: shard %s has %v; that of %s are %v", shown(name), s.Raw.Name, s.Columns, shown(m.shards[0].name), m.shards[0].Columns)
		}
		m.shards = append(m.shards, mdsShard{Shard: s, name: join(dir, s.Raw.Name)})
	}
	return nil
}

// join returns the path or URL of a file by its name relative to a folder's, with
// '/'; ".." is the folder that the file lies in. A URL of the web keeps its query.
func join(dir, name string) string {
	if !far(dir) {
		return filepath.Join(dir, filepath.FromSlash(name))
	}
	query := ""
	if web(dir) {
		if i := strings.IndexAny(dir, "?#"); i >= 0 {
			dir, query = dir[:i], dir[i:]
		}
	}
	scheme, rest, _ := strings.Cut(dir, "://")
	host, key, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + path.Join("/", key, name) + query
}

// base is the last part of a path, or of a URL without its query.
func base(name string) string { return path.Base(filepath.ToSlash(shown(name))) }

// openShards opens the shards, several at a time.
func (m *MDS) openShards(ctx context.Context, st Store) error {
	heads := make([][]byte, len(m.shards))
	err := each1(ctx, len(m.shards), func(i int) (err error) {
		s := &m.shards[i]
		if heads[i], err = s.open(ctx, st); err != nil {
			err = fmt.Errorf("%s: %w", shown(s.name), err)
		}
		return err
	})
	if err != nil {
		return err
	}
	total := 0
	for i := range m.shards {
		m.tables.Append(string(heads[i]))
		heads[i] = nil
		m.starts = append(m.starts, total)
		total += m.shards[i].Samples
	}
	m.starts = append(m.starts, total)
	if err := m.tables.Seal(); err != nil {
		return err
	}
	for i := range m.shards {
		if s := &m.shards[i]; s.ranges {
			if s.table, err = s.Table(m.tables.At(i), s.Raw.Size); err != nil {
				return fmt.Errorf("%s: %w", shown(s.name), err)
			}
		}
	}
	return nil
}

// open opens a shard, and returns its table if its samples are read by ranges.
func (s *mdsShard) open(ctx context.Context, st Store) (table []byte, err error) {
	file := &s.Raw
	if s.Zip != nil && (far(s.name) || !onDisk(s.name)) {
		file = s.Zip
		s.name = join(join(s.name, ".."), base(file.Name))
	}
	if s.blob, err = openBlob(ctx, s.name, st); err != nil {
		return nil, err
	}
	if n := s.blob.Size(); n != file.Size {
		return nil, fmt.Errorf("%d bytes; the index says %d", n, file.Size)
	}
	_, hash := file.NewHash()
	if file == s.Zip || far(s.name) && hash != nil {
		s.parcel = newParcel(s.fetch(file))
		s.parcel.samples = s.Samples
		return nil, nil
	}
	if _, ok := s.blob.(lender); ok && !far(s.name) {
		return nil, nil
	}
	s.ranges = true
	return readBlob(ctx, s.blob, 0, min(s.TableSize(), s.blob.Size()))
}

// Len returns the number of samples.
func (m *MDS) Len() int { return m.starts[len(m.shards)] }

// Fields returns the fields of the specs, or those that the columns make.
func (m *MDS) Fields() (list []Field) {
	for _, c := range m.columns {
		list = append(list, c.Field)
	}
	return list
}

// Classes returns the class names that were given. The slice is the source's own.
func (m *MDS) Classes() []string { return m.classes }

// Close closes the shards, which nobody may use meanwhile, nor samples that were
// read from them. A second Close does nothing.
func (m *MDS) Close() error {
	m.closed = true
	var errs []error
	for i := range m.shards {
		s := &m.shards[i]
		if s.parcel != nil {
			errs = append(errs, s.parcel.close())
		}
		if s.blob != nil {
			errs = append(errs, s.blob.Close())
			s.blob = nil
		}
	}
	return errors.Join(append(errs, m.tables.Close())...)
}

// locate returns the shard of sample i, and its number there.
func (m *MDS) locate(i int) (*mdsShard, int, error) {
	if i < 0 || i >= m.Len() {
		return nil, 0, fmt.Errorf("mds: sample %d of %d", i, m.Len())
	}
	if m.closed {
		return nil, 0, fmt.Errorf("mds: sample %d: %w", i, os.ErrClosed)
	}
	k := sort.SearchInts(m.starts, i+1) - 1
	return &m.shards[k], i - m.starts[k], nil
}

// Sample reads sample i: images and bytes as bytes, numbers as int64 and float64,
// arrays. Values of a local shard that is not compressed are borrowed from it until
// Close.
func (m *MDS) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	s, n, err := m.locate(i)
	if err != nil {
		return nil, "", err
	}
	key = fmt.Sprintf("%s:%d", path.Base(s.Raw.Name), n)
	fail := func(err error) ([]any, string, error) {
		return nil, key, fmt.Errorf("%s: sample %d: %w", shown(s.name), n, err)
	}
	b, err := m.sample(ctx, s, n)
	if err != nil {
		return fail(err)
	}
	cells, err := s.Values(nil, b)
	if err != nil {
		return fail(err)
	}
	if m.key >= 0 {
		text, err := s.Encodings[m.key].Decode(cells[m.key])
		if err != nil {
			return fail(fmt.Errorf("column %q: %w", s.Columns[m.key].Name, err))
		}
		key = text.(string)
	}
	values = make([]any, len(m.columns))
	for k := range m.columns {
		c := &m.columns[k]
		if values[k], err = c.value(cells[c.at]); err != nil {
			return nil, key, fmt.Errorf("%s: sample %d (%q): column %q: %w", shown(s.name), n, key, s.Columns[c.at].Name, err)
		}
	}
	return values, key, nil
}

// sample returns the bytes of a sample of a shard.
func (m *MDS) sample(ctx context.Context, s *mdsShard, n int) (b []byte, err error) {
	switch {
	case s.parcel != nil:
		err = s.parcel.use(ctx, func(data []byte) error {
			borrowed, err := s.Shard.Sample(data, n)
			b = slices.Clone(borrowed)
			return err
		})
		return b, err
	case s.ranges:
		off, size := s.table.Span(n)
		return readBlob(ctx, s.blob, off, size)
	}
	data, err := readBlob(ctx, s.blob, 0, s.blob.Size()) // borrowed
	if err != nil {
		return nil, err
	}
	s.once.Do(func() { s.checked = s.Raw.Check(data) })
	if s.checked != nil {
		return nil, s.checked
	}
	return s.Shard.Sample(data, n)
}

// SampleSize returns how many bytes sample i has; of shards that are fetched whole,
// how many their samples have on average.
func (m *MDS) SampleSize(ctx context.Context, i int) (int64, error) {
	s, n, err := m.locate(i)
	switch {
	case err != nil:
		return 0, err
	case s.parcel != nil:
		return (s.Raw.Size - s.TableSize()) / int64(s.Samples), nil
	case s.ranges:
		_, size := s.table.Span(n)
		return size, nil
	}
	data, err := readBlob(ctx, s.blob, 0, s.blob.Size()) // borrowed
	if err != nil {
		return 0, err
	}
	b, err := s.Shard.Sample(data, n)
	if err != nil {
		return 0, nil // reading it will tell why
	}
	return int64(len(b)), nil
}

// Identity looks at every shard: name, size and time of change; in a store, name,
// size and version.
func (m *MDS) Identity(context.Context) ([]Trait, error) {
	if m.closed {
		return nil, fmt.Errorf("mds: %w", os.ErrClosed)
	}
	shards := listed(len(m.shards), func(i int) (string, Blob) { return m.shards[i].name, m.shards[i].blob })
	return append([]Trait{{"shards", shards}}, m.traits()...), nil
}

// Traits are those of Identity that another copy of the dataset has too: what the
// index says of the shards.
func (m *MDS) Traits(context.Context) ([]Trait, error) {
	if m.closed {
		return nil, fmt.Errorf("mds: %w", os.ErrClosed)
	}
	var sum nameSum
	for i := range m.shards {
		sum.add(m.shards[i].told())
	}
	return append([]Trait{{"shards", fmt.Sprintf("%d of %d samples, sum %s", len(m.shards), m.Len(), sum.String())}}, m.traits()...), nil
}

// told is what the index says of the raw shard.
func (s *mdsShard) told() string {
	hash, _ := s.Raw.NewHash()
	return fmt.Sprintf("%s\x00%d\x00%d\x00%s", s.Raw.Name, s.Samples, s.Raw.Size, s.Raw.Hashes[hash])
}

func (m *MDS) traits() (list []Trait) {
	for _, c := range m.columns {
		list = append(list, Trait{"column of field " + c.Name, fmt.Sprintf("%q, encoding %s", c.Column, c.encoding)})
	}
	return list
}

// Files returns a sum over what the index says of the shards of n samples, those
// whose numbers at gives.
func (m *MDS) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	used := map[*mdsShard]bool{}
	for k := range n {
		if k%4096 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		s, _, err := m.locate(at(k))
		if err != nil {
			return "", err
		}
		used[s] = true
	}
	var sum nameSum
	for i := range m.shards {
		if s := &m.shards[i]; used[s] {
			sum.add(s.told())
		}
	}
	return fmt.Sprintf("%d shards, sum %s", len(used), sum.String()), nil
}

package dataset

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// IndexVersion is the version of the indexes that Marshal writes and the newest
// that ParseIndex reads. What a reader may ignore is added without a new one.
const IndexVersion = 1

// mostPageSize is that of the files which are read.
const mostPageSize = 2 << 30

// Index lists files that are one dataset, one after another, with what opening
// needs to know of each, so that opening it opens none of them. It is written
// as JSON whose first key is "betongo_index": see docs/scaling.md.
type Index struct {
	Samples  int64 // of all shards
	PageSize int64 // the largest of the shards'
	Fields   []IndexField
	Classes  []string // nil: the shards name none
	Shards   []IndexShard
}

// IndexField is a field as a file's descriptor has it.
type IndexField struct {
	Name string
	Type fields.TypeID
	Args []byte // of the descriptor, without the zeros behind them
}

// IndexShard is a file of an Index.
type IndexShard struct {
	// Path is relative to the folder of the index, with '/', or absolute, or a
	// URL.
	Path       string
	Size       int64  // of the file, in bytes
	Samples    int64  // their number
	AllocTable uint64 // offset of the file's allocation table, as its header has it
	SHA256     string // of the file, in hexadecimal; "" where it is not known
	// Sum is that of the file's ffcv.Identity, nil where it is not known: with it
	// the dataset tells its own without opening the file.
	Sum *uint32
}

type indexJSON struct {
	Version  int         `json:"betongo_index"`
	Samples  int64       `json:"samples"`
	PageSize int64       `json:"page_size"`
	Fields   []fieldJSON `json:"fields"`
	Classes  []string    `json:"classes,omitempty"`
	Shards   []shardJSON `json:"shards"`
}

type fieldJSON struct {
	Name string        `json:"name"`
	Type fields.TypeID `json:"type"`
	Args string        `json:"args,omitempty"` // base64
}

type shardJSON struct {
	Path       string  `json:"path"`
	Size       int64   `json:"size"`
	Samples    int64   `json:"samples"`
	AllocTable uint64  `json:"alloc_table"`
	SHA256     string  `json:"sha256,omitempty"`
	Sum        *uint32 `json:"sum,omitempty"`
}

// ParseIndex reads an index and checks all of it, but for what only the shards
// know. One of a newer version is an error that says so.
func ParseIndex(b []byte) (*Index, error) {
	x, err := parseIndex(b)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return x, nil
}

func parseIndex(b []byte) (*Index, error) {
	version, err := indexVersion(b)
	if err != nil {
		return nil, err
	}
	if version != IndexVersion {
		return nil, fmt.Errorf("version %d, this package reads %d", version, IndexVersion)
	}
	var j indexJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&j); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value: something follows at byte %d", dec.InputOffset())
	}
	x := &Index{Samples: j.Samples, PageSize: j.PageSize, Classes: j.Classes}
	for i, f := range j.Fields {
		args, err := base64.StdEncoding.DecodeString(f.Args)
		if err != nil {
			return nil, fmt.Errorf("field %d, %q: arguments: %w", i, f.Name, err)
		}
		x.Fields = append(x.Fields, IndexField{f.Name, f.Type, args})
	}
	x.Shards = make([]IndexShard, len(j.Shards))
	for i, s := range j.Shards {
		x.Shards[i] = IndexShard(s)
	}
	return x, x.check()
}

// indexVersion tells an index from other JSON by its first key.
func indexVersion(b []byte) (version int64, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var key, value json.Token
	if open, err := dec.Token(); err != nil {
		return 0, noIndex(err)
	} else if open != json.Delim('{') {
		return 0, noIndex(fmt.Errorf("it begins with %v", open))
	}
	if key, err = dec.Token(); err != nil {
		return 0, noIndex(err)
	}
	if key != "betongo_index" {
		return 0, noIndex(fmt.Errorf("the first key is %v", key))
	}
	if value, err = dec.Token(); err != nil {
		return 0, noIndex(err)
	}
	n, ok := value.(json.Number)
	if ok {
		version, err = n.Int64()
	}
	if !ok || err != nil {
		return 0, noIndex(fmt.Errorf("version %v", value))
	}
	return version, nil
}

func noIndex(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf(`not one: want JSON that begins with {"betongo_index": %d: %w`, IndexVersion, err)
}

// check looks at everything that the index says.
func (x *Index) check() error {
	if p := x.PageSize; p < ffcv.MinPageSize || p > mostPageSize || p&(p-1) != 0 {
		return fmt.Errorf("page size %d, want a power of two from %d to %d", p, ffcv.MinPageSize, mostPageSize)
	}
	if len(x.Shards) == 0 {
		return errors.New("no shards")
	}
	if err := x.checkFields(); err != nil {
		return err
	}
	sum, paths := int64(0), make(map[string]int, len(x.Shards))
	for i := range x.Shards {
		s := &x.Shards[i]
		if err := s.check(); err != nil {
			return fmt.Errorf("shard %d, %q: %w", i, s.Path, err)
		}
		if k, twice := paths[s.Path]; twice {
			return fmt.Errorf("shard %d, %q: it is shard %d too", i, s.Path, k)
		}
		paths[s.Path] = i
		if s.Samples > math.MaxInt64-sum {
			return fmt.Errorf("shard %d, %q: %d samples and those before it are too many", i, s.Path, s.Samples)
		}
		sum += s.Samples
	}
	if sum != x.Samples {
		return fmt.Errorf("%d samples, those of the shards are %d", x.Samples, sum)
	}
	return nil
}

func (x *Index) checkFields() error {
	if n := len(x.Fields); n == 0 || n > ffcv.MaxFields {
		return fmt.Errorf("%d fields, want 1 to %d", n, ffcv.MaxFields)
	}
	names := make([]string, len(x.Fields))
	for i, f := range x.Fields {
		if names[i] = f.Name; len(f.Args) > fields.ArgsSize {
			return fmt.Errorf("field %d, %q: %d bytes of arguments, a descriptor has %d", i, f.Name, len(f.Args), fields.ArgsSize)
		}
	}
	return ffcv.CheckNames(names)
}

func (s *IndexShard) check() error {
	switch {
	case s.Path == "" || strings.ContainsRune(s.Path, 0) || !utf8.ValidString(s.Path):
		return errors.New("this is no path")
	case s.Samples < 0:
		return fmt.Errorf("%d samples", s.Samples)
	case s.Size < ffcv.HeaderSize || s.AllocTable < ffcv.HeaderSize || s.AllocTable > uint64(s.Size):
		return fmt.Errorf("%d bytes, allocation table at byte %d: want both after the header's %d, the table inside", s.Size, s.AllocTable, ffcv.HeaderSize)
	case s.SHA256 == "":
		return nil
	}
	if b, err := hex.DecodeString(s.SHA256); err != nil || len(b) != 32 {
		return fmt.Errorf("sha256 %q, want 64 hexadecimal digits", s.SHA256)
	}
	return nil
}

// Marshal returns the index as JSON, a shard a line. What ParseIndex would
// refuse is an error.
func (x *Index) Marshal() ([]byte, error) {
	if err := x.check(); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	head := indexJSON{Version: IndexVersion, Samples: x.Samples, PageSize: x.PageSize, Classes: x.Classes, Fields: make([]fieldJSON, len(x.Fields)), Shards: []shardJSON{}}
	for i, f := range x.Fields {
		head.Fields[i] = fieldJSON{f.Name, f.Type, base64.StdEncoding.EncodeToString(f.Args)}
	}
	b, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	b = bytes.TrimSuffix(b, []byte("]}"))
	for i := range x.Shards {
		line, err := json.Marshal(shardJSON(x.Shards[i]))
		if err != nil {
			return nil, fmt.Errorf("index: shard %d: %w", i, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '\n'), line...)
	}
	return append(b, "\n]}\n"...), nil
}

// NewIndex makes the index of files, which stand in it under these paths. They
// must go together as NewConcat's members do. Of each it reads what an
// ffcv.Identity takes, so that a loader's state is the same whether the files
// were opened by the index or by their names.
func NewIndex(files []*ffcv.File, paths []string) (*Index, error) {
	if len(files) != len(paths) {
		return nil, fmt.Errorf("index: %d files, %d paths", len(files), len(paths))
	}
	members := make([]Dataset, len(files))
	for i, f := range files {
		members[i] = f
	}
	c, err := NewConcat(members...)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	x := &Index{Samples: int64(c.Len()), Classes: c.Classes(), Shards: make([]IndexShard, len(files))}
	for _, f := range files[0].Fields() {
		d := IndexField{Name: f.Name, Type: f.Type}
		if f.Args != nil {
			d.Args = bytes.TrimRight(f.Args[:], "\x00")
		}
		x.Fields = append(x.Fields, d)
	}
	err = eachPath(paths, func(i int) error {
		id, err := files[i].Identity()
		h := files[i].Header()
		x.Shards[i] = IndexShard{Path: filepath.ToSlash(paths[i]), Size: id.Size, Samples: int64(id.Samples), AllocTable: h.AllocTable, Sum: &id.Sum}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	for _, f := range files {
		x.PageSize = max(x.PageSize, int64(f.Header().PageSize))
	}
	if err := x.check(); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return x, nil
}

// bind returns the index's fields as a file of no samples has them: bound, and
// placed in a row.
func (x *Index) bind(name string, opts *ffcv.OpenOptions) (list []ffcv.Field, row int, err error) {
	at := ffcv.HeaderSize + len(x.Fields)*ffcv.DescriptorSize
	b := make([]byte, at)
	h := ffcv.Header{Version: ffcv.Version, NumFields: uint16(len(x.Fields)), PageSize: uint32(x.PageSize), AllocTable: uint64(at)}
	h.Put(b)
	for i, f := range x.Fields {
		d := ffcv.FieldDesc{Type: f.Type, Name: f.Name}
		copy(d.Args[:], f.Args)
		d.Put(b[ffcv.HeaderSize+i*ffcv.DescriptorSize:])
	}
	f, err := ffcv.New(ffcv.ReaderAtSource(name, bytes.NewReader(b), int64(len(b))), opts)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	return f.Fields(), f.RowSize(), nil
}

package mds

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// File is a file of a dataset, as the index tells of it.
type File struct {
	Name   string // relative to the index, with '/'
	Size   int64
	Hashes map[string]string // in hex, by the algorithm's name
}

// Shard is a shard of a dataset, as the index tells of it. It is not changed once
// parsed, and safe for concurrent use.
type Shard struct {
	Columns   []Column
	Encodings []Encoding // of the columns
	Samples   int
	Raw       File

	// Zip is the file that unpacks to Raw, nil where there is none; Compression is
	// how: br, bz2, gz, snappy or zstd.
	Zip         *File
	Compression string
}

// infoJSON and shardJSON are what an index says.
type infoJSON struct {
	Basename string            `json:"basename"`
	Bytes    int64             `json:"bytes"`
	Hashes   map[string]string `json:"hashes"`
}

type shardJSON struct {
	Version     int       `json:"version"`
	Format      string    `json:"format"`
	Compression *string   `json:"compression"`
	Names       []string  `json:"column_names"`
	Encodings   []string  `json:"column_encodings"`
	Sizes       []*int64  `json:"column_sizes"`
	Samples     int64     `json:"samples"`
	Raw         *infoJSON `json:"raw_data"`
	Zip         *infoJSON `json:"zip_data"`
}

// ParseIndex reads the text of an index.json.
func ParseIndex(text []byte) ([]Shard, error) {
	var index struct {
		Version *int         `json:"version"`
		Shards  *[]shardJSON `json:"shards"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("mds: index: %w", err)
	}
	switch {
	case index.Version == nil || index.Shards == nil:
		return nil, errors.New(`mds: index: no "version" and "shards" in it; expected the index.json of MosaicML Streaming`)
	case *index.Version != 2:
		return nil, fmt.Errorf("mds: index: version %d; expected 2", *index.Version)
	}
	list := make([]Shard, 0, len(*index.Shards))
	for i, j := range *index.Shards {
		s, err := j.shard()
		if err != nil {
			return nil, fmt.Errorf("mds: index: shard %d: %w", i, err)
		}
		list = append(list, s)
	}
	return list, nil
}

func (j *shardJSON) shard() (s Shard, err error) {
	switch {
	case j.Format != "mds":
		return s, fmt.Errorf("format %q; expected mds", j.Format)
	case j.Version != 2:
		return s, fmt.Errorf("version %d; expected 2", j.Version)
	case j.Raw == nil:
		return s, errors.New("no raw_data")
	case len(j.Names) == 0 || len(j.Names) > maxColumns || len(j.Encodings) != len(j.Names) || len(j.Sizes) != len(j.Names):
		return s, fmt.Errorf("%d columns, %d encodings and %d sizes of them", len(j.Names), len(j.Encodings), len(j.Sizes))
	case j.Samples < 0 || j.Samples > math.MaxUint32:
		return s, fmt.Errorf("%d samples", j.Samples)
	}
	s.Samples = int(j.Samples)
	if s.Raw, err = j.Raw.file(); err != nil {
		return s, err
	}
	if s.Raw.Size > math.MaxUint32 {
		return s, fmt.Errorf("%s: %d bytes; a shard has at most %d", s.Raw.Name, s.Raw.Size, uint32(math.MaxUint32))
	}
	if j.Zip != nil {
		zip, err := j.Zip.file()
		if err != nil {
			return s, err
		}
		if j.Compression == nil {
			return s, fmt.Errorf("%s: no compression is told", zip.Name)
		}
		s.Zip = &zip
		s.Compression, _, _ = strings.Cut(*j.Compression, ":")
		if !unpacks(s.Compression) {
			return s, fmt.Errorf("%s: compression %q; expected br, bz2, gz, snappy or zstd", zip.Name, *j.Compression)
		}
	}
	return s, s.columns(j)
}

func (j *infoJSON) file() (File, error) {
	if err := checkName(j.Basename); err != nil {
		return File{}, err
	}
	if j.Bytes < 0 {
		return File{}, fmt.Errorf("%s: %d bytes", j.Basename, j.Bytes)
	}
	return File{Name: j.Basename, Size: j.Bytes, Hashes: j.Hashes}, nil
}

func (s *Shard) columns(j *shardJSON) error {
	seen := make(map[string]bool, len(j.Names))
	for i, name := range j.Names {
		e, err := ParseEncoding(j.Encodings[i])
		if err != nil {
			return fmt.Errorf("column %q: %w", name, err)
		}
		if seen[name] {
			return fmt.Errorf("two columns are called %q", name)
		}
		seen[name] = true
		told := int64(0)
		if p := j.Sizes[i]; p != nil {
			told = *p
		}
		if told != e.Size() {
			return fmt.Errorf("column %q: values of %d bytes (0: of any number); encoding %s has %d", name, told, e, e.Size())
		}
		s.Columns = append(s.Columns, Column{Name: name, Encoding: e.name})
		s.Encodings = append(s.Encodings, e)
	}
	return nil
}

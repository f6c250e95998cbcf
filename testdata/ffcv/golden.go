// Package golden holds files that the real FFCV wrote, what FFCV's own reader
// says of them, and what else it computes, for tests. README.md beside them
// tells how they came to be.
//
// All of it is embedded. A name that isn't there is a test's mistake: the
// functions panic and say so.
package golden

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed *.beton.gz *.json *.npy
var stored embed.FS

// File is what FFCV says of a file. Whoever asks for it gets the same one:
// nobody may change it.
type File struct {
	Name   string `json:"-"` // as Open and Bytes take it: without .beton
	Size   int64
	SHA256 string
	Header struct {
		Version       uint16
		NumFields     uint16 `json:"num_fields"`
		PageSize      uint32 `json:"page_size"`
		NumSamples    uint64 `json:"num_samples"`
		AllocTablePtr uint64 `json:"alloc_table_ptr"`
	}
	SampleItemsize int                              `json:"sample_itemsize"`
	SampleLayout   []struct{ Offset, Itemsize int } `json:"sample_layout"` // by field
	MetadataStart  int64                            `json:"metadata_start"`
	MetadataSHA256 string                           `json:"metadata_sha256"`
	AllocCount     int64                            `json:"alloc_count"`
	AllocSHA256    string                           `json:"alloc_sha256"`
	AllocFirst     [][3]uint64                      `json:"alloc_first"` // sample, pointer, size
	AllocLast      [][3]uint64                      `json:"alloc_last"`
	Workers        int                              `json:"num_workers"`        // of FFCV's writer
	Deterministic  bool                             `json:"byte_deterministic"` // the same values one by one give the same bytes
	Fields         []Field
}

// Field is one field of a File. The lists have an element for each sample, in
// the file's order; which of them there are depends on Kind.
type Field struct {
	Name          string
	TypeID        int    `json:"type_id"`
	ArgsHex       string `json:"args_hex"` // without the zeros at the end
	Kind          string // int, float, bytes, json, ndarray, rgb or custom
	Values        []int64
	Bits          []Bits   // float
	Size          []int64  // bytes
	SHA256        []string // bytes and ndarray
	Text          []string // json, without the NUL
	DType         string   // ndarray
	Shape         []int
	FirstHex      string `json:"first_hex"`      // how the first array's bytes begin
	MetadataDType string `json:"metadata_dtype"` // custom
	Mode          []int  // rgb: 0 JPEG, 1 raw
	Width, Height []int
	DataSize      []int64  `json:"data_size"`
	DataSHA256    []string `json:"data_sha256"`
	PixelsSHA256  []string `json:"pixels_sha256"` // as FFCV decodes them
}

// Bits are those of a float64.
type Bits uint64

// UnmarshalText reads 0x3fe0000000000000.
func (b *Bits) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 0, 64)
	*b = Bits(v)
	return err
}

// fewest is how many manifests there are at the least.
const fewest = 38

// unread is a file that FFCV writes but can't read, so that nothing is said
// of it.
const unread = "ndarray_structured"

var all = sync.OnceValue(func() []*File {
	entries, err := stored.ReadDir(".")
	check(err)
	var files []*File
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".beton.gz")
		if !ok || name == unread {
			continue
		}
		f := &File{Name: name}
		JSON(name+".json", f)
		if int(f.Header.NumFields) != len(f.Fields) || len(f.Fields) == 0 {
			panic(fmt.Sprintf("golden %s.json: %d fields, the header says %d", name, len(f.Fields), f.Header.NumFields))
		}
		files = append(files, f)
	}
	if len(files) < fewest {
		panic(fmt.Sprintf("%d golden files, want at least %d", len(files), fewest))
	}
	return files
})

// Each returns all files of which FFCV says something: at least 38.
func Each() []*File { return all() }

// Open returns what FFCV says of a file.
func Open(name string) *File {
	for _, f := range all() {
		if f.Name == name {
			return f
		}
	}
	panic(fmt.Sprintf("no golden file %q", name))
}

// Bytes returns a file's bytes, which the caller may change. It has the files
// of Each, and ndarray_structured.
func Bytes(name string) []byte {
	z, err := gzip.NewReader(bytes.NewReader(read(name + ".beton.gz")))
	check(err)
	b, err := io.ReadAll(z)
	check(err)
	return b
}

// Bytes returns the file's bytes, which the caller may change.
func (f *File) Bytes() []byte { return Bytes(f.Name) }

// Custom returns the dtypes of the custom fields' metadata by name.
func (f *File) Custom() map[string]string {
	dtypes := map[string]string{}
	for _, c := range f.Fields {
		if c.Kind == "custom" {
			dtypes[c.Name] = c.MetadataDType
		}
	}
	return dtypes
}

// Custom returns the metadata of sample i of a custom field.
func (f *Field) Custom(i int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(f.Values[i]))
	switch f.MetadataDType {
	case "|u1":
		return b[:1]
	case "<u4":
		return b[:4]
	}
	panic(fmt.Sprintf("custom field %q of dtype %q, expected |u1 or <u4", f.Name, f.MetadataDType))
}

// JSON decodes one of FFCV's other results, such as orders.json.
func JSON(name string, v any) {
	if err := json.Unmarshal(read(name), v); err != nil {
		panic(fmt.Sprintf("golden %s: %v", name, err))
	}
}

// Pixels returns the pixels of a picture that FFCV made, NAME.npy: rows of RGB
// from the top.
func Pixels(name string) []byte {
	b := read(name)
	if path.Ext(name) != ".npy" || len(b) < 128 || !bytes.HasPrefix(b, []byte("\x93NUMPY\x01\x00")) || !bytes.Contains(b[:128], []byte("'|u1'")) {
		panic(fmt.Sprintf("golden %s: not a |u1 array", name))
	}
	return bytes.Clone(b[10+int(binary.LittleEndian.Uint16(b[8:])):])
}

// Distance returns the largest and the mean difference of two pictures'
// pixels: 256 and 256 when they are of different sizes.
func Distance(a, b []byte) (most int, mean float64) {
	if len(a) != len(b) {
		return 256, 256
	}
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		most, sum = max(most, d), sum+d
	}
	return most, float64(sum) / float64(len(a))
}

// Input returns the n bytes that FFCV's writer was given as sample i of the
// files whose values have a formula, bytes_page*.
func Input(i, n int) []byte {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(i*31 + j*7 + (j>>8)*13 + 17)
	}
	return b
}

// Sum returns the SHA-256 of b as the files' sums are written.
func Sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func read(name string) []byte {
	b, err := stored.ReadFile(name)
	check(err)
	return b
}

func check(err error) {
	if err != nil {
		panic("golden: " + err.Error())
	}
}

package convert

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/matfile"
	"github.com/betongo/betongo/array/npk"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/array/safetensors"
	"github.com/betongo/betongo/array/text"
	"github.com/betongo/betongo/array/torchfile"
	"github.com/betongo/betongo/array/zarr"
)

// opened makes a room's file a File: a nil pointer of a type is no nil
// interface.
func opened[R File](r R, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// created is opened for writers.
func created[W writer](w W, err error) (writer, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}

// formats is the table. Of two formats that a file's first bytes fit, the first
// counts.
var formats []*format

func init() {
	formats = []*format{
		npyFormat, npzFormat, npkFormat, gnzFormat, safetensorsFormat, torchFormat, zarrFormat, arrowFormat, arrowStreamFormat, parquetFormat,
		hdf5Format, matFormat, betonFormat, csvFormat, tsvFormat, txtFormat, rawFormat,
		imageFormat, imagesFormat,
	}
}

var npyFormat = &format{
	Format: Format{Name: "npy", Title: "NumPy's .npy", Extensions: []string{".npy"}, Single: true, Read: true, Write: true},
	magic:  func(p *peek) bool { return p.has("\x93NUMPY") },
	open:   func(path string, _ *Options) (File, error) { return opened(npy.OpenArchive(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(npy.Create(path, &npy.CreateOptions{Overwrite: o.Overwrite}))
	},
	scalars: true, order: true, fortran: true,
	takes: takesNumPy,
}

var npzFormat = &format{
	Format: Format{Name: "npz", Title: "NumPy's .npz", Extensions: []string{".npz"}, Read: true, Write: true, Compressions: []string{"none", "deflate"}},
	magic:  func(p *peek) bool { return strings.HasSuffix(p.zipped(), ".npy") },
	open:   func(path string, _ *Options) (File, error) { return opened(npy.OpenArchive(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(npy.CreateZip(path, &npy.CreateOptions{Overwrite: o.Overwrite, Compress: o.Compression == "deflate"}))
	},
	scalars: true, order: true, fortran: true,
	takes: takesNumPy,
}

// takesNumPy: what a .npy header can tell.
func takesNumPy(m array.Member) error {
	switch t := m.Spec.DType; {
	case hasBFloat16(t):
		return &array.UnsupportedError{DType: t.String(), Why: "NumPy would read it as void bytes"}
	case t.IsStruct() && !t.HasDescr():
		return &array.UnsupportedError{DType: t.String(), Why: "its fields overlap or are out of order"}
	}
	return nil
}

func hasBFloat16(t array.DType) bool {
	return t.WithOrder('<') == array.BFloat16 ||
		slices.ContainsFunc(t.Fields(), func(f array.Field) bool { return hasBFloat16(f.DType) })
}

var npkFormat = &format{
	Format: Format{Name: "npk", Title: "NumPack's .npk", Extensions: []string{".npk"}, Folder: true, Read: true, Write: true},
	magic:  func(p *peek) bool { return p.holds("metadata.npkm") },
	open:   func(path string, _ *Options) (File, error) { return opened(npk.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(npk.Create(path, &npk.CreateOptions{Overwrite: o.Overwrite}))
	},
	takes: takesOnly(array.Bool, array.Uint8, array.Uint16, array.Uint32, array.Uint64, array.Int8, array.Int16, array.Int32, array.Int64, array.Float16, array.Float32, array.Float64, array.Complex64, array.Complex128),
}

// takesOnly: these types, in either byte order.
func takesOnly(types ...array.DType) func(array.Member) error {
	return func(m array.Member) error {
		if t := m.Spec.DType; !slices.Contains(types, t.WithOrder('<')) {
			return &array.UnsupportedError{DType: t.String()}
		}
		return nil
	}
}

var gnzFormat = &format{
	Format: Format{Name: "gnz", Title: "GNZ1", Extensions: []string{".gnz"}, Read: true, Write: true},
	magic:  func(p *peek) bool { return p.has("GNZ1") },
	open:   func(path string, _ *Options) (File, error) { return opened(gnz.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(gnz.Create(path, &gnz.CreateOptions{Overwrite: o.Overwrite}))
	},
	scalars: true, order: true,
	file: attrs{kind: jsonAttrs},
}

var safetensorsFormat = &format{
	Format: Format{Name: "safetensors", Title: "SafeTensors", Extensions: []string{".safetensors"}, Read: true, Write: true},
	// The header's length, a u64 that is far below 2^32, and its brace.
	magic: func(p *peek) bool {
		return len(p.head) >= 9 && p.head[8] == '{' && p.head[4]|p.head[5]|p.head[6]|p.head[7] == 0
	},
	open: func(path string, _ *Options) (File, error) { return opened(safetensors.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(safetensors.Create(path, &safetensors.CreateOptions{Overwrite: o.Overwrite}))
	},
	scalars: true,
	file:    attrs{kind: textAttrs},
	member:  attrs{kind: anyAttrs, only: float8},
	takes: func(m array.Member) error {
		if isFloat8(m) {
			return nil
		}
		return takesOnly(array.Bool, array.Uint8, array.Int8, array.Int16, array.Uint16, array.Float16, array.BFloat16, array.Int32, array.Uint32,
			array.Float32, array.Complex64, array.Float64, array.Int64, array.Uint64)(m)
	},
}

var torchFormat = &format{
	Format: Format{Name: "torch", Title: "PyTorch's .pt", Extensions: []string{".pt", ".pth"}, Read: true, Write: true},
	magic:  func(p *peek) bool { return strings.HasSuffix(p.zipped(), "/data.pkl") },
	open:   func(path string, _ *Options) (File, error) { return opened(torchfile.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(torchfile.Create(path, &torchfile.CreateOptions{Overwrite: o.Overwrite}))
	},
	scalars: true, mixed: true,
	file:   attrs{kind: anyAttrs, check: torchfile.CheckAttr, plain: pickled},
	member: attrs{kind: anyAttrs, only: []string{"dtype", "parameter", "requires_grad"}},
	takes: func(m array.Member) error {
		if isFloat8(m) {
			return nil
		}
		return takesOnly(array.Bool, array.Uint8, array.Int8, array.Int16, array.Uint16, array.Float16, array.BFloat16, array.Int32, array.Uint32,
			array.Float32, array.Complex64, array.Float64, array.Complex128, array.Int64, array.Uint64)(m)
	},
}

var zarrFormat = &format{
	Format: Format{Name: "zarr", Title: "Zarr", Extensions: []string{".zarr", ".zarr.zip"}, Folder: true, Read: true, Write: true,
		Compressions: []string{"zstd", "gzip", "blosc", "none"}},
	magic: func(p *peek) bool {
		first := filepath.Base(p.zipped())
		return p.holds("zarr.json", ".zgroup", ".zarray", ".zmetadata") || slices.Contains([]string{"zarr.json", ".zgroup", ".zarray", ".zmetadata", ".zattrs"}, first)
	},
	open: func(path string, _ *Options) (File, error) { return opened(zarr.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		name, level, err := compression(o.Compression)
		if err != nil {
			return nil, err
		}
		return created(zarr.Create(path, &zarr.CreateOptions{Overwrite: o.Overwrite, Zip: strings.HasSuffix(strings.ToLower(path), ".zip"),
			Compression: zarr.Compression{Codec: name, Level: level}, Chunks: chunks(o.RowGroup), Version: o.Zarr.Version, ShardRows: o.Zarr.Shard}))
	},
	scalars: true, order: true,
	file: attrs{kind: jsonAttrs}, member: attrs{kind: jsonAttrs},
}

var hdf5Format = &format{
	Format: Format{Name: "hdf5", Title: "HDF5", Extensions: []string{".h5", ".hdf5", ".hdf"}, Read: true, Write: true, Compressions: []string{"none", "gzip"}},
	magic:  func(p *peek) bool { return p.has("\x89HDF\r\n\x1a\n") },
	open:   func(path string, _ *Options) (File, error) { return opened(hdf5.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		name, level, err := compression(o.Compression)
		if err != nil {
			return nil, err
		}
		return created(hdf5.Create(path, &hdf5.CreateOptions{Overwrite: o.Overwrite, Compression: name, Level: level, Chunks: chunks(o.RowGroup)}))
	},
	scalars: true, order: true,
	file: attrs{kind: anyAttrs, check: hdf5.CheckAttr}, member: attrs{kind: anyAttrs, check: hdf5.CheckAttr},
	takes: takesHDF5,
	remark: func(m array.Member) string {
		if m.Spec.DType.Kind() == 'U' {
			return "text of any length in HDF5, comes back as U of the longest one's length"
		}
		return ""
	},
}

// takesHDF5: all but text of four bytes a letter in structs.
func takesHDF5(m array.Member) error {
	t := m.Spec.DType
	if t.ItemSize() == 0 {
		return &array.UnsupportedError{DType: t.String(), Why: "HDF5 has no elements without bytes"}
	}
	for _, f := range t.Fields() {
		if f.DType.Kind() == 'U' {
			return &array.UnsupportedError{DType: t.String(), Why: "its part " + f.Name + " is text of four bytes a letter, which HDF5 hasn't in structs"}
		}
		if err := takesHDF5(array.Member{Spec: array.Spec{DType: f.DType}}); err != nil {
			return err
		}
	}
	return nil
}

// chunks gives chunks of a number of rows; nil for 0.
func chunks(rows int) func(array.Member) []int {
	if rows == 0 {
		return nil
	}
	return func(m array.Member) []int {
		if len(m.Spec.Shape) == 0 {
			return nil
		}
		return append([]int{rows}, m.Spec.Shape[1:]...)
	}
}

var matFormat = &format{
	Format: Format{Name: "mat", Title: "MATLAB's .mat", Extensions: []string{".mat"}, Read: true, Write: true, Compressions: []string{"none", "deflate"}},
	magic:  func(p *peek) bool { return p.has("MATLAB 5.0 MAT-file") || p.has("MATLAB 7.3 MAT-file") },
	open:   func(path string, _ *Options) (File, error) { return opened(matfile.Open(path, nil)) },
	create: func(path string, o *Options) (writer, error) {
		return created(matfile.Create(path, &matfile.CreateOptions{Overwrite: o.Overwrite, Compress: o.Compression == "deflate"}))
	},
	scalars: true, fortran: true,
	takes:  takesMat,
	remark: remarkMat,
}

// takesMat: MATLAB's classes, and its names.
func takesMat(m array.Member) error {
	if err := matfile.CheckName(m.Name); err != nil {
		return err
	}
	columns := m.Spec.DType.Fields()
	if columns == nil {
		columns = []array.Field{{Name: "x", DType: m.Spec.DType}}
	}
	for _, c := range columns {
		if err := matfile.CheckName(c.Name); err != nil {
			return err
		}
		one := array.Member{Name: c.Name, Spec: array.Spec{DType: c.DType}}
		var err error
		switch {
		case c.DType.Kind() == 'S' || c.DType.Kind() == 'U':
		case c.DType.IsStruct():
			err = takesMat(one)
		default:
			err = takesOnly(array.Bool, array.Uint8, array.Uint16, array.Uint32, array.Uint64, array.Int8, array.Int16, array.Int32, array.Int64,
				array.Float32, array.Float64, array.Complex64, array.Complex128)(one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// remarkMat tells what MATLAB's values make of an array.
func remarkMat(m array.Member) string {
	t, back := m.Spec.DType, m.Spec.Shape
	switch {
	case t.IsStruct():
		return "a struct, comes back as an array for each of its fields"
	case t.Kind() == 'S' || t.Kind() == 'U':
		return "text, comes back padded with blanks (U)"
	case len(back) == 0:
		back = []int{1, 1}
	case len(back) == 1:
		back = []int{1, back[0]}
	}
	return shapeRemark(m.Spec, back)
}

var (
	csvFormat = textFormat("csv", "CSV", ".csv")
	tsvFormat = textFormat("tsv", "TSV", ".tsv")
	txtFormat = textFormat("txt", "text", ".txt")
)

func textFormat(name, title, extension string) *format {
	return &format{
		Format: Format{Name: name, Title: title, Extensions: []string{extension}, Single: true, Read: true, Write: true},
		open: func(path string, o *Options) (File, error) {
			opts := &text.OpenOptions{DType: o.Text.DType, Delimiter: o.Text.delimiter(name), Skip: o.Text.Skip}
			if o.Text.NoHeader {
				opts.Header = text.HeaderNo
			}
			return opened(text.Open(path, opts))
		},
		create: func(path string, o *Options) (writer, error) {
			return created(text.Create(path, &text.CreateOptions{
				Overwrite: o.Overwrite, Delimiter: o.Text.delimiter(name), Format: o.Text.Format, Header: o.Text.Header, NoHeader: o.Text.NoHeader,
			}))
		},
		order:  true, // text has none
		member: attrs{kind: anyAttrs, only: []string{"columns"}},
		takes:  takesText,
		remark: func(m array.Member) string { return shapeRemark(m.Spec, shapeText(m.Spec)) },
	}
}

// delimiter is that of the format, whatever the extension.
func (t *Text) delimiter(format string) string {
	if t.Delimiter == "" {
		switch format {
		case "csv":
			return ","
		case "tsv":
			return "\t"
		}
		return " "
	}
	return t.Delimiter
}

// takesText: tables of columns that text can tell.
func takesText(m array.Member) error {
	t, n := m.Spec.DType, len(m.Spec.Shape)
	if n > 2 || n > 1 && t.IsStruct() {
		return errors.New("a table has rows and columns, and the array " + array.ShapeString(m.Spec.Shape) + " other dimensions")
	}
	columns := t.Fields()
	if columns == nil {
		columns = []array.Field{{DType: t}}
	}
	for _, c := range columns {
		plain := strings.ContainsRune("biufcSU", rune(c.DType.Kind())) || c.DType.WithOrder('<') == array.BFloat16
		if c.Shape != nil || !plain {
			return &array.UnsupportedError{DType: t.String(), Why: "it isn't written as text"}
		}
	}
	return nil
}

// shapeRemark tells of a shape that comes back as another.
func shapeRemark(spec array.Spec, back []int) string {
	if slices.Equal(spec.Shape, back) {
		return ""
	}
	return fmt.Sprintf("of shape %s, comes back as %s", array.ShapeString(spec.Shape), array.ShapeString(back))
}

// shapeText is what comes back of a table.
func shapeText(spec array.Spec) []int {
	switch {
	case spec.DType.IsStruct():
	case spec.Shape[0] == 0:
		return []int{0, 0}
	case len(spec.Shape) == 1:
		return []int{spec.Shape[0], 1}
	}
	return spec.Shape
}

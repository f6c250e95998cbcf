package convert

import (
	"fmt"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
	"github.com/betongo/betongo/array/parquetfile"
)

var arrowFormat = arrowLayout("arrow", "Arrow's file format (Feather 2)", arrowfile.IsFile, "ARROW1", ".arrow", ".feather", ".ipc")

// Messages of the stream format begin with this mark.
var arrowStreamFormat = arrowLayout("arrows", "Arrow's stream format", arrowfile.IsStream, "\xff\xff\xff\xff", ".arrows")

func arrowLayout(name, title string, layout arrowfile.Layout, magic string, extensions ...string) *format {
	return &format{
		Format: Format{Name: name, Title: title, Extensions: extensions, Read: true, Write: true, Compressions: []string{"none", "lz4", "zstd"}},
		magic:  func(p *peek) bool { return p.has(magic) || name == "arrow" && p.has("FEA1") },
		open: func(path string, o *Options) (File, error) {
			return opened(arrowfile.Open(path, &arrowfile.OpenOptions{Fill: o.Fill}))
		},
		create: func(path string, o *Options) (writer, error) {
			opts := &arrowfile.CreateOptions{Overwrite: o.Overwrite, Layout: layout, BatchRows: o.RowGroup}
			if o.Compression != "none" {
				opts.Compression = arrowfile.Compression(o.Compression)
			}
			return created(arrowfile.Create(path, opts))
		},
		scalars: true, order: true, table: true,
		file: attrs{kind: jsonAttrs}, member: attrs{kind: jsonAttrs},
		takes: takesArrow,
	}
}

var parquetFormat = &format{
	Format: Format{Name: "parquet", Title: "Parquet", Extensions: []string{".parquet", ".pq"}, Read: true, Write: true,
		Compressions: []string{"snappy", "zstd", "gzip", "brotli", "lz4", "none"}},
	magic: func(p *peek) bool { return p.has("PAR1") },
	open: func(path string, o *Options) (File, error) {
		return opened(parquetfile.Open(path, &parquetfile.OpenOptions{Fill: o.Fill}))
	},
	create: func(path string, o *Options) (writer, error) {
		name, level, err := compression(o.Compression)
		if err != nil {
			return nil, err
		}
		opts := &parquetfile.CreateOptions{Overwrite: o.Overwrite, Compression: parquetfile.Compression(name), Level: level, RowGroupRows: o.RowGroup}
		switch name {
		case "":
			opts.Compression = parquetfile.Snappy
		case "none":
			opts.Compression = parquetfile.None
		case "zstd":
			opts.Level = max(level, 1) // as pyarrow has it
		case "lz4":
			opts.Compression = parquetfile.LZ4Raw
		}
		return created(parquetfile.Create(path, opts))
	},
	scalars: true, order: true, table: true,
	file: attrs{kind: jsonAttrs}, member: attrs{kind: jsonAttrs},
	takes: takesArrow,
}

// takesArrow: all whose elements have bytes.
func takesArrow(m array.Member) error {
	if m.Spec.DType.ItemSize() == 0 {
		return &array.UnsupportedError{DType: m.Spec.DType.String(), Why: "elements without bytes can't be counted"}
	}
	return nil
}

// sameRows finds arrays that are no columns of one table.
func (j *job) sameRows() error {
	rows, same := -1, true
	var list []string
	for i := range j.list {
		it := &j.list[i]
		n := 1
		if len(it.dst.Spec.Shape) > 0 {
			n = it.dst.Spec.Shape[0]
		}
		if n < 0 {
			continue
		}
		list = append(list, fmt.Sprintf("%q: %d", it.src.Name, n))
		same = same && (rows < 0 || rows == n)
		rows = n
	}
	if same {
		return nil
	}
	if len(list) > maxNames {
		list = append(list[:maxNames], fmt.Sprintf("%d more", len(list)-maxNames))
	}
	return fmt.Errorf("arrays of different numbers of rows are no columns of one table, as %s is: %s", j.to.Title, strings.Join(list, ", "))
}

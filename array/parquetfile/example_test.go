package parquetfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "parquetfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.parquet")
	points, err := array.Of([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	members := []array.Member{{Name: "points", Spec: points.Spec, Attrs: map[string]any{"unit": "mm"}}}
	opts := &parquetfile.CreateOptions{Compression: parquetfile.ZSTD}
	if err := parquetfile.Save(path, members, []array.Strided{points.Strided()}, nil, opts); err != nil {
		fmt.Println(err)
		return
	}
	f, err := parquetfile.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Name, a.Spec, m.Attrs["unit"], f.RowGroups())
	}
	// Output: points <f4 (3, 2) mm [3]
}

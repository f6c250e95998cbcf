package parquet_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/betongo/betongo/record/parquet"
)

func Example() {
	var file bytes.Buffer
	w, err := parquet.NewWriter(&file, []parquet.Column{
		{Name: "image", Kind: parquet.Image},
		{Name: "label", Kind: parquet.ClassLabel, Names: []string{"cat", "dog"}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, path := range []string{"cat/1.jpg", "dog/1.jpg"} {
		jpeg := []byte("\xff\xd8 and so on")
		if err := w.Write([]any{parquet.File{Bytes: jpeg, Path: path}, int64(i)}); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	ctx := context.Background()
	r, err := parquet.NewReader(ctx, bytes.NewReader(file.Bytes()), int64(file.Len()), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for row := range r.Len() {
		image, err := r.Value(ctx, 0, row)
		if err != nil {
			fmt.Println(err)
			return
		}
		label, err := r.Value(ctx, 1, row)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(image.(parquet.File).Path, r.Columns()[1].Names[label.(int64)])
	}
	// Output:
	// cat/1.jpg cat
	// dog/1.jpg dog
}

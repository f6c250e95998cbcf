package source_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

func ExampleOpenTable() {
	dir, err := os.MkdirTemp("", "table")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "birds.csv")
	if err := os.WriteFile(path, []byte("song,weight\n\"chirp, chirp\",0.04\ncoo,0.3\n"), 0o666); err != nil {
		log.Fatal(err)
	}

	var specs []source.Spec
	for _, text := range []string{"weight=float", "text=bytes:column=song,inline=true"} {
		s, err := source.ParseSpec(text, fields.RGBImage{})
		if err != nil {
			log.Fatal(err)
		}
		specs = append(specs, s)
	}
	t, err := source.OpenTable(context.Background(), path, specs, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer t.Close()
	for i := range t.Len() {
		values, _, err := t.Sample(context.Background(), i)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v %s\n", values[0], values[1])
	}
	// Output:
	// 0.04 chirp, chirp
	// 0.3 coo
}

package build_test

import (
	"context"
	"fmt"
	"log"

	"github.com/betongo/betongo/build"
)

func ExampleRecipe_Estimate() {
	r := build.Recipe{
		Folder: &build.Folder{Dir: "../testdata/photos"},
		Image:  build.Image{MaxResolution: 256},
	}
	e, err := r.Estimate(context.Background(), &build.EstimateOptions{Disk: 100 << 20, PerSecond: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range e.Choices {
		fmt.Println(c.Name, c.Bytes > 0, c.LoadCPU > 0)
	}
	fmt.Println("suits:", e.Choices[e.Suits].Name)
	// Output:
	// as asked: jpg, at most 256 pixels, quality 90 true true
	// jpg, JPEGs as they are true true
	// jpg, at most 500 pixels, quality 90 true true
	// 0.5 jpg, the rest raw, at most 500 pixels, quality 90 true true
	// raw, at most 256 pixels true true
	// suits: as asked: jpg, at most 256 pixels, quality 90
}

package build_test

import (
	"context"
	"fmt"
	"log"

	"github.com/betongo/betongo/build"
	"os"
	"path/filepath"
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

// One dataset is built by several machines, which need to see the plan, the
// photographs and each other's folder, but not each other.
func ExampleMerge() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "build")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	out, plan := filepath.Join(dir, "photos.beton"), filepath.Join(dir, "plan.json")

	// At first: what is built from what, and how, in how many parts.
	if err := build.CheckTarget(ctx, out, false, false, nil); err != nil {
		log.Fatal(err)
	}
	recipe := build.Recipe{Folder: &build.Folder{Dir: "../testdata/photos"}}
	p, err := build.NewPlan(ctx, recipe, 3, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Write(ctx, plan, false, nil); err != nil {
		log.Fatal(err)
	}

	// On each machine: some of the parts.
	p, err = build.ReadPlan(ctx, plan, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range p.Len() {
		r, err := build.BuildShard(ctx, p, i, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(filepath.Base(r.Path), r.Samples, "samples")
	}

	// At last: one file, the same as if one machine had written it.
	stats, err := build.Merge(ctx, p, out, nil)
	fmt.Println(filepath.Base(out), stats.Samples, "samples", err)
	// Output:
	// 00000-of-00003.beton 14 samples
	// 00001-of-00003.beton 14 samples
	// 00002-of-00003.beton 14 samples
	// photos.beton 42 samples <nil>
}

// A plan that came over the network, and lies nowhere.
func ExampleParsePlan() {
	recipe := build.Recipe{Folder: &build.Folder{Dir: "../testdata/photos"}}
	p, err := build.NewPlan(context.Background(), recipe, 2, &build.PlanOptions{Folder: "shards"})
	if err != nil {
		log.Fatal(err)
	}
	same, err := build.ParsePlan(p.Marshal(), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(same.Samples, "samples of", len(same.Classes), "classes in", same.Len(), "shards", same.Hash() == p.Hash())
	// Output: 42 samples of 8 classes in 2 shards true
}

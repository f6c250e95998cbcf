package beam_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
)

// A plan for the photographs of a folder becomes a file, by two processes at a
// time. A program of one's own calls betonbeam.Child first in main, and beam.Init
// after flag.Parse; here TestMain does.
func ExampleBuild() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	p, err := build.NewPlan(ctx, build.Recipe{Folder: &build.Folder{Dir: "../testdata/photos"}}, 4, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, out := filepath.Join(dir, "plan.json"), filepath.Join(dir, "train.beton")
	if err := p.Write(ctx, plan, false, nil); err != nil {
		fmt.Println(err)
		return
	}

	pipeline, scope := beam.NewPipelineWithRoot()
	if _, _, err := betonbeam.Build(ctx, scope, plan, &betonbeam.Options{Out: out, Workers: 2}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := beam.Run(ctx, "prism", pipeline); err != nil {
		fmt.Println(betonbeam.Cause(err))
		return
	}

	f, err := ffcv.Open(out, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Println(f.Len(), "samples")
	// Output: 42 samples
}

// Command ffcvbeam builds the shards of a plan, and merges them, as an Apache Beam
// pipeline.
//
//	ffcvwrite plan folder PHOTOS -o plan.json --shards 16
//	ffcvbeam plan.json -o train.beton --workers 4
//	ffcvbeam s3://bucket/plan.json -o s3://bucket/train.beton --runner flink --endpoint jobs:8099
//
// It ends with 0 when all is built, 1 when something failed, and 2 on wrong usage.
// Shards that were built stay, and the same command goes on from there.
package main

import (
	"os"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/internal/term"
)

func main() {
	betonbeam.Child()
	os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr))
}

// Command ffcvwrite packs samples into a .beton file: a folder of class folders,
// a table, arrays, the shards and annotations of other systems, or another .beton
// (docs/sources.md). With --estimate it tells beforehand what that will take.
//
//	ffcvwrite folder PHOTOS -o train.beton --max-resolution 500
//	ffcvwrite table rows.csv -o rows.beton --field image=rgb --field age=int
//	ffcvwrite arrays x=train_x.npy y=train_y.npy -o train.beton
//	ffcvwrite coco instances_train2017.json train2017 -o coco.beton
//	ffcvwrite folder PHOTOS --estimate
//
// It ends with 0 when the file is written, 1 when it failed, and 2 on wrong
// usage. A run that is interrupted or fails leaves the old file as it was, and
// beside it, unless it had just begun, what the same command with --resume goes
// on from: FILE.partial and names that begin so.
package main

import (
	"os"

	"github.com/betongo/betongo/internal/term"
)

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

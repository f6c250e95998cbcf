// Command ffcv looks into .beton files, the datasets of FFCV: what they are
// (info), what they hold (dump), whether they are sound (verify), how fast
// they load (bench), what an epoch makes of one sample (replay), what its batches
// hold (epoch). It makes checkpoints for JPEGs in a file that has none (marks),
// and files out of files (merge, subset, split, add, append).
//
//	ffcv info train.beton
//	ffcv dump train.beton --range 0:10 --json
//	ffcv verify train.beton
//	ffcv bench train.beton --pipeline rrc224 --order random
//	ffcv replay train.beton --sample 7 --epoch 3 --seed 1 --out pictures
//	ffcv epoch train.beton --order keyed --seed 1 --state state.json --json
//	ffcv marks train.beton -o train.beton.marks
//	ffcv merge part0.beton part1.beton -o train.beton
//	ffcv subset train.beton --class dog --range ::2 -o dogs.beton
//	ffcv split all.beton --parts 0.9,0.1 --shuffle --by-class -o train.beton -o val.beton
//	ffcv add train.beton --field emb=emb.npy -o wide.beton
//	ffcv append train.beton PHOTOS --in-place
//	ffcv demo
//
// It ends with 0 when done, 1 when it failed or a file is not sound, and 2 on
// wrong usage.
package main

import (
	"os"

	"github.com/betongo/betongo/internal/term"
)

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

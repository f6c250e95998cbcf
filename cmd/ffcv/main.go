// Command ffcv looks into .beton files, the datasets of FFCV: what they are
// (info), what they hold (dump; stats, in numbers; sample, as files that a person
// can open), whether they are sound (verify), how fast they load (bench), what an
// epoch makes of one sample (replay), what its batches hold (epoch), in what two
// of them differ (diff). It makes checkpoints for JPEGs in a file that has none
// (marks), checksums too (seal), puts right what is damaged (repair), makes files
// out of files (merge, subset, split, remap, add, append), and other systems'
// datasets (export).
//
//	ffcv info train.beton
//	ffcv dump train.beton --range 0:10 --json
//	ffcv stats train.beton --near --against val.beton
//	ffcv sample train.beton 17 -o pictures
//	ffcv verify train.beton
//	ffcv bench train.beton --pipeline rrc224 --order random
//	ffcv replay train.beton --sample 7 --epoch 3 --seed 1 -o pictures
//	ffcv epoch train.beton --order keyed --seed 1 --state state.json --json
//	ffcv seal train.beton
//	ffcv repair damaged.beton -o clean.beton
//	ffcv diff old.beton new.beton
//	ffcv marks train.beton -o train.beton.marks
//	ffcv merge part0.beton part1.beton -o train.beton
//	ffcv subset train.beton --class dog --range ::2 -o dogs.beton
//	ffcv split all.beton --parts 0.9,0.1 --shuffle --by-class -o train.beton -o val.beton
//	ffcv split all.beton --kfold 5 --by-class --indices-only -o 'fold{}'
//	ffcv subset train.beton --balance -o even.beton
//	ffcv remap train.beton -o pets.beton --map cat=pet,dog=pet
//	ffcv add train.beton --field emb=emb.npy -o wide.beton
//	ffcv append train.beton PHOTOS --in-place
//	ffcv export train.beton --to tar -o shards
//	ffcv demo
//
// It ends with 0 when done, 1 when it failed or a file is not sound, and 2 on
// wrong usage; diff with 0 when nothing differs, 1 when something does, and 2 when
// it failed; stats with 1 when values are broken.
package main

import (
	"os"

	"github.com/betongo/betongo/internal/term"
)

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

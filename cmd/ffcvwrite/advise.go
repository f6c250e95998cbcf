package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/advice"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/rgb"
)

// meant are commands that others have for what ours do.
var meant = map[string]string{
	"pack": "folder", "images": "folder", "imagefolder": "folder", "dir": "folder", "photos": "folder", "csv": "table", "tsv": "table",
	"jsonl": "table", "npy": "arrays", "numpy": "arrays", "array": "arrays", "tar": "webdataset", "wds": "webdataset", "streaming": "mds",
	"mosaicml": "mds", "huggingface": "parquet", "hf": "parquet", "arrow": "parquet", "tfds": "tfrecord", "tensorflow": "tfrecord",
	"h5": "hdf5", "cifar10": "cifar", "cifar100": "cifar", "mnist": "idx", "emnist": "idx", "detection": "coco", "ultralytics": "yolo",
	"split": "plan",
}

// looked are commands of ffcv.
var looked = []string{"info", "dump", "stats", "sample", "verify", "bench", "repair", "seal", "view", "diff", "export", "subset", "demo", "append", "add"}

// adviseUsage is advice for a command line that is wrong.
func adviseUsage(args []string) string {
	var g grammar
	known := func(name string) bool {
		for _, c := range term.Model(prog, description, &g).Children {
			if c.Name == name {
				return true
			}
		}
		return false
	}
	words := slices.DeleteFunc(slices.Clone(args), func(s string) bool { return strings.HasPrefix(s, "-") })
	if len(words) == 0 {
		return ""
	}
	first := words[0]
	switch {
	case known(first):
		last := words[len(words)-1]
		if len(words) > 2 && strings.HasSuffix(last, ".beton") && !slices.ContainsFunc(args, func(s string) bool {
			return strings.HasPrefix(s, "-o") || strings.HasPrefix(s, "--out")
		}) {
			return fmt.Sprintf("'-o %s' names what to write", last)
		}
		return ""
	case meant[first] != "":
		return fmt.Sprintf("'%s %s' does that", prog, meant[first])
	case slices.Contains(looked, first):
		return fmt.Sprintf("ffcvwrite makes files; 'ffcv %s' looks into them", strings.Join(args, " "))
	}
	if _, err := os.Stat(first); err != nil {
		return ""
	}
	_, do := advice.Kind(first)
	return "a kind of source comes first: " + do
}

// adviseSource adds to an error what may help: of a command, with the path that it
// was given.
func adviseSource(err error, kind, path string) error {
	var sample *ffcv.SampleError
	var unsupported *rgb.UnsupportedError
	if err == nil || term.Hint(err) != "" {
		if errors.As(err, &unsupported) {
			err = term.WithHint(err, term.Hint(err)+"; "+advice.Pictures)
		}
		return err
	}
	text := err.Error()
	about := !strings.HasPrefix(text, "output") && !errors.As(err, &sample) // the source as a whole
	if _, missing := os.Stat(path); missing == nil && about && errors.Is(err, fs.ErrNotExist) {
		err = elsewhere(err, kind, path) // something in it is missing, which another kind of source has not
	}
	if err = advice.Of(err); term.Hint(err) != "" {
		return err
	}
	switch {
	case strings.Contains(text, "no such column"):
		return term.WithHint(err, "--field NAME=TYPE:column=COLUMN takes a column of another name")
	case strings.HasPrefix(text, "plan ") && strings.Contains(text, "invalid character"):
		return term.WithHint(err, path+" is no plan; 'ffcvwrite plan folder PHOTOS -o plan.json --shards 8' makes one")
	case about:
		return elsewhere(err, kind, path)
	}
	return err
}

// elsewhere points to the command for what a path is, where that is another.
func elsewhere(err error, kind, path string) error {
	_, do := advice.Kind(path)
	if strings.Contains(do, "'ffcvwrite ") && !strings.Contains(do, "'ffcvwrite "+kind+" ") {
		return term.WithHint(err, do)
	}
	return err
}

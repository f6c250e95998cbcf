package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/betongo/betongo/internal/term"
)

// meant are verbs that others have for what ours do.
var meant = map[string]string{
	"show": "info", "ls": "info", "list": "info", "header": "info", "describe": "info", "cat": "dump", "head": "dump", "print": "dump",
	"check": "verify", "validate": "verify", "fsck": "verify", "test": "verify", "fix": "repair", "extract": "sample", "get": "sample",
	"concat": "merge", "join": "merge", "combine": "merge", "filter": "subset", "select": "subset", "benchmark": "bench", "speed": "bench",
	"load": "bench", "compare": "diff", "checksum": "seal", "serve": "view", "browse": "view", "rename": "remap", "relabel": "remap",
}

// made are verbs that make files, which ffcvwrite does.
var made = []string{"write", "pack", "create", "make", "build", "new", "folder", "table", "arrays", "webdataset", "mds", "parquet", "tfrecord",
	"hdf5", "cifar", "idx", "coco", "yolo", "plan", "shard", "status"}

// adviseUsage is advice for a command line that is wrong.
func adviseUsage(args []string) string {
	var g grammar
	var verbs []string
	for _, c := range term.Model(prog, description, &g).Children {
		verbs = append(verbs, c.Name)
	}
	first := ""
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			first = arg
			break
		}
	}
	for _, v := range verbs {
		if first == v {
			return ""
		}
	}
	_, err := os.Stat(first)
	switch {
	case first == "":
		return ""
	case strings.HasSuffix(first, ".beton"), strings.Contains(first, "://"), err == nil && strings.ContainsAny(first, "./"):
		return fmt.Sprintf("a command comes first: '%s info %s' shows what it is", prog, first)
	case meant[first] != "":
		return fmt.Sprintf("'%s %s' does that", prog, meant[first])
	case first == "convert":
		return "'ffcvconvert' does that"
	}
	for _, v := range made {
		if first == v {
			return fmt.Sprintf("ffcv reads files; 'ffcvwrite %s' makes them, and 'ffcvwrite' alone tells of what", strings.Join(args, " "))
		}
	}
	return ""
}

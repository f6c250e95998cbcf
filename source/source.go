// Package source is where samples come from when a dataset is built: a folder
// of class folders, a table (csv, tsv, jsonl), arrays (.npy), shards and files of
// records of other systems, images with boxes (COCO, YOLO), CIFAR and MNIST's IDX.
//
// A source tells the fields that it fills (Fields), in order, how many samples
// it has (Len), and the values of one sample with its key (Sample), the path or
// name by which people know the sample ("" when it has none). That is the shape
// of dataset that a writer takes. Sources are immutable once opened and safe
// for concurrent use.
//
// Images are handed on as the name of their file; whoever encodes the sample
// reads it. What lies in an object store (Store) is read by Sample. What a source leaves aside (hidden files, files that are no images)
// it reports, and what it cannot read is an error that names file and place:
// nothing is lost silently.
package source

import "github.com/betongo/betongo/fields"

// Field is one field that a source fills: its name in the dataset, and how its
// values are stored unless the caller chooses otherwise.
type Field struct {
	Name  string
	Field fields.Field
}

// Skip is something that a source found and left aside.
type Skip struct {
	Path   string // relative to the source, with '/'
	Reason string
}

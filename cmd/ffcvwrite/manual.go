package main

import (
	"maps"
	"strings"

	"github.com/betongo/betongo/internal/term"
)

const overview = `ffcvwrite writes .beton files, the datasets of FFCV. It reads what you have and leaves it as
it is.

From your own data:
  ffcvwrite folder PHOTOS -o train.beton                      a folder for each class
  ffcvwrite table rows.csv -o rows.beton --field image=rgb --field age=int
  ffcvwrite arrays x=x.npy y=y.npy -o arrays.beton            a row a sample

From another system's dataset:
  ffcvwrite webdataset 'shard-*.tar' -o train.beton           also: mds, parquet, tfrecord, hdf5
  ffcvwrite coco instances.json IMAGES -o coco.beton          boxes and masks; also: yolo
  ffcvwrite cifar cifar-10-batches-bin -o cifar.beton         also: idx, as MNIST has it
  ffcvwrite beton train.beton -o small.beton --max-resolution 256

Before a long run:
  ffcvwrite folder PHOTOS --estimate                          size, time, and what suits
  ffcvwrite folder PHOTOS -o train.beton --max-resolution 512 smaller, and faster to load
  ffcvwrite folder PHOTOS -o train.beton --resume             go on after an interruption

With many machines:
  ffcvwrite plan folder PHOTOS -o plan.json --shards 8
  ffcvwrite shard plan.json --index 0
  ffcvwrite merge plan.json -o train.beton

'ffcvwrite --help' lists all commands, 'ffcvwrite COMMAND --help' tells all of one.
'ffcv info train.beton' shows what was written, 'ffcv' what else can be done with it.
`

// manual is what the command says of itself.
func manual() *term.Pages {
	all := map[string]term.Manual{"": {
		Text: `Sources are read from paths, patterns or URLs (s3://, gs://, azblob://, https://) and stay as they are. What is written appears whole or not at all; the same source and flags give the same bytes, whatever the number of workers. Results go to standard output; progress, notes, warnings and errors go to standard error.`,
		Exit: map[int]string{0: "the file is written", 1: "it failed, or was interrupted"},
		Examples: []term.Example{
			{Command: "ffcvwrite folder PHOTOS -o train.beton", What: "a folder of class folders"},
			{Command: "ffcvwrite folder PHOTOS --estimate", What: "what that takes, before"},
		},
	}}
	maps.Copy(all, kindManuals)
	for path, m := range kindManuals {
		all["plan "+path] = planned(path, m)
	}
	maps.Copy(all, buildManuals)
	return &term.Pages{Overview: overview, Manuals: all, Advise: adviseUsage}
}

// planned is the manual of planning what another packs.
func planned(kind string, m term.Manual) term.Manual {
	text := `Lists the source and writes a plan: a file of JSON that says what each shard holds, with the flags that packing takes. Any number of machines build the shards ('ffcvwrite shard'), and 'ffcvwrite merge' makes one file, or an index, of them: the same bytes as 'ffcvwrite ` + kind + `' writes.`
	first := m.Examples[0].Command
	at := strings.Index(first, " -o ")
	rest := ""
	if i := strings.IndexByte(first[at+len(" -o "):], ' '); i >= 0 {
		rest = first[at+len(" -o ")+i:]
	}
	first = strings.Replace(first[:at], "ffcvwrite ", "ffcvwrite plan ", 1) + " -o plan.json --shards 2" + rest
	return term.Manual{Text: text, Examples: []term.Example{
		{Command: first, What: "two shards"},
		{Command: strings.Replace(first, "plan.json", "s3://bucket/plan.json", 1), What: "in an object store, which all machines reach"},
	}}
}

var kindManuals = map[string]term.Manual{
	"folder": {
		Text: `Reads the photographs of a folder that has a folder for each class, and writes a file with the fields image and label, the classes' names and each photograph's path. JPEGs are kept as they are unless they are made smaller; PNG, WebP, GIF, BMP and TIFF are encoded. Classes are numbered in the order of their names.`,
		Examples: []term.Example{
			{Command: "ffcvwrite folder PHOTOS -o train.beton", What: "as they are"},
			{Command: "ffcvwrite folder PHOTOS -o small.beton --max-resolution 256 --quality 90", What: "at most 256 pixels a side"},
			{Command: "ffcvwrite folder VAL -o val.beton --classes train.beton", What: "with the labels of another file"},
			{Command: "ffcvwrite folder PHOTOS --estimate --estimate-samples 12", What: "what the file takes, before it is written"},
		},
	},
	"table": {
		Text: `Reads a table with a line for each sample, and writes the fields that --field names. Cells of rgb, image and bytes fields name files, relative to the table; others hold the value itself.`,
		Examples: []term.Example{
			{Command: "ffcvwrite table rows.csv -o rows.beton --field image=rgb --field age=int", What: "columns image and age"},
			{Command: "ffcvwrite table rows.csv -o rows.beton --field image=rgb:max_resolution=128 --field text=bytes:column=caption,inline=true", What: "smaller images, and the text of another column"},
		},
	},
	"arrays": {
		Text: `Reads .npy files, a row of each for each sample, and writes a field for each file: int and float for rows that are one number, ndarray for others, unless --field says what they are. Arrays are mapped, not read into memory.`,
		Examples: []term.Example{
			{Command: "ffcvwrite arrays x=x.npy y=y.npy -o arrays.beton", What: "fields x and y"},
			{Command: "ffcvwrite arrays pixels=pixels.npy -o pixels.beton --field pixels=rgb:mode=raw", What: "an array of pictures as images"},
		},
	},
	"webdataset": {
		Text: `Reads tar shards whose members of one name and several extensions are a sample, and writes a field for each extension.`,
		Examples: []term.Example{
			{Command: "ffcvwrite webdataset 'shards/*.tar' -o web.beton", What: "all shards of a folder"},
			{Command: "ffcvwrite webdataset shards/*.tar -o web.beton --field 'image=rgb:column=jpg;png' --field label=int:column=cls", What: "with the fields by hand"},
		},
	},
	"mds": {
		Text: `Reads datasets of MosaicML Streaming, folders with an index.json, compressed or not, and writes a field for each column. Pickled columns are refused: nothing that is read is run.`,
		Examples: []term.Example{
			{Command: "ffcvwrite mds mds -o mds.beton", What: "a folder with an index.json"},
		},
	},
	"parquet": {
		Text: `Reads Parquet files and writes a field for each column; Hugging Face's Image and ClassLabel columns become images and labels with their classes' names.`,
		Examples: []term.Example{
			{Command: "ffcvwrite parquet 'parquet/*.parquet' -o parquet.beton", What: "all files of a folder"},
		},
	},
	"tfrecord": {
		Text: `Reads TFRecord files of tf.train.Example or SequenceExample and writes a field for each feature.`,
		Examples: []term.Example{
			{Command: "ffcvwrite tfrecord 'records/*.tfrecord' -o records.beton", What: "all files of a folder"},
		},
	},
	"hdf5": {
		Text: `Reads datasets of an HDF5 file that share their first axis, by a libhdf5 that is installed, and writes a field for each.`,
		Examples: []term.Example{
			{Command: "ffcvwrite hdf5 data.h5 -o data.beton --field image=rgb:column=jpegs --field label=int:column=labels", What: "the datasets jpegs and labels"},
			{Command: "ffcvwrite hdf5 data.h5 -o data.beton --field x=ndarray:column=vector", What: "one dataset"},
		},
	},
	"cifar": {
		Text: `Reads CIFAR-10 or CIFAR-100 in the binary version, as its archive, its folder or its files, and writes images as raw pixels, labels, and the classes' names.`,
		Examples: []term.Example{
			{Command: "ffcvwrite cifar cifar-10-batches-bin -o cifar.beton", What: "the training part of a folder"},
			{Command: "ffcvwrite cifar cifar-10-batches-bin -o cifar-test.beton --split test", What: "its test part"},
		},
	},
	"idx": {
		Text: `Reads images and labels in the format of MNIST and its kin, plain or with gzip, and writes images as raw pixels, and labels.`,
		Examples: []term.Example{
			{Command: "ffcvwrite idx images-idx3-ubyte labels-idx1-ubyte -o digits.beton", What: "images and labels"},
			{Command: "ffcvwrite idx images-idx3-ubyte labels-idx1-ubyte -o digits.beton --as ndarray", What: "as arrays"},
		},
	},
	"beton": {
		Text: `Reads samples of another .beton and writes them, all or some of them, with all or some of its fields. What is stored is kept byte by byte unless a flag has the images encoded anew; 'ffcv subset' is quicker where none does.`,
		Examples: []term.Example{
			{Command: "ffcvwrite beton train.beton -o small.beton --max-resolution 128", What: "with smaller images"},
			{Command: "ffcvwrite beton train.beton -o some.beton --indices 0:10 --fields image", What: "the images of ten samples"},
		},
	},
	"coco": {
		Text: `Reads annotations in COCO's format and the images that they name, and writes the fields image and boxes, a row of numbers for each box, and with --mask a picture of the masks.`,
		Examples: []term.Example{
			{Command: "ffcvwrite coco instances.json IMAGES -o coco.beton", What: "images and boxes"},
			{Command: "ffcvwrite coco instances.json IMAGES -o coco.beton --mask semantic --columns label,area", What: "with masks, and the boxes' areas"},
		},
	},
	"yolo": {
		Text: `Reads images and their text files of boxes, as YOLO's tools have them, and writes the fields image and boxes.`,
		Examples: []term.Example{
			{Command: "ffcvwrite yolo YOLO -o yolo.beton", What: "a folder with images and labels"},
		},
	},
}

var buildManuals = map[string]term.Manual{
	"plan": {
		Text: `Divides a source into shards that any number of machines build, each for itself and in any order.`,
		Examples: []term.Example{
			{Command: "ffcvwrite plan folder PHOTOS -o plan.json --shards 2", What: "a plan for two shards"},
		},
	},
	"shard": {
		Text: `Reads a plan and its source, and writes one of the plan's shards and a receipt. A shard that is there is not built again. One that was interrupted goes on where it stopped.`,
		Examples: []term.Example{
			{Command: "ffcvwrite shard plan.json --index 0", What: "the first one"},
			{Command: "ffcvwrite shard plan.json --index 1 --json --workers 2", What: "the second, with two at work"},
		},
	},
	"status": {
		Text: `Reads a plan and the receipts of its shards, and tells which are built and which are missing. It writes nothing.`,
		Examples: []term.Example{
			{Command: "ffcvwrite status plan.json", What: "for people"},
			{Command: "ffcvwrite status plan.json --json", What: "for programs"},
		},
	},
	"merge": {
		Text: `Reads the shards of a plan, compares them with their receipts, and writes one file, the same bytes whoever built the shards; or with --index-only a small index, which opens as one dataset.`,
		Examples: []term.Example{
			{Command: "ffcvwrite merge built.json -o all.beton", What: "one file"},
			{Command: "ffcvwrite merge built.json -o all.json --index-only", What: "an index of the shards"},
		},
	},
	"completion": {
		Text: `Writes a script that has the shell complete commands, flags, their values and names of files.`,
		Examples: []term.Example{
			{Command: "ffcvwrite completion bash", What: "in ~/.bashrc: source <(ffcvwrite completion bash)"},
			{Command: "ffcvwrite completion zsh", What: "in ~/.zshrc, behind compinit: source <(ffcvwrite completion zsh)"},
			{Command: "ffcvwrite completion fish", What: "once: ffcvwrite completion fish > ~/.config/fish/completions/ffcvwrite.fish"},
		},
	},
}

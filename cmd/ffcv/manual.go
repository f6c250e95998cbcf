package main

import "github.com/betongo/betongo/internal/term"

const overview = `ffcv looks into .beton files, the datasets of FFCV, checks and mends them, makes files out
of files, and measures how fast they load.

Begin:
  ffcv demo                                       pack photographs, load them, see some
  ffcvwrite folder PHOTOS -o train.beton          make a .beton of class folders
  ffcvwrite                                       all that a .beton can be made of

Look at a file:
  ffcv info train.beton                           fields, classes, number of samples
  ffcv dump train.beton --range 0:10              the samples
  ffcv view train.beton                           all of it, in the browser
  ffcv sample train.beton 17 -o pictures          a sample as files to open
  ffcv stats train.beton                          classes, sizes, what comes twice

Check and mend:
  ffcv verify train.beton                         every flaw
  ffcv repair damaged.beton -o clean.beton        what is whole, in a new file
  ffcv diff old.beton new.beton                   in what two files differ

Make files out of files:
  ffcv merge part0.beton part1.beton -o all.beton
  ffcv subset train.beton --class dog -o dogs.beton
  ffcv split all.beton --parts 0.9,0.1 --shuffle -o train.beton -o val.beton
  ffcv export train.beton --to tar -o shards      also: folder, parquet, mds

Measure:
  ffcv bench train.beton --pipeline rrc224 --order random

'ffcv --help' lists all commands, 'ffcv COMMAND --help' tells all of one.
`

// manual is what the command says of itself.
func manual() *term.Pages {
	all := map[string]term.Manual{"": {
		Text: `A FILE may also be a URL (s3://, gs://, azblob://, https://), and where several may be named, a pattern such as 'train-*.beton', or the index (.json) of a dataset. Results go to standard output; progress, notes, warnings and errors go to standard error.`,
		Exit: map[int]string{1: "it failed, or a file is not sound", 2: "wrong usage"},
		Examples: []term.Example{
			{Command: "ffcv info train.beton", What: "what is in a file"},
			{Command: "ffcv verify train.beton", What: "whether it is sound"},
			{Command: "ffcv bench train.beton --pipeline rrc224 --order random", What: "how fast it loads"},
		},
	}}
	for _, list := range []map[string]term.Manual{lookManuals, mendManuals, makeManuals, loadManuals} {
		for path, m := range list {
			all[path] = m
		}
	}
	return &term.Pages{Overview: overview, Manuals: all, Advise: adviseUsage}
}

var lookManuals = map[string]term.Manual{
	"info": {
		Text: `Reads the header, the descriptors of the fields and the extension block: a few kilobytes, whatever the file's size. Of several files it also says whether they are one dataset.`,
		Exit: map[int]string{1: "a file does not open, or its extension block is damaged"},
		Examples: []term.Example{
			{Command: "ffcv info train.beton", What: "what a file is"},
			{Command: "ffcv info --json train.beton", What: "the same for a program, with all class names"},
			{Command: "ffcv info part0.beton part1.beton", What: "several files, and what they are as one"},
			{Command: "ffcv info s3://bucket/train.beton", What: "a file in an object store"},
		},
	},
	"dump": {
		Text: `Reads samples and prints each as a line: numbers, text and small arrays as they are, images by their size, form and number of bytes. With --json each is an object of all its fields, with their metadata and the SHA-256 of the stored bytes, as tests compare them.`,
		Examples: []term.Example{
			{Command: "ffcv dump train.beton --range 0:10", What: "the first ten samples"},
			{Command: "ffcv dump train.beton --range=-1: --json", What: "the last one, as JSON"},
			{Command: "ffcv dump train.beton --range ::10 --pixel-sums", What: "every tenth, with the SHA-256 of its pixels"},
		},
	},
	"stats": {
		Text: `Reads the whole file, or --samples of it, decodes its pictures and tells: mean and deviation per channel as Normalize takes them, how many samples the classes have, sizes, lengths and values of all fields, which values come twice, which pictures look alike, and which values are broken. It writes nothing.`,
		Exit: map[int]string{1: "it failed, or values are broken"},
		Examples: []term.Example{
			{Command: "ffcv stats train.beton", What: "all there is to tell"},
			{Command: "ffcv stats train.beton --samples 1000 --pixels scaled", What: "a quick look at a large file"},
			{Command: "ffcv stats train.beton --near --against val.beton", What: "is a validation picture in the training set?"},
		},
	},
	"sample": {
		Text: `Reads one sample and writes its values as files that a person can open: images as they are stored (.jpg) or as .png, arrays as .npy or with --text as text, JSON as .json, sound as .wav, other bytes by what they look like. Numbers among several fields are printed.`,
		Examples: []term.Example{
			{Command: "ffcv sample train.beton 17 -o pictures", What: "all fields of sample 17 into a folder"},
			{Command: "ffcv sample train.beton 0 --fields image -o first.jpg", What: "its image alone"},
			{Command: "ffcv sample train.beton 3 --fields label -o -", What: "its label on standard output"},
		},
	},
	"view": {
		Text: `Serves a web page on this machine and opens it in the browser: a gallery with search, each sample with all of its fields, charts, the map of the pages, and the augmentation playground. It needs no network and writes nothing; it serves until it is stopped (Ctrl-C).`,
		Examples: []term.Example{
			{Command: "ffcv view train.beton", What: "in the browser"},
			{Command: "ffcv view train.beton --listen 127.0.0.1:8080 --no-open", What: "at a port of your choice; the line printed has the address"},
		},
	},
	"diff": {
		Text: `Reads two files and prints in what they differ: fields, classes, names, and sample by sample metadata and stored values, by checksums where both have them. How the values lie in the files does not matter.`,
		Exit: map[int]string{0: "nothing differs", 1: "something differs", 2: "wrong usage, or a file could not be read"},
		Examples: []term.Example{
			{Command: "ffcv diff train.beton train.beton", What: "a file and itself: nothing differs"},
			{Command: "ffcv diff old.beton new.beton --by-key --limit 10", What: "samples of the same name, in whatever order"},
		},
	},
}

var mendManuals = map[string]term.Manual{
	"verify": {
		Text: `Reads each file from beginning to end and prints every flaw on a line of its own: file, sample, field, byte, and what is wrong. Values with checksums are compared with them; those without are decoded. It writes nothing.`,
		Exit: map[int]string{0: "all files are sound", 1: "a file has flaws, or could not be read"},
		Examples: []term.Example{
			{Command: "ffcv verify train.beton", What: "is it sound?"},
			{Command: "ffcv verify --decode --json part0.beton part1.beton", What: "several files, every value decoded too, as JSON"},
		},
	},
	"marks": {
		Text: `Reads a file that has no checkpoints of its JPEGs, such as FFCV's own, and writes them into a side file, from which loaders decode crops faster ('ffcv bench --marks-file', loader.Options.MarksFile). The file itself stays as it is; 'ffcv seal' writes them into it.`,
		Examples: []term.Example{
			{Command: "ffcv marks ffcv.beton", What: "make ffcv.beton.marks"},
			{Command: "ffcv marks ffcv.beton -o side.marks --json", What: "under another name"},
		},
	},
	"seal": {
		Text: `Reads a file without checksums, such as FFCV's own, and writes it anew with a checksum of every value, of its metadata and of its table, and with checkpoints of its JPEGs. FFCV reads it as before. Unless --output is given, the new file takes the old one's place once it is whole.`,
		Examples: []term.Example{
			{Command: "ffcv seal ffcv.beton", What: "in the old one's place"},
			{Command: "ffcv seal ffcv.beton -o sealed.beton", What: "as another file"},
			{Command: "ffcv seal ffcv.beton --in-place", What: "where there is no room for a second file"},
		},
	},
	"repair": {
		Text: `Reads a damaged file and finds which samples are whole, by checksums where there are some. With --output it writes those into a new file, with --quarantine the numbers of the others into a list. Without either it finishes, or takes back, a sealing in place that was stopped, and changes nothing else. Header, table and pointers are made anew where checksums prove them.`,
		Exit: map[int]string{0: "nothing is damaged, or what was asked for is written", 1: "it failed, or samples are damaged and neither --output nor --quarantine was given"},
		Examples: []term.Example{
			{Command: "ffcv repair damaged.beton -o clean.beton", What: "the whole samples into a new file"},
			{Command: "ffcv repair damaged.beton --quarantine bad.txt", What: "a list of the others, which loaders leave alone"},
			{Command: "ffcv repair train.beton", What: "after a sealing in place that was stopped"},
		},
	},
}

var makeManuals = map[string]term.Manual{
	"merge": {
		Text: `Reads files with the same fields and writes their samples into one, in the order of the files. Pages are copied as they are, so that it takes about as long as a copy. Class names, names of samples, checksums and checkpoints come along; the labels of files with other class names are refused.`,
		Examples: []term.Example{
			{Command: "ffcv merge part0.beton part1.beton -o all.beton", What: "one after another"},
			{Command: "ffcv merge 'part*.beton' -o all.beton --repack", What: "a pattern, with the values placed anew"},
			{Command: "ffcv merge part0.beton part1.beton -o s3://bucket/all.beton", What: "into an object store"},
		},
	},
	"subset": {
		Text: `Reads a file and writes the chosen samples into a new one: by numbers, by a run, by class, as many of each class, or several of these together. Values are copied as they are stored.`,
		Examples: []term.Example{
			{Command: "ffcv subset train.beton --class dog -o dogs.beton", What: "a class"},
			{Command: "ffcv subset train.beton --range ::2 -o half.beton", What: "every other sample"},
			{Command: "ffcv subset train.beton --balance --per-class 3 --seed 1 -o even.beton", What: "three of each class"},
			{Command: "ffcv subset train.beton --indices 5,3,8 -o three.beton", What: "these, in this order"},
		},
	},
	"split": {
		Text: `Reads a file and writes its samples into several new ones, each sample into one of them; or, for cross-validation, a training and a validation file for each of K folds. With --indices-only it writes the numbers of the samples as JSON, and no files.`,
		Examples: []term.Example{
			{Command: "ffcv split all.beton --parts 0.9,0.1 --shuffle --by-class -o new-train.beton -o new-val.beton", What: "nine tenths and one, with the same mixture of classes"},
			{Command: "ffcv split all.beton --parts 4 -o 'part-{}.beton'", What: "four equal parts"},
			{Command: "ffcv split all.beton --kfold 5 --by-class --indices-only -o 'fold{}'", What: "five folds as lists of numbers"},
		},
	},
	"remap": {
		Text: `Reads a file and writes one with other labels and class names; pages are copied as they are.`,
		Examples: []term.Example{
			{Command: "ffcv remap train.beton -o pets.beton --map cat=pet,dog=pet", What: "two classes become one"},
			{Command: "ffcv remap train.beton -o dogs-or-not.beton --map 'dog=dog,*=other'", What: "one class against all others"},
		},
	},
	"add": {
		Text: `Reads a file and writes one with a field more, or several: rows of a .npy, or a field of another .beton of as many samples. Pages are copied as they are.`,
		Examples: []term.Example{
			{Command: "ffcv add train.beton --field emb=emb.npy -o wide.beton", What: "an embedding for each sample"},
			{Command: "ffcv add train.beton --field again=train.beton:label -o twice.beton", What: "a field of another file"},
		},
	},
	"append": {
		Text: `Reads a file and what is to come behind its samples (a folder of class folders, a table, or another .beton), and writes a new file; pages are copied as they are. The file's fields and class names say how the new samples are read. With --in-place the new file takes the old one's place once it is whole.`,
		Examples: []term.Example{
			{Command: "ffcv append train.beton PHOTOS -o more.beton", What: "photographs of the same classes"},
			{Command: "ffcv append train.beton val.beton --in-place", What: "another file, into the file itself"},
		},
	},
	"export": {
		Text: `Reads a file, or several as one, and writes its samples as another system's dataset: class folders (torchvision's ImageFolder, Hugging Face's imagefolder), tar shards (WebDataset), Parquet (Hugging Face's datasets) or MDS (MosaicML Streaming). JPEGs stay as they are, pixels become PNG. The same file gives the same bytes, which appear whole or not at all.`,
		Examples: []term.Example{
			{Command: "ffcv export train.beton --to folder -o photos", What: "class folders"},
			{Command: "ffcv export train.beton --to tar -o shards --shard-size 1MiB", What: "WebDataset's shards of at most a mebibyte"},
			{Command: "ffcv export train.beton --to parquet --range :10 -o parquet", What: "ten samples as Parquet"},
			{Command: "ffcv export train.beton --to mds -o s3://bucket/mds", What: "MosaicML's, in an object store"},
		},
	},
}

var loadManuals = map[string]term.Manual{
	"bench": {
		Text: `Reads a file, or several as one, as a training would: it loads epochs of batches, with the pipeline and the order that are asked for, and prints samples a second, processor time a sample and memory. It writes nothing, but for a --marks-file.`,
		Examples: []term.Example{
			{Command: "ffcv bench train.beton --pipeline rrc224 --order random", What: "random crops of 224 pixels, in random order"},
			{Command: "ffcv bench train.beton --pipeline rrc224f32 --epochs 2 --explain", What: "as float32, with what held it up"},
			{Command: "ffcv bench train.beton --memory 64MiB --order page_shuffle --window 2", What: "for files larger than memory"},
			{Command: "ffcv bench s3://bucket/train.beton --batch 32 --json", What: "from an object store"},
		},
	},
	"epoch": {
		Text: `Reads a file, or several as one, and prints of each batch of an epoch which samples it holds and, with --json, the SHA-256 of what it holds. With --state it goes on where an earlier run stopped, as a training would.`,
		Examples: []term.Example{
			{Command: "ffcv epoch train.beton --order keyed --seed 1 --batch 8 --json", What: "an epoch, batch by batch"},
			{Command: "ffcv epoch train.beton --batch 8 --stop-after 2 --state state.json", What: "two batches of it; the same command again goes on"},
			{Command: "ffcv epoch train.beton --order random --rank 1 --world 2", What: "what the second of two processes gets"},
		},
	},
	"replay": {
		Text: `Reads one sample as a loader gives it in an epoch and prints, as JSON, the crop, the flips and the numbers that each operation drew, where the picture came to lie, and the path that it came from. With --output it writes the pictures too.`,
		Examples: []term.Example{
			{Command: "ffcv replay train.beton --sample 7 --epoch 3 --seed 1", What: "what was drawn for sample 7 in epoch 3"},
			{Command: "ffcv replay train.beton --sample 7 -o pictures", What: "and what it looked like"},
		},
	},
	"demo": {
		Text: `Packs a folder of class folders, or the photographs that this command brings along, loads shuffled epochs of random crops for a while and prints how fast that went. It writes demo.beton and demo.png, a sheet of pictures as a training would see them.`,
		Examples: []term.Example{
			{Command: "ffcv demo", What: "with its own photographs"},
			{Command: "ffcv demo PHOTOS -o demo --time 1s", What: "with yours"},
		},
	},
	"completion": {
		Text: `Writes a script that has the shell complete commands, flags, their values, .beton files, and the classes and fields of the file that the command line names.`,
		Examples: []term.Example{
			{Command: "ffcv completion bash", What: "in ~/.bashrc: source <(ffcv completion bash)"},
			{Command: "ffcv completion zsh", What: "in ~/.zshrc, behind compinit: source <(ffcv completion zsh)"},
			{Command: "ffcv completion fish", What: "once: ffcv completion fish > ~/.config/fish/completions/ffcv.fish"},
		},
	},
}

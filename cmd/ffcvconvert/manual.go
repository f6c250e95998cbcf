package main

import "github.com/betongo/betongo/internal/term"

const overview = `ffcvconvert brings arrays from a file of one format into a file of another: NumPy, PyTorch,
safetensors, Zarr, HDF5, Arrow, Parquet, MATLAB, images, text, raw bytes, .beton and more.

Convert:
  ffcvconvert model.safetensors model.npz                     formats by extension
  ffcvconvert weights.npz half.safetensors --to-dtype f2      cast on the way
  ffcvconvert weights.npz weight.npy --array weight           one array of several
  ffcvconvert weights.npz '{name}.npy'                        each into a file of its own
  ffcvconvert samples.raw samples.beton --dtype '<f4' --shape=-1,3,8,8

Look:
  ffcvconvert --list weights.npz                              names, types, shapes
  ffcvconvert --formats                                       all formats

'ffcvconvert --help' tells all.
`

// manual is what the command says of itself.
func manual() *term.Pages {
	return &term.Pages{Overview: overview, Advise: adviseUsage, Manuals: map[string]term.Manual{"": {
		Text: `Reads IN, a file, a folder or a URL, a piece at a time, and writes OUT, which appears whole or not at all. Names, types, shapes and attributes come along as far as OUT's format has them; notes on standard error tell what does not.

'ffcvconvert completion bash' (or zsh, or fish) prints a script that has the shell complete command lines: source <(ffcvconvert completion bash)`,
		Exit: map[int]string{0: "OUT is written, or what was asked for printed", 1: "it failed; OUT is as it was"},
		Examples: []term.Example{
			{Command: "ffcvconvert model.safetensors model.npz", What: "all arrays of a file"},
			{Command: "ffcvconvert --list weights.npz", What: "what is in a file"},
			{Command: "ffcvconvert weights.npz weight.npy --array weight --to-dtype f2", What: "one array, as float16"},
			{Command: "ffcvconvert samples.raw samples.beton --dtype '<f4' --shape=-1,3,8,8", What: "raw bytes as samples"},
			{Command: "ffcvconvert weights.npz s3://bucket/weights.zarr", What: "into an object store"},
		},
	}}}
}

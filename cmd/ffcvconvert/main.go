// Command ffcvconvert brings arrays from a file of one format into a file of
// another: .npy, .npz, .npk, .gnz, .safetensors, .pt, Zarr, HDF5, Arrow,
// Parquet, MATLAB, images, text, raw elements, and .beton.
//
//	ffcvconvert model.safetensors model.npk
//	ffcvconvert weights.h5 weight.npy --array layers/0/weight --to-dtype f2
//	ffcvconvert --list checkpoint.pt
//	ffcvconvert samples.raw samples.beton --dtype '<f4' --shape=-1,3,224,224
//
// It ends with 0 when the output is written, 1 when it failed, and 2 on wrong
// usage. An interrupted or failed run leaves no output, and what was there
// before.
package main

import (
	"os"

	"github.com/betongo/betongo/internal/term"
)

func main() { os.Exit(run(term.Context(), os.Args[1:], os.Stdout, os.Stderr)) }

package npy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
)

// appendTwice is npy-append-array's side: it appends arange(6) as two rows.
const appendTwice = `
import sys
import numpy as np
from npy_append_array import NpyAppendArray
for path, dtype, order in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    with NpyAppendArray(path) as f:
        f.append(np.asfortranarray(a.T) if order == "F" else a)
`

// TestInteropNpyAppendArray has both append to one file in turns, and compares
// the file with what each makes of it alone, byte by byte. FORMATS_PYTHON names
// a Python that has it; without it the test is skipped.
func TestInteropNpyAppendArray(t *testing.T) {
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON names no Python with npy-append-array")
	}
	ours := func(path, dtype, order string) {
		t.Helper()
		want, err := array.ParseDType(dtype)
		if err != nil {
			t.Fatal(err)
		}
		numbers, _ := array.Of([]int64{0, 1, 2, 3, 4, 5}, 2, 3)
		rows, err := array.Cast(numbers, want)
		if err != nil {
			t.Fatal(err)
		}
		a, err := npy.OpenAppender(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if order == "F" {
			columns := rows.Strided().Transpose().AsContiguous()
			err = a.Append(columns) // the file's order tells which axis grows
		} else {
			err = a.Append(rows)
		}
		if err == nil {
			err = a.Close()
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	dir := t.TempDir()
	type file struct{ path, alone, dtype, order string }
	var files []file
	var args []string
	for _, dtype := range []string{"<f4", ">i2", "|u1", "<c16", "|b1", "<M8[s]"} {
		for _, order := range []string{"C", "F"} {
			name := dtype[1:2] + dtype[2:3] + order
			f := file{filepath.Join(dir, name+".npy"), filepath.Join(dir, name+"alone.npy"), dtype, order}
			files = append(files, f)
			args = append(args, f.path, dtype, order)
		}
	}
	theirs := func(paths ...string) {
		t.Helper()
		cmd := exec.Command(python, append([]string{"-c", appendTwice}, paths...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npy-append-array: %v\n%s", err, out)
		}
	}
	theirs(args...) // begins each file
	for _, f := range files {
		ours(f.path, f.dtype, f.order)
	}
	theirs(args...)
	args = nil
	for _, f := range files {
		for range 3 {
			args = append(args, f.alone, f.dtype, f.order)
		}
	}
	theirs(args...)
	for _, f := range files {
		got, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(f.alone)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %q…, alone it writes %q…", filepath.Base(f.path), got[:min(len(got), 140)], want[:min(len(want), 140)])
		}
	}
}

package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/clitest"
	"github.com/betongo/betongo/internal/s3test"
)

var program = clitest.Program{
	Name: prog, Grammar: func() any { return new(grammar) }, Pages: manual(),
	Run: func(t *testing.T, args []string, stdout, stderr io.Writer) int {
		return run(t.Context(), args, stdout, stderr)
	},
}

func TestManuals(t *testing.T)   { program.Manuals(t) }
func TestOverview(t *testing.T)  { program.Overview(t) }
func TestFlags(t *testing.T)     { program.Flags(t, "../flags.md") }
func TestJSONFlags(t *testing.T) { program.JSON(t, nil) }

// TestExamples runs what --help shows.
func TestExamples(t *testing.T) { program.Examples(t, &clitest.World{Make: exampleFiles}) }

// TestS3Examples runs those of an object store.
func TestS3Examples(t *testing.T) {
	s := s3test.Start(t)
	for _, kv := range s.Env {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	program.Examples(t, &clitest.World{Bucket: func() string { return "s3://data" }, Make: exampleFiles})
}

// exampleFiles puts the files that an example names into the working folder.
func exampleFiles(t *testing.T, command string) {
	if strings.Contains(command, "samples.raw") {
		if err := os.WriteFile("samples.raw", make([]byte, 5*3*8*8*4), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	a, err := array.New(array.Spec{DType: array.Float32, Shape: []int{4, 3}}, make([]byte, 48))
	if err == nil {
		err = npy.Save("weight", a.Strided(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"weights.npz", "model.safetensors"} {
		if strings.Contains(command, out) {
			if _, err := convert.Convert(t.Context(), "weight", out, &convert.Options{From: "npy"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

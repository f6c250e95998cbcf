package imagefile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestInteropPillow has Pillow read what is written here. FORMATS_PYTHON names
// a Python that has it; without it the test is skipped.
func TestInteropPillow(t *testing.T) {
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON names no Python with Pillow")
	}
	const script = "import sys, numpy, PIL.Image as I; sys.stdout.buffer.write(b''.join(numpy.asarray(I.open(p)).tobytes() for p in sys.argv[1:]))"
	for _, c := range []struct {
		dtype string
		shape []int
	}{{"u1", []int{3, 9, 8}}, {"u1", []int{3, 9, 8, 3}}, {"u1", []int{3, 9, 8, 4}}, {"u2", []int{3, 9, 8}}} {
		dir := filepath.Join(t.TempDir(), "out")
		a := pixels(t, c.dtype, c.shape...)
		if err := write(t, dir, nil, a, nil); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, "-c", script, "000000.png", "000001.png", "000002.png")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		got, err := cmd.Output()
		if err != nil || !bytes.Equal(got, a.Data) {
			t.Errorf("%v: Pillow reads %d bytes that differ from %d; %v", a.Spec, len(got), len(a.Data), err)
		}
	}
}

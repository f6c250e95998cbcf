package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSound(t *testing.T) {
	for _, test := range []struct {
		name, out, fails string
	}{
		{"all ran", "--- PASS: TestInteropNumPy (0.1s)\nok \tarray/npy\t1s\n", ""},
		{"torch isn't there", "--- PASS: TestInteropNumPy (0.1s)\n--- SKIP: TestInteropTorch (0.1s)\n", ""},
		{"one was passed over", "--- PASS: TestInteropNumPy (0.1s)\n--- SKIP: TestInteropZarr (0.1s)\n", "TestInteropZarr"},
		{"a subtest was passed over", "--- PASS: TestInteropNumPy (0.1s)\n    --- SKIP: TestInteropNumPy/f2 (0.1s)\n", ""},
		{"nothing ran", "ok \tarray/npy\t1s [no tests to run]\n", "no test"},
	} {
		if err := sound(test.out, "TestInterop", "Torch"); (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.fails)
		}
	}
}

// source is a source distribution.
func source(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o666}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "a.tar.gz")
	if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestUnpack(t *testing.T) {
	const cargo = "ndarray = { version = \"0.16\", features = [\"blas\"] }\nblas-src = { version = \"0.10\", features = [\"openblas\"] }\n"
	dir := t.TempDir()
	folder, err := unpack(source(t, map[string]string{"numpack-1/Cargo.toml": cargo, "numpack-1/src/lib.rs": "x"}), dir)
	if err != nil || folder != filepath.Join(dir, "numpack-1") {
		t.Fatalf("%q, %v", folder, err)
	}
	name := filepath.Join(folder, "Cargo.toml")
	if err := withoutBLAS(name); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil || string(b) != "ndarray = \"0.16\"\nblas-src = \"0.10\"\n" {
		t.Errorf("%q, %v", b, err)
	}
	if withoutBLAS(name) == nil {
		t.Error("a file without those lines: no error")
	}
	if _, err := unpack(source(t, map[string]string{"../out": "x"}), dir); err == nil {
		t.Error("an entry outside: no error")
	}
}

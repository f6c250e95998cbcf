package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// TestFiles: what is written is a sound .beton, and every value loads.
func TestFiles(t *testing.T) {
	for _, n := range []int{0, 1, 996, 5000} {
		for kind, write := range map[string]func(string, int) error{"sparse": writeSparse, "dense": writeDense} {
			path := filepath.Join(t.TempDir(), kind)
			if err := write(path, n); err != nil {
				t.Fatal(err)
			}
			f, err := ffcv.Open(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Verify(context.Background(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			for order := range orders {
				l := load{File: path, Order: order, Batch: 128, Workers: 2, Epochs: 2, Check: true}
				r, err := l.run(context.Background())
				if err != nil || r.Rows != n || len(r.Wall) != 2 {
					t.Errorf("%s of %d, %s: %+v, %v", kind, n, order, r, err)
				}
			}
		}
	}
}

// TestCheck: a value that isn't the written one is found.
func TestCheck(t *testing.T) {
	const n = 3000
	for kind, write := range map[string]func(string, int) error{"sparse": writeSparse, "dense": writeDense} {
		path := filepath.Join(t.TempDir(), kind)
		if err := write(path, n); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		label := binary.LittleEndian.AppendUint64(nil, 12345)
		if _, err := f.WriteAt(label, ffcv.HeaderSize+2*ffcv.DescriptorSize+1234*rowSize+8); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		l := load{File: path, Order: "sequential", Batch: 128, Epochs: 1, Check: true}
		if _, err := l.run(context.Background()); err == nil || !strings.Contains(err.Error(), "sample 1234") {
			t.Errorf("%s: got %v, want an error of sample 1234", kind, err)
		}
	}
}

// TestTables runs the measurement on small files.
func TestTables(t *testing.T) {
	var out bytes.Buffer
	m := &measurer{
		grammar: grammar{Rows: 100_000, Many: 20_000, Few: 1000, Batch: 256, Bulk: 512, Workers: 2, Rounds: 1, Orders: "sequential,random", Dir: t.TempDir()},
		stdout:  &out, stderr: &out,
		run: func(ctx context.Context, l load) (result, error) { return l.run(ctx) },
	}
	if err := m.measure(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100,000 samples", "| sequential", "| random", "| dense"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

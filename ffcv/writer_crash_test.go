package ffcv_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
)

// crashTarget names, in the environment, the file that a copy of this test
// binary writes over and over until it is killed.
const crashTarget = "BETONGO_TEST_CRASH_TARGET"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashTarget); path != "" {
		specs, ds := everyKind(3000)
		for range 10_000 {
			w, err := ffcv.Create(path, specs, &ffcv.Options{Overwrite: true, PageSize: 2 * mib})
			if err != nil {
				panic(err)
			}
			if err := w.WriteDataset(context.Background(), ds, nil); err != nil {
				panic(err)
			}
		}
		return
	}
	if n := os.Getenv(memorySamples); n != "" {
		tellMemory(n)
		return
	}
	os.Exit(m.Run())
}

// A writer that is killed at any time leaves the old file or the new one.
func TestWriteKilled(t *testing.T) {
	specs, ds := everyKind(3000)
	complete, err := os.ReadFile(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib}, nil))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.beton")
	old, replaced, partial := []byte("old"), 0, 0
	rounds := 0
	for ; rounds < 40 || (replaced == 0 || partial == 0) && rounds < 400; rounds++ {
		if err := os.WriteFile(path, old, 0o666); err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashTarget+"="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// On a slow machine it takes longer to begin, and to end.
		time.Sleep(time.Duration(rand.IntN(60_000+2000*rounds)) * time.Microsecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // killed
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case bytes.Equal(b, complete):
			replaced++
		case !bytes.Equal(b, old):
			t.Fatalf("a file of %d bytes that is neither the old nor the new one", len(b))
		}
		// What it left beside does not look like a dataset.
		rest, err := filepath.Glob(path + ".partial-??????")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range rest {
			if f, err := ffcv.Open(name, nil); err == nil {
				f.Close()
				if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, complete) {
					t.Errorf("%s can be opened, but is not the whole file (%v)", name, err)
				}
			}
			partial++
		}
		rest, err = filepath.Glob(path + ".partial-*")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range rest {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if replaced == 0 || partial == 0 {
		t.Errorf("of %d writers %d replaced the file, %d left a partial one: want some of both", rounds, replaced, partial)
	}
}

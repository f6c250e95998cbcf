package loader_test

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// growing crops to larger and larger squares, each for two epochs.
func growing(epoch int) []loader.Output {
	side := 32 + 16*(epoch/2)
	return []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: side, Height: side}, Ops: []any{transform.HorizontalFlip{}}}}
}

// TestOutputsAt holds every epoch of a schedule to a loader of that size.
func TestOutputsAt(t *testing.T) {
	f := photoFile(t, true)
	l := newLoader(t, f, &loader.Options{BatchSize: 7, Workers: 2, Seed: 3, OutputsAt: growing})
	for _, epoch := range []int{0, 1, 2, 5, 4, 0} {
		side := 32 + 16*(epoch/2)
		want := newLoader(t, f, &loader.Options{BatchSize: 7, Workers: 1, Seed: 3, Outputs: growing(epoch)})
		var rows []string
		for b, err := range want.Epoch(t.Context(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, string(b.Output("image").Data))
			b.Release()
		}
		n := 0
		for b, err := range l.Epoch(t.Context(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			c := b.Output("image")
			if c.Shape[1] != side || c.Shape[2] != side || string(c.Data) != rows[n] {
				t.Errorf("epoch %d, batch %d of shape %v is not that of a loader for %d pixels", epoch, n, c.Shape, side)
			}
			n++
			b.Release()
		}
		if n != len(rows) {
			t.Errorf("epoch %d: %d batches, want %d", epoch, n, len(rows))
		}
	}
}

// TestOutputsAtOverlap runs epochs of different sizes at the same time.
func TestOutputsAtOverlap(t *testing.T) {
	f := photoFile(t, true)
	l := newLoader(t, f, &loader.Options{BatchSize: 7, OutputsAt: growing})
	for a, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for b, err := range l.Epoch(t.Context(), 2*(1+a.Index())) {
			if err != nil {
				t.Fatal(err)
			}
			if got, want := b.Output("image").Shape[1], 48+16*a.Index(); got != want {
				t.Errorf("side %d, want %d", got, want)
			}
			b.Release()
			break
		}
		if side := a.Output("image").Shape[1]; side != 32 {
			t.Errorf("the first epoch's side became %d", side)
		}
		a.Release()
	}
}

func TestOutputsAtRefuses(t *testing.T) {
	f := photoFile(t, true)
	for what, opts := range map[string]loader.Options{
		"both":  {Outputs: growing(0), OutputsAt: growing},
		"panic": {OutputsAt: func(int) []loader.Output { panic("no") }},
		"wrong": {OutputsAt: func(int) []loader.Output { return []loader.Output{{Name: "imag"}} }},
	} {
		if _, err := loader.New(f, &opts); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	l := newLoader(t, f, &loader.Options{OutputsAt: func(epoch int) []loader.Output {
		list := growing(0)
		if epoch > 0 {
			list = append(list, loader.Output{Name: "more", Field: "image", Decoder: loader.Raw{}})
		}
		return list
	}})
	for _, err := range l.Epoch(t.Context(), 1) {
		if err == nil || !strings.Contains(err.Error(), "epoch 1") || !strings.Contains(err.Error(), "want 1") {
			t.Errorf("another output: %v", err)
		}
		return
	}
	t.Error("no error and no batch")
}

// TestOutputsAtMemory: sizes that come and go leave nothing behind.
func TestOutputsAtMemory(t *testing.T) {
	f := photoFile(t, true)
	l := newLoader(t, f, &loader.Options{BatchSize: 16, Workers: 2, OutputsAt: func(epoch int) []loader.Output {
		side := 128 + 8*(epoch%13)
		return []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: side, Height: side}}}
	}})
	anonymous := func() int {
		runtime.GC()
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
				n, _ := strconv.Atoi(strings.Fields(rest)[0])
				return n
			}
		}
		t.Skip("no RssAnon")
		return 0
	}
	epochs := func(from, to int) {
		for n := from; n < to; n++ {
			for b, err := range l.Epoch(context.Background(), n) {
				if err != nil {
					t.Fatal(err)
				}
				b.Release()
			}
		}
	}
	epochs(0, 26)
	before := anonymous()
	epochs(26, 104)
	if after := anonymous(); after > before+16<<10 {
		t.Errorf("%d kB of anonymous memory after 26 epochs, %d after 104", before, after)
	}
}

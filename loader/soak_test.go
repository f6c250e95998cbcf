package loader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// held is what a process holds of its system.
type held struct{ files, mappings, anonymous int } // the last in KiB

// footprint looks, on Linux.
func footprint(t *testing.T) (h held) {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(status), "RssAnon:")
	if !ok {
		t.Skip("no RssAnon")
	}
	h.files, h.mappings = len(list), strings.Count(string(maps), ".beton")
	h.anonymous, err = strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSoak trains on a file of photographs for many epochs, nearly all of which
// end early, each in another way: by break, by a cancelled context, a panic of
// the consumer, an operation's error, batches that are never released. Now and
// then the loader, and sometimes the file, is made anew. Files, mappings,
// goroutines and memory are no more in the end than after the first epochs.
func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("files, mappings and memory are counted on Linux")
	}
	warm, most := 20, 70
	if testing.Short() || race.Enabled {
		warm, most = 8, 16
	}
	path := photoFile(t, true).Name()
	for _, memory := range []int64{0, 4 << 20} {
		t.Run(fmt.Sprintf("memory=%d", memory), func(t *testing.T) {
			defer leak.Watch(t)()
			before := footprint(t)
			s := soak{path: path, memory: memory, rng: rand.New(rand.NewPCG(6, 50))}
			s.epochs(t, 0, warm)
			early := footprint(t)
			s.epochs(t, warm, most)
			late := footprint(t)
			if late.files > early.files || late.mappings > early.mappings {
				t.Errorf("after %d epochs %+v, after %d %+v", warm, early, most, late)
			}
			if !race.Enabled && late.anonymous > early.anonymous+4<<10 {
				t.Errorf("anonymous memory: %d KiB after %d epochs, %d KiB after %d", early.anonymous, warm, late.anonymous, most)
			}
			if t.Logf("%+v, then %+v, then %+v; ends %v", before, early, late, s.ended); len(s.ended) < 6 && !testing.Short() && !race.Enabled {
				t.Errorf("only %d ways of ending came", len(s.ended))
			}
			s.close(t)
			if after := footprint(t); after.files > before.files || after.mappings > before.mappings {
				t.Errorf("%+v before, %+v once all is closed", before, after)
			}
		})
	}
}

// soak is a training that is interrupted over and over.
type soak struct {
	path   string
	memory int64
	rng    *rand.Rand
	file   *ffcv.File
	loader *loader.Loader
	ended  map[string]int

	fails   atomic.Int32 // 1: the operation fails at the 20th sample, 2: it panics
	samples atomic.Int32
}

var errSoak = errors.New("soak")

// open opens the file, if need be, and makes a loader of other options.
func (s *soak) open(t *testing.T) {
	t.Helper()
	var err error
	if s.file == nil {
		if s.file, err = ffcv.Open(s.path, &ffcv.OpenOptions{Memory: s.memory}); err != nil {
			t.Fatal(err)
		}
	}
	orders := []loader.Order{loader.Random, loader.Keyed, loader.QuasiRandom, loader.PageShuffle{}}
	s.loader, err = loader.New(s.file, &loader.Options{
		BatchSize: 1 + s.rng.IntN(12), Workers: 1 + s.rng.IntN(3), Order: orders[s.rng.IntN(len(orders))],
		Outputs: []loader.Output{{
			Name: "image", Decoder: transform.RandomResizedCrop{Width: 96, Height: 96}, Ops: []any{opFunc(s.operate)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// operate is done to every sample.
func (s *soak) operate([]byte, *rand.Rand) error {
	if fails := s.fails.Load(); fails != 0 && s.samples.Add(1) == 20 {
		if fails == 2 {
			panic(errSoak)
		}
		return errSoak
	}
	return nil
}

// epochs runs some.
func (s *soak) epochs(t *testing.T, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		switch {
		case s.loader == nil:
			s.open(t)
		case n%5 == 0:
			if err := s.loader.Close(); err != nil {
				t.Fatal(err)
			}
			if n%10 == 0 {
				s.close(t)
			}
			s.open(t)
		}
		s.epoch(t, n)
	}
}

func (s *soak) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.loader.Close(), s.file.Close()); err != nil {
		t.Fatal(err)
	}
	s.file = nil
}

// epoch runs one, up to a batch by chance, where it ends in a way by chance.
func (s *soak) epoch(t *testing.T, n int) {
	t.Helper()
	ways := []string{"whole", "break", "break", "cancel", "panic", "operation fails", "operation panics", "kept"}
	way, last := ways[s.rng.IntN(len(ways))], s.rng.IntN(s.loader.Len())
	if s.ended == nil {
		s.ended = make(map[string]int)
	}
	s.ended[way]++
	s.samples.Store(0)
	s.fails.Store(map[string]int32{"operation fails": 1, "operation panics": 2}[way])
	defer s.fails.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer func() {
		if r := recover(); r != nil && r != any(way) {
			panic(r)
		}
	}()
	at := 0
	for b, err := range s.loader.Epoch(ctx, n) {
		switch {
		case way == "cancel" && errors.Is(err, context.Canceled):
			continue
		case s.fails.Load() != 0 && errors.Is(err, errSoak):
			continue
		case err != nil:
			t.Fatal(err)
		}
		if way != "kept" { // those are left to the garbage collector
			b.Release()
		}
		if at++; at <= last {
			continue
		}
		switch way {
		case "break", "kept":
			return
		case "cancel":
			cancel()
		case "panic":
			panic(way)
		}
	}
}

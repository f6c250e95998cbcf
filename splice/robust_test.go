package splice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/splice"
)

// A copy of this test binary appends to the file that crashTarget names in the
// environment until it is killed, or merges files of memorySamples samples and
// tells its anonymous memory.
const (
	crashTarget   = "BETONGO_TEST_SPLICE_CRASH_TARGET"
	memorySamples = "BETONGO_TEST_SPLICE_MEMORY_SAMPLES"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashTarget); path != "" {
		appendForEver(path)
		return
	}
	if n := os.Getenv(memorySamples); n != "" {
		tellMemory(n)
		return
	}
	os.Exit(m.Run())
}

func appendForEver(path string) {
	for {
		f, err := ffcv.Open(path, nil)
		if err != nil {
			panic(err)
		}
		if f.Len() > 20_000 {
			select {}
		}
		_, err = splice.Append(context.Background(), path, f, everyKind{300, f.Len()}, &splice.AppendOptions{
			Fields: encoders, Options: splice.Options{Overwrite: true}})
		if err != nil {
			panic(err)
		}
	}
}

// An append in place that is killed at any time leaves the old file or the new
// one, whole.
func TestAppendKilled(t *testing.T) {
	path := everyKind{300, 0}.write(t, ffcv.Options{}, nil)
	grown := 300
	for round := 0; round < 8 || grown == 300 && round < 40; round++ {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), crashTarget+"="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// On a slow machine it takes longer to begin, and to end.
		time.Sleep(time.Duration(50+rand.IntN(200+100*round)) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // killed
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Verify(context.Background(), nil); err != nil || f.Len()%300 != 0 {
			t.Fatalf("%d samples: %v", f.Len(), err)
		}
		grown = f.Len()
		f.Close()
	}
	t.Logf("%d samples", grown)
	if grown == 300 {
		t.Error("nothing was ever appended")
	}
}

// A file that is cut anywhere is an error or, where nothing is missing, whole.
func TestTruncated(t *testing.T) {
	whole := readFile(t, everyKind{40, 0}.write(t, ffcv.Options{}, nil))
	dir, out := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "cut.beton")
	for n := 0; n < len(whole); n += 1 + rand.IntN(60_000) {
		if len(whole)-n < 3000 {
			n = len(whole) - 1 - (len(whole)-n)/100
		}
		if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, nil)
		if err != nil {
			continue
		}
		_, mergeErr := splice.Merge(context.Background(), filepath.Join(out, "x"), []*ffcv.File{f}, nil)
		if mergeErr == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, len(whole))
		}
		f.Close()
		alone(t, out)
	}
}

// A file that is cut while it is mapped is an error too, not a fault.
func TestCutWhileMapped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file cannot be cut")
	}
	for k, do := range []func(path string, f *ffcv.File) error{
		func(path string, f *ffcv.File) error {
			_, err := splice.Merge(context.Background(), path, []*ffcv.File{f}, nil)
			return err
		},
		func(path string, f *ffcv.File) error {
			_, err := splice.Subset(context.Background(), path, f, splice.Selection{Labels: []int64{1}, Field: 1}, nil)
			return err
		},
		func(path string, f *ffcv.File) error {
			_, err := splice.Subset(context.Background(), path, f, splice.Selection{}, nil)
			return err
		},
		func(path string, f *ffcv.File) error {
			_, err := splice.Split(context.Background(), f, []splice.Part{{path, 1}, {path + "2", 1}}, &splice.SplitOptions{ByClass: true, Field: 1})
			return err
		},
		func(path string, f *ffcv.File) error {
			_, err := splice.Add(context.Background(), path, f, []splice.Column{{"x", fields.Int{}, f.Len(), func(int) (any, error) { return 1, nil }}}, nil)
			return err
		},
	} {
		for _, size := range []int64{4096, 2 * mib, 2*mib + 8192} {
			in := everyKind{150, 0}.write(t, ffcv.Options{}, nil)
			f, err := ffcv.Open(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(in, size); err != nil {
				t.Fatal(err)
			}
			out := t.TempDir()
			err = do(filepath.Join(out, "x"), f)
			f.Close()
			var flaw *ffcv.FormatError
			if !errors.As(err, &flaw) || flaw.File != in {
				t.Errorf("%d, cut to %d bytes: %v", k, size, err)
			}
			alone(t, out)
		}
	}
}

// tellMemory merges, splits and narrows files of n samples in all, and prints
// the anonymous memory in KiB.
func tellMemory(samples string) {
	n, err := strconv.Atoi(samples)
	if err != nil {
		panic(err)
	}
	debug.SetGCPercent(10) // what is kept counts, not how long the collector waits
	dir, err := os.MkdirTemp("", "splice")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	must := func(_ any, err error) {
		if err != nil {
			panic(err)
		}
	}
	w, err := ffcv.Create(path("a"), []ffcv.FieldSpec{{Name: "data", Field: fields.Bytes{}}, {Name: "n", Field: fields.Int{}}}, &ffcv.Options{Workers: 2, PageSize: 2 * mib})
	must(w, err)
	must(nil, w.WriteDataset(context.Background(), tiny(n/2), nil))
	f, err := ffcv.Open(path("a"), nil)
	must(f, err)
	ctx, opts := context.Background(), splice.Options{Workers: 2}
	must(splice.Merge(ctx, path("m"), []*ffcv.File{f, f}, &opts))
	must(splice.Subset(ctx, path("s"), f, splice.Selection{Shuffle: true, Labels: []int64{3}, Field: 1}, &opts))
	must(splice.Split(ctx, f, []splice.Part{{path("p"), 9}, {path("q"), 1}}, &splice.SplitOptions{ByClass: true, Field: 1, Options: opts}))
	status, err := os.ReadFile("/proc/self/status")
	must(status, err)
	_, rest, _ := bytes.Cut(status, []byte("RssAnon:"))
	fmt.Println(strings.Fields(string(rest))[0])
}

// tiny is a dataset of many small samples.
type tiny int

func (d tiny) Len() int { return int(d) }
func (d tiny) Sample(_ context.Context, i int) ([]any, string, error) {
	return []any{[]byte("twenty bytes of text")[:i%20], i % 10}, strconv.Itoa(i), nil
}

// Memory does not depend on how many samples there are.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("anonymous memory is told by Linux's /proc only")
	}
	kib := func(n int) (kib int) {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", memorySamples, n))
		out, err := child.Output()
		if err == nil {
			_, err = fmt.Sscan(string(out), &kib)
		}
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		return kib
	}
	n, m, allowed := 100_000, 600_000, 12<<10
	if race.Enabled {
		n, m, allowed = 20_000, 60_000, 200<<10
	}
	few, many := kib(n), kib(m)
	t.Logf("anonymous memory: %d KiB for %d samples, %d KiB for %d", few, n, many, m)
	if many > few+allowed {
		t.Errorf("%d KiB for %d samples, %d KiB for %d: want about the same", few, n, many, m)
	}
}

package ffcv_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// memorySamples says, in the environment, how many samples a copy of this test
// binary writes before it tells its anonymous memory.
const memorySamples = "BETONGO_TEST_MEMORY_SAMPLES"

// tellMemory writes n samples with keys and marks as a dataset and as a stream that
// outgrows its reserve, and prints the anonymous memory in KiB, which Go hardly
// gives back: about its peak.
func tellMemory(samples string) {
	n, err := strconv.Atoi(samples)
	if err != nil {
		panic(err)
	}
	debug.SetGCPercent(10) // what is kept counts, not how long the collector waits
	dir, err := os.MkdirTemp("", "betongo")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	specs := []ffcv.FieldSpec{{"data", marked{}}, {"n", fields.Int{}}}
	data := golden.Input(0, 20)
	ds := made{n, func(i int) []any { return []any{data, i} }, strconv.Itoa}
	for i, write := range []func(*ffcv.Writer) error{
		func(w *ffcv.Writer) error {
			return w.WriteDataset(context.Background(), ds, &ffcv.DatasetOptions{Shuffle: true})
		},
		func(w *ffcv.Writer) error { return w.WriteStream(context.Background(), ds.stream(), nil) },
	} {
		w, err := ffcv.Create(filepath.Join(dir, strconv.Itoa(i)), specs, &ffcv.Options{Workers: 2, PageSize: 2 * mib})
		if err != nil {
			panic(err)
		}
		if err := write(w); err != nil {
			panic(err)
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("RssAnon:"))
	var kib int
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		panic(err)
	}
	fmt.Println(kib)
}

// What a writer takes of memory does not depend on how many samples it writes.
func TestWriteMemory(t *testing.T) {
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
	// The race detector keeps books of its own.
	n, m, allowed := 200_000, 1_000_000, 11<<10
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n, m, allowed = 30_000, 100_000, 200<<10
	}
	few, many := kib(n), kib(m)
	t.Logf("anonymous memory: %d KiB for %d samples, %d KiB for %d", few, n, many, m)
	if many > few+allowed {
		t.Errorf("%d KiB for %d samples, %d KiB for %d: want about the same", few, n, many, m)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/betongo/betongo/testdata/photos"
)

func TestSplit(t *testing.T) {
	folder := fstest.MapFS{}
	for _, name := range strings.Fields("a/1.jpg a/2.jpg b/1.jpg b/2.JPEG b/3.jpg b/note.txt c/1.jpg c/2.jpg c/3.jpg c/4.jpg d/1.jpg e.jpg") {
		folder[name] = &fstest.MapFile{}
	}
	names, err := largest(folder, 3)
	if want := []string{"c", "b", "a"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("largest: got %v, %v; want %v", names, err, want)
	}
	if names, err := largest(folder, 9); err != nil || len(names) != 4 {
		t.Errorf("largest of fewer: got %v, %v; want all 4", names, err)
	}
	train, held, err := split(folder, []string{"b", "a"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []photo{{"b/1.jpg", 0}, {"b/3.jpg", 0}, {"a/1.jpg", 1}}; !slices.Equal(train, want) {
		t.Errorf("to train: got %v, want %v", train, want)
	}
	if want := []photo{{"b/2.JPEG", 0}, {"a/2.jpg", 1}}; !slices.Equal(held, want) {
		t.Errorf("held out: got %v, want %v", held, want)
	}
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"a"}, "1 classes, want 2 at least"},
		{[]string{"a", "b", "a"}, "class a is named twice"},
		{[]string{"a", "d"}, "class d has 1 JPEG photographs, want 2 at least"},
		{[]string{"a", "none"}, "file does not exist"},
	} {
		if _, _, err := split(folder, c.names); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("split %v: got %v, want %q", c.names, err, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	printTable(&out, []result{{"fast", []float64{90, 92, 94}}, {"exact", []float64{91, 91, 94}}})
	const want = `| pipeline | top-1, mean ± standard deviation | each seed | fast less this, ± standard error |
|---|---|---|---|
| fast | 92.00 ± 2.00 % | 90.00 92.00 94.00 | |
| exact | 92.00 ± 1.73 % | 91.00 91.00 94.00 | +0.00 ± 0.58 |
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if difference, noise := less([]float64{1, 3}, []float64{6, 6}); difference != -4 || math.Abs(noise-1) > 1e-12 { // -5 and -3
		t.Errorf("less: got %v ± %v, want -4 ± 1", difference, noise)
	}
}

// prepared is a trainer of two epochs on the photographs that come with the
// code.
func prepared(t *testing.T) *trainer {
	tr := &trainer{dir: t.TempDir(), epochs: 2, batch: 8, size: 16}
	names, err := largest(photos.FS, 20)
	if err == nil {
		err = tr.prepare(t.Context(), photos.FS, names)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// parse reads a stream of batches as train.py does.
func parse(t *testing.T, data []byte, size int) (labels []int64, pixels []byte, batches []int) {
	for len(data) > 0 {
		n := int(binary.LittleEndian.Uint32(data))
		data = data[4:]
		for range n {
			labels = append(labels, int64(binary.LittleEndian.Uint64(data)))
			data = data[8:]
		}
		pixels = append(pixels, data[:n*size*size*3]...)
		data = data[n*size*size*3:]
		batches = append(batches, n)
	}
	return labels, pixels, batches
}

func TestFeed(t *testing.T) {
	tr := prepared(t)
	labels, _, batches := parse(t, tr.held, tr.size)
	if want := []int{tr.heldOut}; !slices.Equal(batches, want) {
		t.Errorf("held out: batches of %v, want %v", batches, want)
	}
	if !slices.IsSorted(labels) || labels[len(labels)-1] != int64(tr.classes-1) {
		t.Errorf("held out: labels %v, want them in order, 0 to %d", labels, tr.classes-1)
	}
	feed := func(pipeline string, seed int) ([]int64, []byte) {
		var b bytes.Buffer
		if err := tr.feed(t.Context(), &b, pipeline, seed); err != nil {
			t.Fatal(err)
		}
		labels, pixels, batches := parse(t, b.Bytes(), tr.size)
		if want := slices.Repeat([]int{tr.batch}, tr.epochs*tr.steps()); !slices.Equal(batches, want) {
			t.Errorf("%s, seed %d: batches of %v, want %v", pipeline, seed, batches, want)
		}
		return labels, pixels
	}
	labels, quick := feed(fast, 1)
	same, precise := feed(exact, 1)
	if !slices.Equal(labels, same) {
		t.Errorf("fast and exact of one seed have other photographs: labels %v and %v", labels, same)
	}
	var sum, largest int
	for i := range quick {
		d := int(quick[i]) - int(precise[i])
		sum, largest = sum+max(d, -d), max(largest, d, -d)
	}
	if mean := float64(sum) / float64(len(quick)); largest == 0 || mean > 2 {
		t.Errorf("fast and exact pixels differ by %.3f on average, %d at most; want the same crops, rendered in two ways", mean, largest)
	}
	other, _ := feed(fast, 2)
	if slices.Equal(labels, other) {
		t.Error("two seeds give the same order")
	}
}

// TestRun trains with what Python there is.
func TestRun(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil || testing.Short() || exec.Command(python, "-c", "import torch").Run() != nil {
		t.Skip("no python3 with torch")
	}
	tr := prepared(t)
	tr.python = python
	v, err := tr.run(t.Context(), fast, 1)
	if right := v / 100 * float64(tr.heldOut); err != nil || v < 0 || v > 100 || math.Abs(right-math.Round(right)) > 1e-9 {
		t.Errorf("got %v, %v; want the percentage of some of %d photographs", v, err, tr.heldOut)
	}
	tr.held = tr.held[:len(tr.held)-1]
	if _, err := tr.run(t.Context(), theirs, 1); err == nil || !strings.Contains(err.Error(), "stdin ends inside a batch") {
		t.Errorf("a byte is missing: got %v, want an error that says so", err)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--python", "python3", "--seeds", "1", "folder"}, "--seeds 1"},
		{[]string{"folder"}, "--python"},
		{[]string{"--python", "no-such-python", t.TempDir()}, "no-such-python"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), c.args, &stdout, &stderr); code == 0 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("accuracy %v: exit %d and %q, want an error with %q", c.args, code, stderr.String(), c.want)
		}
	}
}

//go:build linux

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

func TestNeed(t *testing.T) {
	row := make([]uint8, 1<<20)
	v, err := array.Of(row)
	if err != nil {
		t.Fatal(err)
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{len(row)}}}}, 200,
		func(int) []any { return []any{v} }, &ffcv.Options{PageSize: ffcv.MinPageSize})
	f := ffcvtest.Map(t, path, nil)
	const mib = 1 << 20
	for _, test := range []struct {
		order        loader.Order
		batch, ahead int
		least, most  int64
	}{
		{loader.Random, 1, 1, 64 * mib, 64 * mib},
		{loader.Random, 20, 1, 80 * mib, 85 * mib}, // two batches, twice
		{loader.Random, 20, 0, 200 * mib, 205 * mib},
		{loader.Random, 0, 0, 200 * mib, 205 * mib}, // the file, no more
		{loader.QuasiRandom, 10, 1, 104 * mib, 110 * mib},
		{loader.PageShuffle{Window: 10}, 1, 1, 84 * mib, 85 * mib},
		{loader.PageShuffle{}, 1, 1, 190 * mib, 205 * mib},
		{loader.BlockShuffle{Block: 10, Window: 5}, 1, 1, 113 * mib, 120 * mib},
		{loader.Repeated{Order: loader.PageShuffle{Window: 10}}, 1, 1, 84 * mib, 85 * mib},
		{loader.Repeated{}, 1, 1, 64 * mib, 64 * mib},
	} {
		if got := need(f, test.order, test.batch, test.ahead); got < test.least || got > test.most {
			t.Errorf("%v, batch %d, ahead %d: %d MiB, want %d to %d", test.order, test.batch, test.ahead, got/mib, test.least/mib, test.most/mib)
		}
	}
	if want, bytes := budget(f, loader.Random, 0, 0); bytes > want || bytes < leastMemory {
		t.Errorf("a budget of %d for a need of %d", bytes, want)
	}
}

// TestWindowed: no window is left to a budget that is this machine's.
func TestWindowed(t *testing.T) {
	for _, c := range [][2]loader.Order{
		{loader.PageShuffle{}, loader.PageShuffle{Window: 64}},
		{loader.PageShuffle{Window: 3}, loader.PageShuffle{Window: 3}},
		{loader.BlockShuffle{Block: 9}, loader.BlockShuffle{Block: 9, Window: 64}},
		{loader.Repeated{Order: loader.PageShuffle{}, Times: 2}, loader.Repeated{Order: loader.PageShuffle{Window: 64}, Times: 2}},
		{loader.Repeated{}, loader.Repeated{}},
		{loader.Random, loader.Random},
		{nil, nil},
	} {
		if got := windowed(c[0]); got != c[1] {
			t.Errorf("%+v: got %+v, want %+v", c[0], got, c[1])
		}
	}
}

func TestAvailable(t *testing.T) {
	if n := available(); n < 1<<20 {
		t.Errorf("%d bytes are available", n)
	}
	root := t.TempDir()
	group := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(group, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a/memory.max": "1000\n", "a/memory.current": "900\n", "a/memory.stat": "anon 100\nfile 500\nshmem 200\n",
		"a/b/memory.max": "max\n", "a/b/memory.current": "5\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for groups, want := range map[string]int64{"0::/a/b\n": 400, "1:cpu:/x\n0::/a\n": 400} {
		if got := ofGroup(root, groups); got != want {
			t.Errorf("%q: %d, want %d", groups, got, want)
		}
	}
	for _, groups := range []string{"", "0::/\n", "0::/../../..\n"} {
		if got := ofGroup(root, groups); got < 1<<60 {
			t.Errorf("%q: %s", groups, fmt.Sprint(got))
		}
	}
}

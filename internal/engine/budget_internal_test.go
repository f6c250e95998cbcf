package engine

import (
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

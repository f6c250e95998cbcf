package ffcv_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// failing is a dataset some of whose samples, or their values, fail.
type failing struct {
	made
	bad func(i int) bool
}

func (d failing) Sample(ctx context.Context, i int) ([]any, string, error) {
	values, key, err := d.made.Sample(ctx, i)
	if d.bad(i) {
		if i%2 == 0 {
			return nil, key, errBoom
		}
		values[0] = "no number"
	}
	return values, key, err
}

// With OnError the rows are those of the samples that did not fail, in the
// same order, and the file is the same for any number of workers.
func TestWriteDatasetSkips(t *testing.T) {
	specs, ds := everyKind(1000)
	ds.key = func(i int) string { return fmt.Sprint(i) }
	bad := func(i int) bool { return i%5 == 2 || i > 900 }
	for _, shuffle := range []bool{false, true} {
		whole, err := ffcv.Open(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Seed: 4}, &ffcv.DatasetOptions{Shuffle: shuffle}), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		var good []int
		for i := range ds.n {
			key, err := whole.Key(i)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := strconv.Atoi(key); !bad(n) {
				good = append(good, n)
			}
		}
		var first string
		for _, workers := range []int{1, 4} {
			skipped := 0
			w, path := create(t, specs, &ffcv.Options{PageSize: 2 * mib, Seed: 4, Workers: workers})
			err := w.WriteDataset(t.Context(), failing{ds, bad}, &ffcv.DatasetOptions{Shuffle: shuffle, OnError: func(key string, err error) error {
				if n, _ := strconv.Atoi(key); !bad(n) {
					t.Errorf("sample %s let go: %v", key, err)
				}
				skipped++
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if s := w.Stats(); s.Skipped != skipped || s.Samples != len(good) || s.Samples+s.Skipped != ds.n {
				t.Errorf("%d skipped, %d good, stats %+v", skipped, len(good), s)
			}
			checkFile(t, path, specs, ds, len(good), func(row int) int { return good[row] })
			if got := fileSum(t, path); first == "" {
				first = got
			} else if got != first {
				t.Errorf("shuffle %v, %d workers: another file", shuffle, workers)
			}
		}
	}
}

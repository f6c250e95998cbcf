package ffcv_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// Rows are those of the whole file, with its random order.
func TestWriteRows(t *testing.T) {
	specs, ds := everyKind(50)
	for _, indices := range [][]int{nil, {4, 4, 49, 0, 7, 3, 2}} {
		n := ds.n
		if indices != nil {
			n = len(indices)
		}
		order := &ffcv.DatasetOptions{Shuffle: true, Indices: indices}
		whole, err := ffcv.Open(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Seed: 4}, order), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		for _, r := range []ffcv.Rows{{0, 0}, {0, n}, {2, 5}, {n - 1, n}, {n, n}} {
			order := &ffcv.DatasetOptions{Shuffle: true, Indices: indices, Rows: &r}
			part, err := ffcv.Open(write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Seed: 4}, order), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer part.Close()
			if part.Len() != r.Hi-r.Lo {
				t.Errorf("rows %v: %d samples", r, part.Len())
			}
			for i := range part.Len() {
				got, err := part.Key(i)
				want, wantErr := whole.Key(r.Lo + i)
				if err := errors.Join(err, wantErr); err != nil || got != want {
					t.Errorf("rows %v: sample %d is %q, want %q, %v", r, i, got, want, err)
				}
			}
		}
		for _, r := range []ffcv.Rows{{-1, 2}, {3, 2}, {0, n + 1}} {
			w, _ := create(t, specs, &ffcv.Options{PageSize: 2 * mib})
			err := w.WriteDataset(t.Context(), ds, &ffcv.DatasetOptions{Indices: indices, Rows: &r})
			if err == nil || !strings.Contains(err.Error(), "rows ") {
				t.Errorf("rows %v of %d: %v", r, n, err)
			}
		}
	}
}

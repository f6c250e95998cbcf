package dataset_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// TestLend: a cache with room for all files lends what Bytes reads, through whatever
// the files are made into.
func TestLend(t *testing.T) {
	paths := []string{writeFile(t, 0, 5), writeFile(t, 1, 3), writeFile(t, 2, 4)}
	all := opened(t, cached(64<<20), paths...)
	files := make([]*ffcv.File, len(paths))
	for i, path := range paths {
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	x, err := dataset.NewIndex(files, paths)
	if err != nil {
		t.Fatal(err)
	}
	index, err := dataset.OpenIndex(x, "", cached(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	some, err := dataset.NewSubset(all, []int{11, 0, 7, 7, 3})
	if err != nil {
		t.Fatal(err)
	}
	joined, err := dataset.NewJoin(all)
	if err != nil {
		t.Fatal(err)
	}
	two, err := dataset.NewConcat(all, some)
	if err != nil {
		t.Fatal(err)
	}
	for name, ds := range map[string]dataset.Dataset{"files": all, "index": index, "subset": some, "join": joined, "concat": two} {
		checkLent(t, name, ds, true)
	}
	checkLent(t, "no room", opened(t, cached(1<<20), paths...), false)
	checkLent(t, "mapped", opened(t, nil, paths...), false)
}

// checkLent compares what is lent of every value with its bytes.
func checkLent(t *testing.T, name string, ds dataset.Dataset, lends bool) {
	t.Helper()
	n := 0
	for i := range ds.Len() {
		row, err := ds.Rows(i, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		row = slices.Clone(row)
		for k, d := range ds.Fields() {
			regions, err := d.Field.Regions(nil, row[d.Offset:d.Offset+d.Size])
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range regions {
				if r.Size < 0 {
					if r.Size, err = ds.RegionSize(i, k, r.Ptr); err != nil {
						t.Fatal(err)
					}
				}
				b, done, err := ds.(loader.Loaner).Lend(i, r.Ptr, r.Size)
				if err != nil || done != nil != (lends && r.Size > 0) {
					t.Fatalf("%s, sample %d, field %q: %d of %d bytes, error %v, lent: %v", name, i, d.Name, len(b), r.Size, err, done != nil)
				}
				if done == nil {
					continue
				}
				if want, err := ds.Bytes(i, r.Ptr, r.Size, nil); err != nil || !bytes.Equal(b, want) {
					t.Errorf("%s, sample %d, field %q: other bytes are lent, error %v", name, i, d.Name, err)
				}
				done()
				n++
			}
		}
		// What lies in no page is Bytes' error.
		if _, done, err := ds.(loader.Loaner).Lend(i, 1, 10); done != nil || err != nil {
			t.Errorf("%s, sample %d: metadata is lent, error %v", name, i, err)
		}
	}
	if n > 0 != lends {
		t.Errorf("%s: %d values were lent", name, n)
	}
}

// TestLendCloseShard: a dataset whose files have a cache each can be closed while a
// value of one is lent to somebody who then needs more of that file.
func TestLendCloseShard(t *testing.T) {
	x, base, _ := indexed(t, 5, 3)
	c, err := dataset.OpenIndex(x, base, &dataset.Options{Open: func(path string) (*ffcv.File, error) {
		return ffcv.Open(path, &ffcv.OpenOptions{Memory: 64 << 20})
	}})
	if err != nil {
		t.Fatal(err)
	}
	done := borrowSome(t, c)
	closed, refused := make(chan error, 1), make(chan error, 1)
	go func() { closed <- c.Close() }()
	go func() { // ends when Close has begun
		for {
			if _, err := c.Rows(0, 1, nil); err != nil {
				refused <- err
				return
			}
		}
	}()
	select {
	case <-refused:
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for what is lent, and who has it for Close")
	}
	select {
	case <-closed:
		t.Error("Close did not wait for what is lent")
	case <-time.After(10 * time.Millisecond):
	}
	done()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// borrowSome borrows a value of sample 0.
func borrowSome(t *testing.T, ds dataset.Dataset) (done func()) {
	t.Helper()
	row, err := ds.Rows(0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, d := range ds.Fields() {
		regions, err := d.Field.Regions(nil, row[d.Offset:d.Offset+d.Size])
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range regions {
			if r.Size < 0 {
				if r.Size, err = ds.RegionSize(0, k, r.Ptr); err != nil {
					t.Fatal(err)
				}
			}
			if _, done, err := ds.(loader.Loaner).Lend(0, r.Ptr, r.Size); err != nil || done != nil {
				if err != nil {
					t.Fatal(err)
				}
				return done
			}
		}
	}
	t.Fatal("nothing is lent")
	return nil
}

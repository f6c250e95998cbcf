package build_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// upload puts the files below a folder into the bucket.
func upload(t testing.TB, dir, url string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return store.WriteFile(t.Context(), url+filepath.ToSlash(rel), b, false, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A dataset whose source, plan, shards and file lie in an object store is the one
// that is built on the local disk.
func TestS3Folder(t *testing.T) {
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/"
	upload(t, photos, base+"photos/")
	ctx := t.Context()
	put := func(key, text string) {
		if err := store.WriteFile(ctx, base+key, []byte(text), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("photos/.hidden/x.jpg", "hidden")
	put("photos/readme.txt", "no class")
	r := build.Recipe{Folder: &build.Folder{Dir: base + "photos"}, Writer: build.Writer{PageSize: 2 << 20, Shuffle: true, Seed: 5}}
	l := folder(t, func(l *build.Recipe) { l.Writer = r.Writer })

	// One machine, to the store and from it.
	src, err := r.Open(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var left []string
	for _, s := range src.LeftOut {
		left = append(left, s.Path)
	}
	if want := []string{".hidden", "README.md", "make.py", "photos.go", "readme.txt"}; !slices.Equal(left, want) {
		t.Errorf("left out %q, want %q", left, want)
	}
	one := base + "out/one.beton"
	staging := t.TempDir()
	if _, err := r.Write(ctx, src, one, &build.WriteOptions{Staging: staging}); err != nil {
		t.Fatal(err)
	}
	want := direct(t, l)
	if got, err := store.Fetch(ctx, one, nil); err != nil {
		t.Error(err)
	} else if sum(t, got.Path) != sum(t, want) {
		t.Error("to the store and from it: another file than on the local disk")
	}
	if _, err := r.Write(ctx, src, one, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an object that is there: %v", err)
	}
	if rest, _ := os.ReadDir(staging); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}

	p, err := build.NewPlan(ctx, r, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(ctx, base+"builds/p.json", false, nil); err != nil {
		t.Fatal(err)
	}
	if p, err = build.ReadPlan(ctx, base+"builds/p.json", nil); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 2 * p.Len() { // every shard by two at a time
		wait.Add(1)
		go func() {
			defer wait.Done()
			// Each has a disk of its own.
			if _, err := build.BuildShard(ctx, p, i/2, &build.ShardOptions{WriteOptions: build.WriteOptions{Staging: t.TempDir()}}); err != nil {
				t.Error(err)
			}
		}()
	}
	wait.Wait()
	local := filepath.Join(t.TempDir(), "merged.beton")
	for _, out := range []string{base + "out/merged.beton", local} {
		if _, err := build.Merge(ctx, p, out, nil); err != nil {
			t.Fatal(err)
		}
	}
	same(t, local, want)
	got, err := store.Fetch(ctx, base+"out/merged.beton", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	lp := plan(t, l, 5)
	buildAll(t, lp, []int{0, 1, 2, 3, 4})
	if a, b, c := sum(t, got.Path), sum(t, local), sum(t, merge(t, lp)); a != b || b != c {
		t.Errorf("merged in the store, from it, and on the local disk: %s, %s, %s", a, b, c)
	}
	index := base + "builds/all.json"
	if _, err := build.Merge(ctx, p, index, &build.MergeOptions{IndexOnly: true}); err != nil {
		t.Fatal(err)
	}
	all, err := store.Open(ctx, []string{index}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if all.Len() != p.Samples {
		t.Errorf("the index has %d samples, want %d", all.Len(), p.Samples)
	}
}

// A shard that another machine has put there is taken for one's own where the bytes
// are, and replaced where they aren't.
func TestS3Conflict(t *testing.T) {
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/"
	ctx := t.Context()
	r := folder(t, nil)
	p, err := build.NewPlan(ctx, r, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(ctx, base+"p.json", false, nil); err != nil {
		t.Fatal(err)
	}
	first, err := build.BuildShard(ctx, p, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := p.ShardPath(1)
	if err != nil {
		t.Fatal(err)
	}
	receipt := strings.TrimSuffix(path, ".beton") + ".json"
	version := func() string {
		e, err := remote.Stat(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return e.Version
	}
	was := version()
	for _, c := range []struct {
		name   string
		change func() error
		same   bool
	}{
		{"nothing", func() error { return nil }, true},
		{"no receipt", func() error { return remote.Delete(ctx, receipt, nil) }, true},
		{"a broken receipt", func() error { return store.WriteFile(ctx, receipt, []byte("{"), true, nil) }, true},
		{"another shard", func() error {
			return errors.Join(remote.Delete(ctx, receipt, nil), store.WriteFile(ctx, path, []byte("other"), true, nil))
		}, false},
		{"no shard", func() error { return remote.Delete(ctx, path, nil) }, false},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		built := false
		r, err := build.BuildShard(context.WithoutCancel(ctx), p, 1, &build.ShardOptions{
			WriteOptions: build.WriteOptions{Progress: func(ffcv.Progress) { built = true }},
		})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if r.SHA256 != first.SHA256 || r.Size != first.Size {
			t.Errorf("%s: another shard: %+v, was %+v", c.name, r, first)
		}
		if built == (c.name == "nothing") {
			t.Errorf("%s: built: %v", c.name, built)
		}
		if v := version(); c.same && v != was {
			t.Errorf("%s: the object was replaced", c.name)
		}
	}
	receipts, err := p.Receipts(ctx, nil)
	if err != nil || receipts[0] != nil || receipts[1] == nil || receipts[2] != nil {
		t.Errorf("%v, %v", receipts, err)
	}
	var missing *build.MissingError
	if _, err := build.Merge(ctx, p, base+"m.beton", nil); !errors.As(err, &missing) || !slices.Equal(missing.Shards, []int{0, 2}) {
		t.Errorf("merge: %v", err)
	}
}

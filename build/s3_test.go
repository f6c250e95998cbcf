package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/source"
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
	first, err := store.Fetch(ctx, one, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if sum(t, first.Path) != sum(t, want) {
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
	// An index there may not name files of this machine.
	foreign := base + "builds/local.json"
	if _, err := build.Merge(ctx, lp, foreign, &build.MergeOptions{IndexOnly: true}); err == nil || !strings.Contains(err.Error(), "local path") || !strings.Contains(err.Error(), foreign) {
		t.Errorf("an index in a store of local shards: %v", err)
	}
	if there, err := store.Exists(ctx, foreign, nil); there || err != nil {
		t.Errorf("it was written: %v", err)
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

// Tables, with the files that they name beside them, and arrays in an object store
// give what they give on the local disk.
func TestS3Sources(t *testing.T) {
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/deep/"
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "photos"), os.DirFS(photos)); err != nil {
		t.Fatal(err)
	}
	table := "path,label,vec\n"
	for i, key := range keys(t) {
		name := fmt.Sprintf("v%d.npy", i%3)
		table += fmt.Sprintf("photos/%s,%d,%s\n", key, i, name)
	}
	for i := range 3 {
		writeArray(t, filepath.Join(dir, fmt.Sprintf("v%d.npy", i)), array.Spec{DType: array.Uint8, Shape: []int{5}}, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
	writeArray(t, filepath.Join(dir, "x.npy"), array.Spec{DType: array.Uint8, Shape: []int{1000, 40}}, 1)
	writeArray(t, filepath.Join(dir, "y.npy"), array.Spec{DType: array.Uint8, Shape: []int{1000}}, 2)
	upload(t, dir, base)
	at := func(base string) map[string]build.Recipe {
		w := build.Writer{PageSize: 2 << 20, Shuffle: true}
		return map[string]build.Recipe{
			"table":  {Table: &build.Table{File: base + "t.csv", Fields: []string{"image=rgb:column=path", "label=int", "vec=ndarray:dtype=|u1,shape=5,inline=false"}}, Writer: w},
			"arrays": {Arrays: &build.Arrays{Files: []string{base + "x.npy", "why=" + base + "y.npy"}}, Writer: w},
			"typed":  {Arrays: &build.Arrays{Files: []string{base + "x.npy"}, Fields: []string{"x=bytes", "n=int:file=" + base + "y.npy"}}, Writer: w},
		}
	}
	there := at(base)
	for name, here := range at(dir + string(filepath.Separator)) {
		t.Run(name, func(t *testing.T) {
			r := there[name]
			want := direct(t, here)
			if got := direct(t, r); sum(t, got) != sum(t, want) {
				t.Error("another file from the store than from the disk")
			}
			place := base + name + ".json"
			p, err := build.NewPlan(t.Context(), r, 3, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Write(t.Context(), place, false, nil); err != nil {
				t.Fatal(err)
			}
			buildAll(t, p, []int{1, 0, 2})
			same(t, merge(t, p), want)
		})
	}

	// A table names what lies elsewhere only where that is allowed.
	evil := "path\n../secret.txt\n"
	for key, text := range map[string]string{"deep/evil.csv": evil, "deep/machine.csv": "path\n/etc/passwd\n", "secret.txt": "x"} {
		if err := store.WriteFile(t.Context(), "s3://"+s.Bucket+"/"+key, []byte(text), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file    string
		outside bool
		want    string
	}{
		{"evil.csv", false, "outside of the table's folder"},
		{"evil.csv", true, ""},
		{"machine.csv", false, "a path of one machine"},
		{"machine.csv", true, "a path of one machine"},
	} {
		r := build.Recipe{Table: &build.Table{File: base + c.file, Fields: []string{"path=bytes"}, AllowOutside: c.outside}}
		src, err := r.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		_, err = r.Write(t.Context(), src, filepath.Join(t.TempDir(), "x.beton"), nil)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, outside %v: %v", c.file, c.outside, err)
		}
	}
}

// A build for the store that is interrupted goes on from what lies in the staging
// folder, and so does one whose upload failed.
func TestS3Resume(t *testing.T) {
	s := s3test.Start(t)
	out := "s3://" + s.Bucket + "/out.beton"
	dir, staging := t.TempDir(), t.TempDir()
	names := "b\n"
	for i := range 60 {
		name := fmt.Sprint(i)
		names += name + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(name+" "), 40_000), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(names), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "45")); err != nil {
		t.Fatal(err)
	}
	r := build.Recipe{Table: &build.Table{File: filepath.Join(dir, "t.csv"), Fields: []string{"b=bytes"}}, Writer: build.Writer{PageSize: 2 << 20, SkipErrors: true}}
	write := func(r build.Recipe, o build.WriteOptions) error {
		src, err := r.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		o.Staging = staging
		_, err = r.Write(t.Context(), src, out, &o)
		return err
	}
	failing := r
	failing.Writer.SkipErrors = false
	var interrupted *ffcv.InterruptedError
	if err := write(failing, build.WriteOptions{}); !errors.As(err, &interrupted) || interrupted.Next != 45 {
		t.Fatal(err)
	}
	var partial *ffcv.PartialError
	if err := write(r, build.WriteOptions{}); !errors.As(err, &partial) {
		t.Errorf("without --resume: %v", err)
	}
	s.Kill() // no upload
	resumed := 0
	few := &store.Options{Remote: remote.Options{Retries: -1}}
	again := build.WriteOptions{Resume: true, Overwrite: true, Store: few, Resumed: func(r ffcv.Resumed) { resumed = r.Samples }}
	if err := write(r, again); !errors.As(err, &interrupted) || resumed != 45 {
		t.Fatalf("%v, %d samples resumed", err, resumed)
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	again.Overwrite, again.Store = false, nil
	var skipped []source.Skip
	again.Skipped = func(s source.Skip) { skipped = append(skipped, s) }
	if err := write(r, again); err != nil || resumed != 59 || len(skipped) != 1 {
		t.Fatalf("%v, %d samples resumed, skipped %v", err, resumed, skipped)
	}
	got, err := store.Fetch(t.Context(), out, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if sum(t, got.Path) != sum(t, direct(t, r)) {
		t.Error("another file than one that nothing interrupted")
	}
	if rest, _ := os.ReadDir(staging); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
	again.Restart, again.Resume = true, false
	if err := write(r, again); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an object that is there: %v", err)
	}
}

// keys are the photographs' names.
func keys(t testing.TB) (list []string) {
	t.Helper()
	r := folder(t, nil)
	src, err := r.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for i := range src.Len() {
		_, key, err := src.Sample(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key)
	}
	return list
}

// writeArray writes an array of bytes that seed decides.
func writeArray(t testing.TB, path string, spec array.Spec, seed int) {
	t.Helper()
	n, err := spec.Count()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*(seed+3) + seed)
	}
	var b bytes.Buffer
	if err := npy.Write(&b, array.Array{Spec: spec, Data: data}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

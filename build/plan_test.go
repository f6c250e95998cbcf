package build_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		list []int
		want string
	}{{nil, ""}, {[]int{3}, "3"}, {[]int{0, 1, 2, 5, 7, 8}, "0-2, 5, 7-8"}} {
		if got := build.Ranges(c.list); got != c.want {
			t.Errorf("%v: got %q, want %q", c.list, got, c.want)
		}
	}
}

// The samples are divided evenly, in order, whatever their number.
func TestPlanShards(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int{0, 1, 7, 100} {
		table := "i\n" + strings.Repeat("1\n", n)
		path := filepath.Join(dir, "t.csv")
		if err := os.WriteFile(path, []byte(table), 0o666); err != nil {
			t.Fatal(err)
		}
		r := build.Recipe{Table: &build.Table{File: path, Fields: []string{"i=int"}}}
		for _, shards := range []int{1, 3, 7, 8, 100} {
			p, err := build.NewPlan(t.Context(), r, shards, nil)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for i, s := range p.Shards {
				if size := s.Hi - s.Lo; s.Lo != at || size < n/shards || size > n/shards+1 {
					t.Errorf("%d samples, shard %d of %d: %+v", n, i, shards, s)
				}
				at = s.Hi
			}
			if at != n {
				t.Errorf("%d samples in %d shards: %d in all", n, shards, at)
			}
		}
	}
	for _, shards := range []int{-1, 0, 1 << 30} {
		var option *build.OptionError
		if _, err := build.NewPlan(t.Context(), folder(t, nil), shards, nil); !errors.As(err, &option) {
			t.Errorf("%d shards: %v", shards, err)
		}
	}
}

// A plan that is read is the one that was written, and what is no plan is an error.
func TestParsePlan(t *testing.T) {
	p := plan(t, folder(t, func(r *build.Recipe) { r.Image.Mode, r.Writer.Seed = "raw", 1<<63 }), 3)
	text := p.Marshal()
	q, err := build.ParsePlan(text, p.Place())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("got %+v, want %+v", q, p)
	}
	for n := range len(text) - 1 {
		if q, err := build.ParsePlan(text[:n], ""); err == nil || q != nil {
			t.Fatalf("the first %d bytes of %d: no error", n, len(text))
		}
	}
	for _, c := range []struct{ old, new, want string }{
		{`"betongo_plan": 1`, `"betongo_plan": 2`, "version 2; this program reads version 1"},
		{`"betongo_plan"`, `"plan"`, `no "betongo_plan"`},
		{`"samples"`, `"sample"`, `unknown field "sample"`},
		{`"lo": 14`, `"lo": 13`, "shard 1 has samples 13 to 28; expected them to begin with sample 14"},
		{`"hi": 14`, `"hi": -1`, "shard 0 has samples 0 to -1"},
		{`"samples": 42`, `"samples": 43`, "shards of 42 samples; the source has 43"},
		{`"mode": "raw"`, `"mode": "png"`, "mode=png: expected jpg"},
		{`"page_size": 2097152`, `"page_size": 5`, "page-size"},
		{`"folder": "plan.shards"`, `"folder": ""`, "no folder of the shards"},
		{`"folder": {`, `"table": {"file": "x.csv", "fields": ["x=int"]}, "folder": {`, "recipe of 2 sources"},
	} {
		changed := bytes.Replace(text, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(changed, text) {
			t.Errorf("no %s in %s", c.old, text)
		}
		if _, err := build.ParsePlan(changed, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.new, err, c.want)
		}
	}
}

func FuzzParsePlan(f *testing.F) {
	p := plan(f, folder(f, nil), 2)
	f.Add(p.Marshal())
	f.Add([]byte(`{"betongo_plan": 1, "recipe": {"arrays": {"files": ["x.npy"]}, "image": {}, "writer": {}}, "samples": 0, "folder": "x", "shards": [{"lo":0,"hi":0}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := build.ParsePlan(b, "plan.json")
		if err != nil {
			return
		}
		for i, s := range p.Shards {
			if s.Lo < 0 || s.Hi < s.Lo || s.Hi > p.Samples {
				t.Fatalf("shard %d: %+v of %d samples", i, s, p.Samples)
			}
		}
		q, err := build.ParsePlan(p.Marshal(), "plan.json")
		if err != nil || q.Hash() != p.Hash() {
			t.Fatalf("again: %v", err)
		}
	})
}

// What lies in a shard's place without a right receipt is replaced.
func TestShardAgain(t *testing.T) {
	p := plan(t, folder(t, nil), 3)
	first, err := build.BuildShard(t.Context(), p, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := p.ShardPath(1)
	if err != nil {
		t.Fatal(err)
	}
	receipt := strings.TrimSuffix(path, ".beton") + ".json"
	for name, change := range map[string]func() error{
		"nothing":      func() error { return nil },
		"no receipt":   func() error { return os.Remove(receipt) },
		"no shard":     func() error { return os.Remove(path) },
		"cut receipt":  func() error { return os.Truncate(receipt, 40) },
		"cut shard":    func() error { return os.Truncate(path, 40) },
		"another plan": func() error { return os.WriteFile(receipt, []byte(`{"betongo_receipt":1,"plan":"x"}`), 0o666) },
		"a partial of another build": func() error {
			return errors.Join(os.Remove(receipt), os.WriteFile(path+".partial", []byte("x"), 0o666), os.WriteFile(path+".partial.journal", []byte("y"), 0o666))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		r, err := build.BuildShard(t.Context(), p, 1, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(r, first) {
			t.Errorf("%s: got %+v, want %+v", name, r, first)
		}
		if s := sum(t, path); s != r.SHA256 {
			t.Errorf("%s: a shard of sum %s, its receipt says %s", name, s, r.SHA256)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A shard that is a link is replaced where that leads, whatever lies there.
func TestShardLink(t *testing.T) {
	p := plan(t, folder(t, nil), 3)
	first, err := build.BuildShard(t.Context(), p, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := p.ShardPath(1)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "moved.beton")
	err = errors.Join(os.WriteFile(elsewhere, []byte("another"), 0o666), os.WriteFile(path+".partial", []byte("x"), 0o666),
		os.Remove(path), os.Symlink(elsewhere, path), os.Remove(strings.TrimSuffix(path, ".beton")+".json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := build.BuildShard(t.Context(), p, 1, nil)
	if err != nil || !reflect.DeepEqual(r, first) {
		t.Errorf("got %+v, want %+v, %v", r, first, err)
	}
	if s := sum(t, elsewhere); s != first.SHA256 {
		t.Errorf("a shard of sum %s, its receipt says %s", s, first.SHA256)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

// Several that build one shard at the same time wait for each other.
func TestShardTwice(t *testing.T) {
	p := plan(t, folder(t, func(r *build.Recipe) { r.Image.Reencode, r.Image.Quality = "always", 80 }), 1)
	var wait sync.WaitGroup
	var mu sync.Mutex
	waited, built := 0, 0
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			o := &build.ShardOptions{Waiting: func(error) { mu.Lock(); defer mu.Unlock(); waited++ }}
			o.Warn = func(string) { t.Error("a warning") }
			if _, err := build.BuildShard(t.Context(), p, 0, o); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			built++
		}()
	}
	wait.Wait()
	if waited == 0 || built != 4 {
		t.Errorf("%d waited, %d done", waited, built)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := build.BuildShard(ctx, plan(t, folder(t, nil), 1), 0, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that ends: %v", err)
	}
}

// Samples that fail are let go in their shard, and told of in its receipt.
func TestShardSkips(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(photos)); err != nil {
		t.Fatal(err)
	}
	class := filepath.Dir(keys(t)[0])
	for _, name := range []string{"0.jpg", "z.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, class, name), []byte("no image"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r := build.Recipe{Folder: &build.Folder{Dir: dir}, Writer: build.Writer{PageSize: 2 << 20, SkipErrors: true}}
	p := plan(t, r, 4)
	buildAll(t, p, []int{3, 2, 1, 0})
	receipts, err := p.Receipts(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	samples := int64(0)
	for _, x := range receipts {
		samples += x.Samples
		for _, s := range x.Skipped {
			skipped = append(skipped, s.Path)
		}
	}
	if want := []string{class + "/0.jpg", class + "/z.jpg"}; !slices.Equal(skipped, want) || samples != int64(p.Samples-2) {
		t.Errorf("skipped %q, want %q; %d samples of %d", skipped, want, samples, p.Samples)
	}
	same(t, merge(t, p), direct(t, r))

	// Not without the option.
	p = plan(t, build.Recipe{Folder: &build.Folder{Dir: dir}, Writer: build.Writer{PageSize: 2 << 20}}, 4)
	if _, err := build.BuildShard(t.Context(), p, 0, nil); err == nil || !strings.Contains(err.Error(), "0.jpg") {
		t.Errorf("got %v", err)
	}
}

// A plan that divides more samples than its source has is refused.
func TestPlanSamples(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		p := plan(t, folder(t, func(r *build.Recipe) { r.Writer.Shuffle = shuffle }), 1)
		text := strings.ReplaceAll(string(p.Marshal()), fmt.Sprintf(`"samples": %d`, p.Samples), `"samples": 1000000000000000000`)
		text = strings.ReplaceAll(text, fmt.Sprintf(`"hi": %d`, p.Samples), `"hi": 1000000000000000000`)
		q, err := build.ParsePlan([]byte(text), p.Place())
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, s := range []*build.Source{nil, s} {
			var other *build.SourceError
			if _, err := build.BuildShard(t.Context(), q, 0, &build.ShardOptions{Source: s}); !errors.As(err, &other) || other.Changes[0].Name != "samples" {
				t.Errorf("got %v", err)
			}
		}
	}
}

// No message shows the signature of a plan's URL.
func TestPlanSignature(t *testing.T) {
	p := plan(t, folder(t, nil), 2)
	q, err := build.ParsePlan(p.Marshal(), "https://me:secret@127.0.0.1:1/plan.json?secret")
	if err != nil {
		t.Fatal(err)
	}
	st := &store.Options{Remote: remote.Options{Retries: -1}}
	_, readErr := build.ReadPlan(t.Context(), q.Place(), st)
	_, receiptsErr := q.Receipts(t.Context(), st)
	_, mergeErr := build.Merge(t.Context(), q, q.Place(), &build.MergeOptions{Store: st})
	for _, err := range []error{readErr, receiptsErr, mergeErr, q.Write(t.Context(), q.Place(), false, st)} {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

// A worker that sees another source says what is different; one that sees the same
// at another place, with other times, builds.
func TestSourceChanged(t *testing.T) {
	dir := t.TempDir()
	source1 := filepath.Join(dir, "a", "photos")
	if err := os.CopyFS(source1, os.DirFS(photos)); err != nil {
		t.Fatal(err)
	}
	names := keys(t)
	t.Chdir(dir)
	r := build.Recipe{Folder: &build.Folder{Dir: "a/photos"}, Writer: build.Writer{PageSize: 2 << 20}}
	p, err := build.NewPlan(t.Context(), r, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), "a/plan.json", false, nil); err != nil {
		t.Fatal(err)
	}
	if p.Recipe.Folder.Dir != "photos" {
		t.Errorf("the source is at %s, relative to the plan", p.Recipe.Folder.Dir)
	}
	if err := p.Write(t.Context(), "b.json", false, nil); err == nil {
		t.Error("written twice")
	}
	if err := os.CopyFS("b", os.DirFS("a")); err != nil {
		t.Fatal(err)
	}
	if p, err = build.ReadPlan(t.Context(), "b/plan.json", nil); err != nil {
		t.Fatal(err)
	}
	buildAll(t, p, []int{0})
	key := names[p.Samples-1] // of the other shard
	var changed *build.SourceError
	if err := os.WriteFile(filepath.Join("b/photos", key), []byte("another"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := build.BuildShard(t.Context(), p, 0, &build.ShardOptions{Rebuild: true}); err != nil {
		t.Errorf("a change in another shard's files: %v", err)
	}
	if _, err := build.BuildShard(t.Context(), p, 1, nil); !errors.As(err, &changed) || changed.Changes[0].Name != "files" {
		t.Errorf("a changed file: %v", err)
	}
	if err := os.Remove(filepath.Join("b/photos", key)); err != nil {
		t.Fatal(err)
	}
	if _, err := build.BuildShard(t.Context(), p, 1, nil); !errors.As(err, &changed) || changed.Changes[0].Name != "images" {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.Mkdir("b/photos/zebra", 0o777); err != nil {
		t.Fatal(err)
	}
	var unknown *source.UnknownClassError
	if _, err := build.BuildShard(t.Context(), p, 1, nil); !errors.As(err, &unknown) {
		t.Errorf("another class: %v", err)
	}
}

// An index opens as the merged file does, from wherever it lies.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	p, err := build.NewPlan(t.Context(), folder(t, nil), 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), filepath.Join(dir, "p.json"), false, nil); err != nil {
		t.Fatal(err)
	}
	buildAll(t, p, []int{0, 1, 2})
	index := filepath.Join(dir, "deep", "all.json")
	if err := os.Mkdir(filepath.Dir(index), 0o777); err != nil {
		t.Fatal(err)
	}
	stats, err := build.Merge(t.Context(), p, index, &build.MergeOptions{IndexOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Samples != p.Samples {
		t.Errorf("%+v", stats)
	}
	if _, err := build.Merge(t.Context(), p, index, &build.MergeOptions{IndexOnly: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an index that is there: %v", err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	ds, err := store.Open(t.Context(), []string{filepath.Join(moved, "deep", "all.json")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ds.Close()
	for i, want := range keys(t) {
		if key, err := ds.Key(i); err != nil || key != want {
			t.Fatalf("sample %d is %q, %v; want %q", i, key, err, want)
		}
	}
}

func TestRecipeCheck(t *testing.T) {
	for _, c := range []struct {
		r    build.Recipe
		want string
	}{
		{build.Recipe{}, "recipe of 0 sources"},
		{build.Recipe{Folder: &build.Folder{Masks: "m"}, Image: build.Image{Orient: true}}, "masks"},
		{build.Recipe{Folder: &build.Folder{MaskBits: 4}}, "mask-bits: 4"},
		{build.Recipe{Folder: &build.Folder{}, Image: build.Image{Quality: 101}}, "quality: 101"},
		{build.Recipe{Folder: &build.Folder{}, Image: build.Image{CompressProbability: 2}}, "compress-probability: 2"},
		{build.Recipe{Folder: &build.Folder{}, Image: build.Image{MaxPixels: -1}}, "max-pixels"},
		{build.Recipe{Table: &build.Table{Fields: []string{"x=no"}}}, "field"},
		{build.Recipe{Table: &build.Table{Fields: []string{"x=int", "x=int"}}}, "used twice"},
		{build.Recipe{Arrays: &build.Arrays{}}, "at least one .npy file"},
		{build.Recipe{Arrays: &build.Arrays{Files: []string{"x=a.npy"}, Fields: []string{"x=int:file=b.npy"}}}, "two files"},
	} {
		if err := c.r.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.r, err, c.want)
		}
	}
}

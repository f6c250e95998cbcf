package build_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/record/parquet"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// Shards in an object store are those that were there when they were opened: one that
// is replaced meanwhile is an error of its samples, which names it.
func TestS3ShardsReplaced(t *testing.T) {
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/"
	records := filepath.Join("..", "testdata", "records")
	upload(t, filepath.Join(records, "mds", "photos"), base+"photos/")
	upload(t, filepath.Join(records, "webdataset"), base+"tar/")
	for _, r := range []struct {
		build.Recipe
		object string
	}{
		{build.Recipe{WebDataset: &build.WebDataset{Shards: []string{base + "tar/shard-{000000..000002}.tar"}}}, "tar/shard-000000.tar"},
		{build.Recipe{WebDataset: &build.WebDataset{Shards: []string{base + "tar/packed.tar.gz"}}}, "tar/packed.tar.gz"},
		{build.Recipe{MDS: &build.MDS{Dirs: []string{base + "photos"}}}, "photos/shard.00000.mds"},
	} {
		src, err := r.Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		b, err := store.ReadFile(t.Context(), base+r.object, nil)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := store.WriteFile(t.Context(), base+r.object, b, true, nil); err != nil {
			t.Fatal(err)
		}
		_, _, err = src.Sample(t.Context(), 0)
		if !errors.Is(err, remote.ErrChanged) || !strings.Contains(err.Error(), r.object) {
			t.Errorf("%s was replaced: got %v, want remote.ErrChanged", r.object, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := src.Sample(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: got %v", r.object, err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Recipes of shards are what their plans say, with their paths moved.
func TestShardSourcePlan(t *testing.T) {
	records, err := filepath.Abs(filepath.Join("..", "testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, r := range map[string]build.Recipe{
		"tar": {WebDataset: &build.WebDataset{Shards: []string{filepath.Join(records, "webdataset", "shard-{000000..000002}.tar")}, Fields: []string{"image=rgb:column=jpg"}}},
		"url": {WebDataset: &build.WebDataset{Shards: []string{"file://" + filepath.ToSlash(records) + "/webdataset/shard-*.tar"}}},
		"mds": {MDS: &build.MDS{Dirs: []string{filepath.Join(records, "mds", "photos"), filepath.Join(records, "mds", "photos_zstd")}}},
	} {
		p, err := build.NewPlan(t.Context(), r, 2, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join(dir, name+".json")
		if err := p.Write(t.Context(), path, false, nil); err != nil {
			t.Fatal(err)
		}
		if p, err = build.ReadPlan(t.Context(), path, nil); err != nil {
			t.Fatal(err)
		}
		for i := range p.Len() {
			if _, err := build.BuildShard(t.Context(), p, i, nil); err != nil {
				t.Errorf("%s: shard %d: %v", name, i, err)
			}
		}
		out := filepath.Join(dir, name+".beton")
		if _, err := build.Merge(t.Context(), p, out, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(out); err != nil {
			t.Error(err)
		}
	}
	for _, r := range []build.Recipe{{WebDataset: &build.WebDataset{}}, {MDS: &build.MDS{}}, {MDS: &build.MDS{Dirs: []string{"x"}, Fields: []string{"x"}}}} {
		if err := r.Check(); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

// A file:// URL is the local disk for every kind of source.
func TestLocalURLs(t *testing.T) {
	records, err := filepath.Abs(filepath.Join("..", "testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	for name, recipe := range map[string]func(root string) build.Recipe{
		"parquet": func(root string) build.Recipe {
			return build.Recipe{Parquet: &build.Parquet{Files: []string{root + "/parquet/classes.parquet"}}}
		},
		"tfrecord": func(root string) build.Recipe {
			return build.Recipe{TFRecord: &build.TFRecord{Files: []string{root + "/tfrecord/plain.tfrecord"}}}
		},
		"webdataset": func(root string) build.Recipe {
			return build.Recipe{WebDataset: &build.WebDataset{Shards: []string{root + "/webdataset/shard-{000000..000001}.tar"}}}
		},
		"mds": func(root string) build.Recipe {
			return build.Recipe{MDS: &build.MDS{Dirs: []string{root + "/mds/photos"}}}
		},
		"coco": func(root string) build.Recipe {
			return build.Recipe{COCO: &build.COCO{File: root + "/coco/instances.json", Images: root + "/coco"}}
		},
	} {
		var traits []string
		for _, root := range []string{filepath.ToSlash(records), "file://" + filepath.ToSlash(records), "file://localhost" + filepath.ToSlash(records)} {
			r := recipe(root)
			src, err := r.Open(t.Context(), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			list, err := src.Traits(t.Context())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			traits = append(traits, fmt.Sprint(src.Len(), list))
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, other := range traits {
			if other != traits[0] {
				t.Errorf("%s: got %s by a URL, %s by its path", name, other, traits[0])
			}
		}
	}
}

// Columns whose names no file can have are an error of opening that tells what to do.
func TestParquetLongName(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.parquet")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := parquet.NewWriter(f, []parquet.Column{{Name: "image", Kind: parquet.Image}, {Name: "the_name_of_the_class", Kind: parquet.Int64}}, nil)
	if err == nil {
		err = w.Write([]any{parquet.File{Bytes: []byte("x")}, int64(1)})
	}
	if err == nil {
		err = errors.Join(w.Close(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	r := build.Recipe{Parquet: &build.Parquet{Files: []string{name}}}
	if _, err := r.Open(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the_name_of_the_class") || !strings.Contains(err.Error(), "--field") {
		t.Errorf("got %v, want what to do about the name", err)
	}
}

package build_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

const photos = "../testdata/photos"

// folder is a recipe of the photographs in testdata.
func folder(t testing.TB, change func(r *build.Recipe)) build.Recipe {
	t.Helper()
	r := build.Recipe{Folder: &build.Folder{Dir: photos}, Writer: build.Writer{PageSize: 2 << 20}}
	if change != nil {
		change(&r)
	}
	return r
}

// plan makes a plan in a folder of its own.
func plan(t testing.TB, r build.Recipe, shards int) *build.Plan {
	t.Helper()
	p, err := build.NewPlan(t.Context(), r, shards, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := p.Write(t.Context(), path, false, nil); err != nil {
		t.Fatal(err)
	}
	if p, err = build.ReadPlan(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// direct writes the recipe's file in one go.
func direct(t testing.TB, r build.Recipe) string {
	t.Helper()
	s, err := r.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "direct.beton")
	if _, err := r.Write(t.Context(), s, path, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func buildAll(t testing.TB, p *build.Plan, order []int) {
	t.Helper()
	for _, i := range order {
		if _, err := build.BuildShard(t.Context(), p, i, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func merge(t testing.TB, p *build.Plan) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "merged.beton")
	if _, err := build.Merge(t.Context(), p, path, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

func sum(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// same compares all that two files hold.
func same(t testing.TB, got, want string) {
	t.Helper()
	f, err := ffcv.Open(got, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := ffcv.Open(want, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	if _, err := splice.Diff(t.Context(), f, g, &splice.DiffOptions{Report: func(d splice.Difference) { t.Errorf("merged and direct: %v", &d) }}); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	for _, c := range []struct {
		name   string
		shards int
		change func(r *build.Recipe)
	}{
		{"one", 1, nil},
		{"four", 4, nil},
		{"more shards than samples", 60, nil},
		{"shuffled", 5, func(r *build.Recipe) { r.Writer.Shuffle, r.Writer.Seed = true, 3 }},
		{"proportion", 3, func(r *build.Recipe) { r.Image.Mode, r.Image.MaxResolution, r.Writer.Seed = "proportion", 64, 9 }},
		{"plain", 3, func(r *build.Recipe) { r.Writer.Plain = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := folder(t, c.change)
			p := plan(t, r, c.shards)
			order := make([]int, c.shards)
			for i := range order {
				order[i] = c.shards - 1 - i
			}
			buildAll(t, p, order)
			buildAll(t, p, order[:1]) // once more does nothing
			a := merge(t, p)
			q := plan(t, r, c.shards)
			buildAll(t, q, order)
			if b := merge(t, q); sum(t, a) != sum(t, b) {
				t.Error("another file in another place")
			}
			same(t, a, direct(t, r))
		})
	}
}

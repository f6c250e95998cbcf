package beam_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	betonbeam "github.com/betongo/betongo/beam"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/store"
)

// TestS3Build has photographs, plan, shards and what comes out in an object store,
// and a child killed for each shard.
func TestS3Build(t *testing.T) {
	const shards = 3
	s := s3test.Start(t)
	base := "s3://" + s.Bucket + "/"
	local := os.DirFS(photos)
	err := fs.WalkDir(local, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Dir(name) == "." {
			return err
		}
		b, err := fs.ReadFile(local, name)
		if err != nil {
			return err
		}
		return store.WriteFile(t.Context(), base+"photos/"+name, b, false, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	r := build.Recipe{Folder: &build.Folder{Dir: base + "photos"}, Writer: build.Writer{PageSize: 2 << 20, Shuffle: true, Seed: 1}}
	p, err := build.NewPlan(t.Context(), r, shards, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(t.Context(), base+"plan.json", false, nil); err != nil {
		t.Fatal(err)
	}
	defer betonbeam.OnChild(func(p *os.Process, _, attempt int) func(int64) {
		return func(int64) {
			if attempt == 1 {
				p.Kill()
			}
		}
	})()
	opts := betonbeam.Options{Out: base + "out.beton", Workers: 2, Backoff: time.Millisecond, Staging: t.TempDir()}
	if _, err := run(t, base+"plan.json", &opts); err != nil {
		t.Fatal(err)
	}
	// A file does not tell what its plan looked like, nor where the photographs lay.
	if !bytes.Equal(read(t, filepath.Join(s.Folder, "out.beton")), alone(t, shards)) {
		t.Error("the file is another one than that of photographs on the local disk, by one process")
	}
	if left := s.Uploads(t); len(left) > 0 {
		t.Errorf("uploads left over: %v", left)
	}
	if _, err := run(t, base+"plan.json", &betonbeam.Options{Out: base + "all.json", IndexOnly: true, Staging: opts.Staging}); err != nil {
		t.Fatal(err)
	}
	d, err := store.Open(context.WithoutCancel(t.Context()), []string{base + "all.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Len() != p.Samples {
		t.Errorf("an index of %d samples, want %d", d.Len(), p.Samples)
	}
}

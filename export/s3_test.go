package export_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/internal/s3test"
)

// TestS3Write: objects are those of a local export; what is there already stays,
// unless it is an export's; and what is stopped leaves nothing.
func TestS3Write(t *testing.T) {
	s := s3test.Start(t)
	f := everything(t, 40)
	const url = "s3://data/made/out"
	there := filepath.Join(s.Folder, "made", "out")
	for _, format := range export.Formats() {
		opts := export.Options{Format: format, ShardSize: 100 << 10, OnError: nanInParquet(format)}
		here := filepath.Join(t.TempDir(), "out")
		want, err := export.Write(t.Context(), f, here, &opts)
		if err != nil {
			t.Fatal(err)
		}
		opts.Overwrite = format != export.Folder // of the one before, with other names
		got, err := export.Write(t.Context(), f, url, &opts)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(tree(t, there), tree(t, here)) {
			t.Errorf("%s: got %+v, %q, want %+v, %q", format, got, names(tree(t, there)), want, names(tree(t, here)))
		}
		opts.Overwrite = false
		if _, err := export.Write(t.Context(), f, url, &opts); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: over what is there: error %v, want %v", format, err, fs.ErrExist)
		}
	}
	mine := filepath.Join(there, "mine")
	if err := os.WriteFile(mine, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	before := tree(t, there)
	if _, err := export.Write(t.Context(), f, url, &export.Options{Overwrite: true}); !errors.Is(err, export.ErrForeign) {
		t.Errorf("over a foreign object: error %v, want %v", err, export.ErrForeign)
	}
	if got := tree(t, there); !reflect.DeepEqual(got, before) {
		t.Errorf("a foreign object: %q, want %q", names(got), names(before))
	}
	if _, err := export.Write(t.Context(), f, "https://example.org/out", nil); err == nil {
		t.Error("to a web server: no error")
	}
}

// TestS3Stopped: what was sent before an end is removed again.
func TestS3Stopped(t *testing.T) {
	s := s3test.Start(t)
	picture, many := pictures(t, 1)[0], &samples{}
	for i := range 300 { // more than a batch
		many.values = append(many.values, []any{picture, i % 3})
	}
	f := build(t, imageLabel, many, nil)
	for _, format := range export.Formats() {
		ctx, cancel := context.WithCancel(t.Context())
		opts := &export.Options{Format: format, ShardSize: 100 << 10, Workers: 2, Progress: func(done, all int) {
			if done > 0 {
				cancel()
			}
		}}
		if _, err := export.Write(ctx, f, "s3://data/stopped", opts); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want %v", format, err, context.Canceled)
		}
		cancel()
		if left := names(tree(t, s.Folder)); len(left) > 0 {
			t.Errorf("%s: left %q", format, left)
		}
		if list := s.Uploads(t); len(list) > 0 {
			t.Errorf("%s: uploads are left: %q", format, list)
		}
	}
}

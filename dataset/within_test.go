package dataset_test

import (
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// TestWithin: what an index may name, by where it lies.
func TestWithin(t *testing.T) {
	const local, urls = "a local path", "a URL of"
	for _, c := range []struct{ base, name, want string }{
		{"", "/etc/passwd", ""},
		{"data", "../../x.beton", ""},
		{"/data", "s3://b/x.beton", ""},
		{"file:///data", "/x.beton", ""},
		{"s3://b/d", "x.beton", ""},
		{"s3://b/d", "../x.beton", ""},
		{"s3://b/d/", "e/../../x.beton", ""},
		{"s3://b/d//e/..", "../x.beton", ""},
		{"s3://b", "..x/y.beton", ""},
		{"s3://b/", "x/../..y", ""},
		{"s3://b/what?/d", "../../x.beton", ""},
		{"s3://b/d", "s3://other/x.beton", ""},
		{"s3://b/d", "https://h/x.beton", ""},
		{"gs://b/d", "gs://other/x.beton", ""},
		{"https://h/d?sig=a/b/c", "../x.beton", ""},
		{"https://h/d", "https://other/x.beton", ""},
		{"http://h/d", "http://other/x.beton", ""},
		{"http://h/d", "https://other/x.beton", ""},
		{"s3://b/d", "/etc/passwd", local},
		{"https://h/d", "//host/x.beton", local},
		{"s3://b/d", "file:///etc/passwd", local},
		{"http://h/d", "file://localhost/x.beton", local},
		{"s3://b/d", "FILE:///x.beton", urls},
		{"s3://b/d", "x/y://z", "neither"},
		{"s3://b/d", "../../x.beton", "out of the bucket"},
		{"s3://b", "../x.beton", "out of the bucket"},
		{"s3://b", "x/../..", "out of the bucket"},
		{"s3://b/d/..", "../x.beton", "out of the bucket"},
		{"https://h/d?sig=a/b/c", "../../x.beton", "out of the bucket"},
		{"s3://b/d", "http://169.254.169.254/x.beton", urls},
		{"https://h/d", "http://h/x.beton", urls},
		{"https://h/d", "s3://b/x.beton", urls},
		{"s3://b/d", "gs://b/x.beton", urls},
		{"gs://b/d", "azblob://b/x.beton", urls},
	} {
		x := &dataset.Index{
			Samples: 1, PageSize: ffcv.MinPageSize, Fields: []dataset.IndexField{{Name: "y", Type: fields.TypeInt}},
			Shards: []dataset.IndexShard{{Path: c.name, Size: 5000, Samples: 1, AllocTable: 5000}},
		}
		err := x.Within(c.base)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name)) {
			t.Errorf("%q in an index of %q: %v, want %q", c.name, c.base, err, c.want)
		}
		ds, err := dataset.OpenIndex(x, c.base, &dataset.Options{Open: func(p string) (*ffcv.File, error) { return ffcv.Open(p, nil) }})
		if (err == nil) != (c.want == "") {
			t.Errorf("%q in an index of %q, opened: %v, want %q", c.name, c.base, err, c.want)
		}
		if err == nil {
			ds.Close()
		}
	}
	x := &dataset.Index{Shards: []dataset.IndexShard{{Path: "http://me:word@h/x.beton?sig=word"}}}
	if err := x.Within("s3://b"); err == nil || strings.Contains(err.Error(), "word") || !strings.Contains(err.Error(), "http://h/x.beton") {
		t.Errorf("a URL with a password and a signature: %v", err)
	}
}

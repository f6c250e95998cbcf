package dataset

import "testing"

func TestJoinPath(t *testing.T) {
	for _, c := range []struct{ base, rel, want string }{
		{"data", "a.beton", "data/a.beton"},
		{"", "a.beton", "a.beton"},
		{".", "x/../a.beton", "a.beton"},
		{"/data", "../a.beton", "/a.beton"},
		{"/data", "/other/a.beton", "/other/a.beton"},
		{"/data", "s3://b/a.beton", "s3://b/a.beton"},
		{"s3://b/data", "a.beton", "s3://b/data/a.beton"},
		{"https://h/data/?sig=/1", "x/a.beton", "https://h/data/x/a.beton?sig=/1"},
		{"s3://b/what?/data", "x/a.beton", "s3://b/what?/data/x/a.beton"},
		{"s3://b/data/x", "../a.beton", "s3://b/data/a.beton"},
		{"s3://b", "../../a.beton", "s3://b/a.beton"},
		{"s3://b/data", "/a.beton", "/a.beton"},
	} {
		if got := joinPath(c.base, c.rel); got != c.want {
			t.Errorf("%q from %q is %q, want %q", c.rel, c.base, got, c.want)
		}
	}
}

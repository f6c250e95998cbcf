package remote

import "testing"

func TestFromRoot(t *testing.T) {
	for _, c := range []struct {
		path   string
		drives bool
		want   string
	}{{"/C:/x", true, "C:/x"}, {"/C:/x", false, "/C:/x"}, {"/tmp/x", true, "/tmp/x"}, {"/C", true, "/C"}, {"", true, ""}} {
		if got := fromRoot(c.path, c.drives); got != c.want {
			t.Errorf("%q, drives %v: %q, want %q", c.path, c.drives, got, c.want)
		}
	}
}

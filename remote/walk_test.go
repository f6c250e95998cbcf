package remote_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
)

// TestS3Walk: folders are listed in the order of their keys, flat or deep, over
// pages of a thousand and failures that pass, and end when somebody wants.
func TestS3Walk(t *testing.T) {
	s := s3test.Start(t)
	opts := &remote.Options{Retries: 8}
	put := func(name string) {
		if err := remote.WriteFile(t.Context(), "s3://data/"+name, []byte(name), opts, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a/b/2.jpg", "a/b/1 ?#.jpg", "a/c/x/3.jpg", "a/0.jpg", "ab/4.jpg"} {
		put(name)
	}
	walk := func(folder string, deep bool, o *remote.Options) (list []string) {
		err := remote.Walk(t.Context(), folder, deep, o, func(e remote.Entry) error {
			name := strings.TrimPrefix(e.URL, "s3://data/")
			if dir := strings.HasSuffix(name, "/"); dir == (e.Version != "") || !dir && e.Size != int64(len(name)) {
				t.Errorf("%+v", e)
			}
			list = append(list, name)
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", folder, err)
		}
		return list
	}
	for _, c := range []struct {
		folder string
		deep   bool
		want   []string
	}{
		{"s3://data/a/", true, []string{"a/0.jpg", "a/b/1 ?#.jpg", "a/b/2.jpg", "a/c/x/3.jpg"}},
		{"s3://data/a/", false, []string{"a/0.jpg", "a/b/", "a/c/"}},
		{"s3://data/", false, []string{"a/", "ab/"}},
		{"s3://data/nothing/", true, nil},
	} {
		if got := walk(c.folder, c.deep, opts); !slices.Equal(got, c.want) {
			t.Errorf("%s, deep %v: %q, want %q", c.folder, c.deep, got, c.want)
		}
	}

	want := make([]string, 1100)
	for i := range want {
		want[i] = fmt.Sprintf("many/%04d", i)
		put(want[i])
	}
	p, err := faultproxy.Start(s.Addr, faultproxy.Faults{Fail: func(n int) int { return []int{0, 503}[n%2] }})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o := *opts
	o.S3.Endpoint = "http://" + p.Addr()
	if got := walk("s3://data/many/", true, &o); !slices.Equal(got, want) {
		t.Errorf("%d objects, want %d", len(got), len(want))
	}

	enough, n := errors.New("enough"), 0
	if err := remote.Walk(t.Context(), "s3://data/many/", true, opts, func(remote.Entry) error { n++; return enough }); err != enough || n != 1 {
		t.Errorf("%v after %d", err, n)
	}
	for url, words := range map[string]string{
		"s3://nobucket/":        "list s3://nobucket/: no such object: no such bucket",
		"s3://data/a":           "which ends in '/'",
		"https://me:pw@host/a/": "list https://host/a/: a web server's files can't be listed",
		"ftp://x/":              "list a URL: scheme",
	} {
		err := remote.Walk(t.Context(), url, true, opts, func(remote.Entry) error { return nil })
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", url, err, words)
		}
	}
}

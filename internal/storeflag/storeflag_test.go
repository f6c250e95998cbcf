package storeflag_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
)

// parse is a command line with the flags.
func parse(t *testing.T, args ...string) *storeflag.Flags {
	t.Helper()
	var g struct{ storeflag.Flags }
	var out bytes.Buffer
	if k, _ := term.Parse("test", "", &g, args, &out, &out); k == nil {
		t.Fatalf("%q: %s", args, &out)
	}
	return &g.Flags
}

func TestOptions(t *testing.T) {
	file := &ffcv.OpenOptions{Memory: 1 << 20}
	opts, done, err := parse(t, "--endpoint-url", "http://localhost:9000", "--region", "here", "--profile", "me").Options(file)
	if err != nil || opts.File != file || opts.Remote.Cache != nil {
		t.Fatalf("%+v, %v", opts, err)
	}
	if s := opts.Remote.S3; s.Endpoint != "http://localhost:9000" || s.Region != "here" || s.Profile != "me" || s.Anonymous {
		t.Errorf("%+v", s)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "pages")
	t.Setenv("BETONGO_CACHE", dir)
	t.Setenv("BETONGO_CACHE_SIZE", "64MiB")
	f := parse(t, "--anonymous")
	if f.Cache != dir || f.CacheSize != 64<<20 {
		t.Errorf("%+v", f)
	}
	opts, done, err = f.Options(nil)
	if err != nil || opts.Remote.Cache == nil || !opts.Remote.S3.Anonymous {
		t.Fatalf("%+v, %v", opts, err)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--endpoint-url", "localhost:9000"}, "--endpoint-url: expected a URL"},
		{[]string{"--endpoint-url", "http://me:secret@localhost:9000"}, "--endpoint-url: it has a user or password"},
		{[]string{"--anonymous", "--profile", "me"}, "--profile: not with --anonymous"},
		{[]string{"--cache", "storeflag_test.go"}, "--cache: "},
	} {
		if _, _, err := parse(t, c.args...).Options(nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.args, err)
		}
	}
}

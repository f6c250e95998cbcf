package dataset

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// Within says what an index that lies at a URL may not name. Who wrote it need not
// be who reads it, so it may not lead to files of the reader's disk, and not to
// places that are reached with other rights than the index itself was. It may name
// what is relative to base, its folder's URL, and does not climb out of the bucket
// or the server by "..", URLs of its own scheme, and those of https.
//
// An index of the local disk may name anything, and Within of a local base is nil.
// OpenIndex and what opens an index by its URL ask it first.
func (x *Index) Within(base string) error {
	scheme, root, far := strings.Cut(base, "://")
	if !far || scheme == "file" {
		return nil
	}
	for i := range x.Shards {
		if why := outside(scheme, root, x.Shards[i].Path); why != "" {
			return fmt.Errorf("shard %d, %q: %s, which only an index on the local disk may name", i, bare(x.Shards[i].Path), why)
		}
	}
	return nil
}

// outside says what a path is that no index of a scheme may name in the folder
// root; "" where it may.
func outside(scheme, root, name string) string {
	if of, _, ok := strings.Cut(name, "://"); ok {
		switch {
		case of == scheme || of == "https":
			return ""
		case of == "file":
			return "a local path"
		case strings.ContainsAny(of, `/\`):
			return "neither a URL nor a relative path"
		}
		return fmt.Sprintf("a URL of %s in an index of %s", of, scheme)
	}
	if strings.HasPrefix(name, "/") || filepath.IsAbs(name) || filepath.VolumeName(name) != "" {
		return "a local path"
	}
	if strings.HasPrefix(scheme, "http") {
		root, _, _ = strings.Cut(root, "?")
	}
	_, key, _ := strings.Cut(root, "/")
	if at := path.Join(strings.Trim(path.Clean("/"+key), "/"), name); at == ".." || strings.HasPrefix(at, "../") {
		return "a path out of the bucket"
	}
	return ""
}

// bare is a path without what may be secret in a URL of the web.
func bare(name string) string {
	if !strings.HasPrefix(name, "http") {
		return name
	}
	u, err := url.Parse(name)
	if err != nil {
		name, _, _ = strings.Cut(name, ":")
		return name + "://…"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

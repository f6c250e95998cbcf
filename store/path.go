package store

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/remote"
)

// IsURL says whether a path is a URL of an object: none of the local disk.
func IsURL(p string) bool {
	_, local := remote.Local(p)
	return !local && remote.IsURL(p)
}

// localPath is the path that a file:// URL means, and any other path itself.
func localPath(p string) string {
	if name, ok := remote.Local(p); ok {
		return filepath.FromSlash(name)
	}
	return p
}

// web says whether a URL is one of a web server: with a query, and nothing that
// could be listed.
func web(p string) bool { return strings.HasPrefix(p, "http://") || strings.HasPrefix(p, "https://") }

// bare is the URL of an object without what somebody has written before an '@' where a
// bucket stands: a password, which is no part of such a URL. One with a '/' in it
// ends the bucket, in which there is a ':' then as in none but an ARN.
func bare(p string) string {
	scheme, rest, ok := strings.Cut(p, "://")
	bucket, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(bucket, '@')
	if at < 0 && strings.Contains(bucket, ":") && !strings.HasPrefix(bucket, "arn:") {
		at = strings.LastIndexByte(rest, '@')
	}
	if ok && at >= 0 {
		return scheme + "://" + rest[at+1:]
	}
	return p
}

// Name is a path as messages show it: a URL without user and password, of the web also
// without its query, which may hold a signature.
func Name(p string) string {
	if !web(p) {
		return bare(p)
	}
	u, err := url.Parse(p)
	if err != nil {
		scheme, _, _ := strings.Cut(p, ":")
		return scheme + "://…" // whatever else it holds
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// cut takes a URL apart into what stays before its path, the path without a
// leading '/', and the query of a web server's.
func cut(p string) (before, key, query string) {
	scheme, rest, _ := strings.Cut(p, "://")
	if web(p) {
		if i := strings.IndexAny(rest, "?#"); i >= 0 {
			rest, query = rest[:i], rest[i:]
		}
	}
	host, key, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + "/", key, query
}

// Join returns a path relative to a base, which is a folder's path or a URL; one
// that is absolute, or a URL, stays as it is. rel is slash-separated.
func Join(base, rel string) string {
	if remote.IsURL(rel) || path.IsAbs(rel) || filepath.IsAbs(rel) {
		return rel
	}
	if !IsURL(base) {
		return filepath.Join(localPath(base), filepath.FromSlash(rel))
	}
	before, key, query := cut(base)
	return before + strings.TrimPrefix(path.Join("/", key, rel), "/") + query
}

// Dir returns the folder that a path lies in, or the URL that stands for it; of
// one without a folder ".".
func Dir(p string) string {
	if !IsURL(p) {
		return filepath.Dir(localPath(p))
	}
	before, key, query := cut(p)
	i := strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/')
	return before + key[:max(i, 0)] + query
}

// Base returns the last element of a path, without a URL's query.
func Base(p string) string {
	if !IsURL(p) {
		return filepath.Base(localPath(p))
	}
	_, key, _ := cut(p)
	if web(p) {
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
	}
	return path.Base(key)
}

// Package remote reads and writes objects in object stores and on web servers:
// byte ranges of s3://, gs://, azblob:// and https:// with retries, a page cache
// on the local disk, and uploads that appear whole or not at all.
//
// Credentials come from where each store's own tools look for them (environment,
// configuration files, the machine's role) and never appear in errors.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// Range is a run of bytes of an object.
type Range = struct{ Off, Len int64 }

// Options are the choices of Open, Create and List. Nil and the zero value of
// every member are the defaults.
type Options struct {
	// Cache keeps what was read on the local disk; nil keeps nothing. One may serve
	// any number of objects.
	Cache *Cache

	// Requests is how many requests of one object run at a time at most; 0 is
	// DefaultRequests.
	// The default is wrong for servers that allow fewer, or that are so far away
	// that more are on their way.
	Requests int

	// Retries is how often a request is made again after a failure that may
	// pass: a broken connection, a time-out, a server's 429 or 5xx. 0 is 8; below 0
	// none.
	Retries int

	// Timeout is how long a request may stand still: until its answer begins, and
	// then between one piece of it and the next. 0 is 30 seconds.
	Timeout time.Duration

	// S3 says how s3:// is reached.
	S3 S3
}

// S3 says how an S3-compatible server is reached. What is not set comes from the
// environment and the AWS configuration files, as for AWS's own tools.
type S3 struct {
	Endpoint  string // URL of the server; "" AWS
	Region    string
	Profile   string // of the AWS configuration files; "" the usual one
	Anonymous bool   // requests without credentials, for public buckets
	// VirtualHost puts the bucket into the host's name where Endpoint is set. The
	// default is wrong for servers that want that.
	VirtualHost bool
}

// DefaultRequests is how many requests of one object run at a time where Options
// don't tell: at 20 ms each, of a photograph each, 3,000 photographs a second.
const DefaultRequests = 64

func (o *Options) withDefaults() Options {
	var v Options
	if o != nil {
		v = *o
	}
	if v.Requests <= 0 {
		v.Requests = DefaultRequests
	}
	switch {
	case v.Retries == 0:
		v.Retries = 8
	case v.Retries < 0:
		v.Retries = 0
	}
	if v.Timeout <= 0 {
		v.Timeout = 30 * time.Second
	}
	return v
}

var (
	// ErrNotExist says that there is no such object.
	ErrNotExist = errors.New("no such object")
	// ErrExist says that an object is there already.
	ErrExist = errors.New("the object exists already")
	// ErrChanged says that an object was replaced since it was opened.
	ErrChanged = errors.New("the object was replaced since it was opened")
	// ErrDenied says that the credentials, or their absence, don't allow it.
	ErrDenied = errors.New("access denied")
)

// Error is what went wrong with an object.
type Error struct {
	Op  string // "open", "read", "write", "list"
	URL string // without credentials and query
	// Off and Len are the bytes that were read; Len 0 where it is not about some.
	Off, Len int64
	Err      error
}

func (e *Error) Error() string {
	if e.Len > 0 {
		return fmt.Sprintf("%s %s, bytes %d to %d: %v", e.Op, e.URL, e.Off, e.Off+e.Len, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// place is a parsed URL.
type place struct {
	scheme string
	bucket string // host, of https
	key    string
	u      *url.URL
}

// IsURL says whether a path is a URL of a store that this package reaches, or
// file://.
func IsURL(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	switch scheme {
	case "s3", "gs", "azblob", "http", "https", "file":
		return ok
	}
	return false
}

// Local returns the path that a file:// URL means; false for another one.
func Local(raw string) (string, bool) {
	rest, ok := strings.CutPrefix(raw, "file://")
	if !ok {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "localhost")
	if path, err := url.PathUnescape(rest); err == nil {
		rest = path
	}
	return fromRoot(rest, runtime.GOOS == "windows"), true
}

// fromRoot is the path of a file:// URL: where paths begin with a drive, file:///C:/x
// is C:/x.
func fromRoot(path string, drives bool) string {
	if drives && len(path) > 2 && path[0] == '/' && path[2] == ':' {
		return path[1:]
	}
	return path
}

// parse takes a URL apart.
func parse(raw string) (place, error) {
	scheme, rest, _ := strings.Cut(raw, "://")
	switch scheme {
	case "s3", "gs", "azblob":
		// A key is any text: '?', '#' and '%' in it mean themselves.
		bucket, key, _ := strings.Cut(rest, "/")
		if bucket == "" {
			return place{}, fmt.Errorf("%s://: no bucket; want %s://BUCKET/KEY", scheme, scheme)
		}
		// No store's buckets have an '@'; what is before it may be a password. One with
		// a '/' leaves a ':' in the bucket, which is in none but an ARN.
		if strings.Contains(bucket, "@") || strings.Contains(bucket, ":") && !strings.HasPrefix(bucket, "arn:") && strings.Contains(key, "@") {
			return place{}, fmt.Errorf("%s://…@…: no bucket has an '@'; credentials are no part of such a URL", scheme)
		}
		return place{scheme: scheme, bucket: bucket, key: key}, nil
	case "http", "https":
		u, err := url.Parse(raw)
		if err != nil {
			return place{}, errors.New("not a URL") // the parser's error may hold a password
		}
		if u.Host == "" {
			return place{}, fmt.Errorf("%s://: no host", scheme)
		}
		return place{scheme: scheme, bucket: u.Host, key: u.Path, u: u}, nil
	}
	if scheme == "file" {
		return place{}, errors.New("file:// is the local disk: want its path, which Local gives")
	}
	return place{}, fmt.Errorf("scheme %q: want s3, gs, azblob, http or https", scheme)
}

// String is the URL as errors show it: without user, password and query, which
// may hold a signature.
func (p place) String() string {
	if p.scheme == "" {
		return "a URL" // of which no more may be shown
	}
	if p.u != nil {
		bare := *p.u
		bare.User, bare.RawQuery, bare.Fragment = nil, "", ""
		return bare.String()
	}
	return p.scheme + "://" + p.bucket + "/" + p.key
}

// attrs are what a store tells of an object.
type attrs struct {
	size int64
	etag string // "" where the store gives none
	// modified is when a web server's file was changed, in its words; "" unknown.
	modified string
}

// store is one bucket, or one web server.
type store interface {
	// stat tells of an object.
	stat(ctx context.Context, key string) (attrs, error)
	// get begins to read n bytes from off on of the version that a tells.
	get(ctx context.Context, key string, off, n int64, a attrs) (body, error)
	close() error
}

// Package storeflag is the flags with which a command reaches object stores.
package storeflag

import (
	"fmt"
	"net/url"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// Flags are embedded in a command's grammar. What they don't say comes from the
// environment and the configuration files that AWS's own tools read, and for the
// other stores from those of theirs.
type Flags struct {
	EndpointURL string    `name:"endpoint-url" group:"Object stores" placeholder:"URL" help:"The server of s3:// URLs (default $$AWS_ENDPOINT_URL, else AWS)."`
	Region      string    `group:"Object stores" placeholder:"NAME" help:"The region of s3:// URLs (default $$AWS_REGION)."`
	Profile     string    `group:"Object stores" placeholder:"NAME" help:"The profile of AWS's configuration files (default $$AWS_PROFILE)."`
	Anonymous   bool      `group:"Object stores" help:"Ask s3:// without credentials, for public buckets."`
	Cache       string    `group:"Object stores" env:"BETONGO_CACHE" placeholder:"DIR" help:"Keep what is read of URLs in this folder, which processes share (default $$BETONGO_CACHE, else none)."`
	CacheSize   term.Size `group:"Object stores" env:"BETONGO_CACHE_SIZE" placeholder:"SIZE" help:"Bytes in --cache (default $$BETONGO_CACHE_SIZE, else 16GiB)."`
}

// check refuses what can't be meant.
func (f *Flags) check() error {
	if f.EndpointURL != "" {
		u, err := url.Parse(f.EndpointURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return term.Usagef("--endpoint-url: expected a URL such as https://s3.example.com")
		}
		if u.User != nil { // command lines are seen by everybody
			return term.Usagef("--endpoint-url: it has a user or password; expected http://HOST:PORT")
		}
	}
	if f.Anonymous && f.Profile != "" {
		return term.Usagef("--profile: not with --anonymous")
	}
	return nil
}

// Options returns the options of package store that the flags say, with those of
// each file, and what ends them: it lets go of the cache, once the files that were
// opened with them are closed. Wrong flags are term's usage errors.
func (f *Flags) Options(file *ffcv.OpenOptions) (opts *store.Options, close func() error, err error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	opts = &store.Options{File: file, Remote: remote.Options{S3: remote.S3{Endpoint: f.EndpointURL, Region: f.Region, Profile: f.Profile, Anonymous: f.Anonymous}}}
	close = func() error { return nil }
	if f.Cache == "" {
		return opts, close, nil
	}
	c, err := remote.OpenCache(f.Cache, &remote.CacheOptions{Quota: int64(f.CacheSize)})
	if err != nil {
		return nil, nil, fmt.Errorf("--cache: %w", err)
	}
	opts.Remote.Cache = c
	return opts, c.Close, nil
}

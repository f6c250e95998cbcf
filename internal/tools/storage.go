package tools

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/remote"
)

// storageRequest says how objects are reached. Credentials are no part of it:
// they are found where each store's own tools look for them.
type storageRequest struct {
	Endpoint  string  `json:"endpoint_url"`
	Region    string  `json:"region"`
	Profile   string  `json:"profile"`
	Anonymous bool    `json:"anonymous"`
	Cache     string  `json:"cache"`      // folder; "" keeps nothing on the disk
	CacheSize int64   `json:"cache_size"` // bytes
	Requests  int     `json:"requests"`
	Retries   int     `json:"retries"`
	Timeout   float64 `json:"timeout"` // seconds

	// Environ are the client's variables in which stores look for credentials and
	// settings, as they are now: the engine's own are those of its start.
	Environ map[string]string `json:"environ"`
}

// check says what is wrong with the settings.
func (q *storageRequest) check() error {
	switch {
	case q.CacheSize < 0:
		return engine.Optionf("storage: cache_size is %d; want bytes", q.CacheSize)
	case q.Requests < 0:
		return engine.Optionf("storage: requests is %d; want how many run at a time", q.Requests)
	case !(q.Timeout >= 0 && q.Timeout < 1e9):
		return engine.Optionf("storage: timeout is %v; want seconds", q.Timeout)
	}
	for name := range q.Environ {
		if !ofStores(name) {
			return engine.Optionf("storage: environ: %q is no variable of an object store's", name)
		}
	}
	return nil
}

// options are the settings without the cache.
func (q *storageRequest) options() remote.Options {
	return remote.Options{
		Requests: q.Requests, Retries: q.Retries, Timeout: time.Duration(q.Timeout * float64(time.Second)),
		S3: remote.S3{Endpoint: q.Endpoint, Region: q.Region, Profile: q.Profile, Anonymous: q.Anonymous},
	}
}

// key tells settings apart under which something else may be read. Of the
// environment it keeps a sum: there may be secrets in it.
func (q *storageRequest) key() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(q.Environ)) {
		fmt.Fprintf(h, "%q=%q\n", name, q.Environ[name])
	}
	with := *q
	with.Environ = nil
	return fmt.Sprintf("%+v %x", with, h.Sum(nil))
}

// ofStores tells the variables that matter to stores.
func ofStores(name string) bool {
	for _, prefix := range []string{"AWS_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "STORAGE_EMULATOR_", "AZURE_", "MSI_", "IDENTITY_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "HOME"
}

// environment guards the variables of this process that matter to stores.
type environment struct{ mu sync.RWMutex }

// hold makes them those of a client, and keeps them so until release is called.
// nil leaves them as they are. It waits for others that hold other ones.
func (v *environment) hold(want map[string]string) (release func(), err error) {
	for {
		v.mu.RLock()
		if want == nil || maps.Equal(want, present()) {
			return v.mu.RUnlock, nil
		}
		v.mu.RUnlock()
		v.mu.Lock()
		err := become(want)
		v.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// present are the variables as they are.
func present() map[string]string {
	now := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok && ofStores(name) {
			now[name] = value
		}
	}
	return now
}

// become sets and unsets variables.
func become(want map[string]string) error {
	for name := range present() {
		if _, ok := want[name]; !ok {
			os.Unsetenv(name)
		}
	}
	for name, value := range want {
		if err := os.Setenv(name, value); err != nil {
			return engine.Optionf("storage: environ: %s: %v", name, err)
		}
	}
	return nil
}

// caches are the folders in which pages are kept, each open once.
type caches struct {
	mu   sync.Mutex
	open map[string]*sharedCache
}

type sharedCache struct {
	cache *remote.Cache
	users int // guarded by caches.mu
}

// get opens a cache, or shares it. release is called once.
func (s *caches) get(dir string, quota int64) (c *remote.Cache, release func() error, err error) {
	key := fmt.Sprintf("%d %s", quota, dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.open[key]
	if of == nil {
		if c, err = remote.OpenCache(dir, &remote.CacheOptions{Quota: quota}); err != nil {
			return nil, nil, err
		}
		if s.open == nil {
			s.open = map[string]*sharedCache{}
		}
		of = &sharedCache{cache: c}
		s.open[key] = of
	}
	of.users++
	return of.cache, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if of.users--; of.users > 0 {
			return nil
		}
		delete(s.open, key)
		return of.cache.Close()
	}, nil
}

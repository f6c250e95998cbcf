package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/store"
)

// server is an S3 server behind a proxy.
type server struct {
	*faultproxy.Proxy
	s3    *s3test.Server
	owner *owner
	seen  [2]int64 // requests and bytes up to the last count
	cpu   [2]time.Duration
}

// owner is who s3test starts a server for: a test there, this command here.
type owner struct {
	testing.TB
	dir      string
	cleanups []func()
	log      *measurer
}

// stopped is what Fatal and Skip end the start with.
type stopped struct{ error }

func (o *owner) Helper()          {}
func (o *owner) Failed() bool     { return false }
func (o *owner) Cleanup(f func()) { o.cleanups = append(o.cleanups, f) }
func (o *owner) TempDir() string {
	dir, err := os.MkdirTemp(o.dir, "s3-")
	if err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
func (o *owner) Setenv(k, v string)                { os.Setenv(k, v) }
func (o *owner) Logf(format string, args ...any)   { fmt.Fprintf(o.log.err, format+"\n", args...) }
func (o *owner) Fatal(args ...any)                 { panic(stopped{errors.New(fmt.Sprint(args...))}) }
func (o *owner) Fatalf(format string, args ...any) { panic(stopped{fmt.Errorf(format, args...)}) }
func (o *owner) Skipf(format string, args ...any)  { panic(stopped{fmt.Errorf(format, args...)}) }

func (o *owner) end() {
	for i := len(o.cleanups) - 1; i >= 0; i-- {
		o.cleanups[i]()
	}
}

// startServer starts the server and puts the files there.
func startServer(ctx context.Context, m *measurer) (s *server, err error) {
	testing.Init() // s3test asks whether tests are to be short
	if err := flag.CommandLine.Parse(nil); err != nil {
		return nil, err
	}
	s = &server{owner: &owner{dir: m.Dir, log: m}}
	defer func() {
		if r := recover(); r != nil {
			end, ok := r.(stopped)
			if !ok {
				panic(r)
			}
			err = end.error
		}
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	s.s3 = s3test.Start(s.owner)
	if s.Proxy, err = faultproxy.Start(s.s3.Addr, faultproxy.Faults{}); err != nil {
		return s, err
	}
	for _, name := range []string{"photos.beton", "mds", "wds"} {
		if err := s.upload(ctx, m, name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// upload puts a file, or a folder's files, into the bucket, if there are any.
func (s *server) upload(ctx context.Context, m *measurer, name string) error {
	return filepath.WalkDir(m.path(name), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == m.path(name) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(m.Dir, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return store.WriteFile(ctx, s.url(filepath.ToSlash(rel)), b, true, nil)
	})
}

func (s *server) url(key string) string { return "s3://" + s.s3.Bucket + "/" + key }

// Env is the environment of a process that reaches the server through the proxy.
// What is empty is left out: boto3 takes an empty name for that of a profile.
func (s *server) Env() []string {
	set := map[string]string{}
	for _, kv := range append(os.Environ(), s.s3.Through(s.Addr())...) {
		k, v, _ := strings.Cut(kv, "=")
		set[k] = v
	}
	var env []string
	for k, v := range set {
		if v != "" {
			env = append(env, k+"="+v)
		}
	}
	return env
}

// traffic is what went through the proxy since it was asked last, and the
// processor's time of server and proxy.
func (s *server) traffic() (requests, bytes int64, cpu time.Duration) {
	r, b := s.Requests(), s.Bytes()
	requests, bytes = r-s.seen[0], b-s.seen[1]
	s.seen = [2]int64{r, b}
	own, _ := usage.CPU()
	now := [2]time.Duration{own, childrenCPU()}
	cpu = now[0] - s.cpu[0] + now[1] - s.cpu[1]
	s.cpu = now
	return requests, bytes, cpu
}

func (s *server) Close() error {
	var err error
	if s.Proxy != nil {
		err = s.Proxy.Close()
	}
	s.owner.end()
	return err
}

// childrenCPU is what this process's children that run have taken: 0 where the
// system does not tell as Linux does.
func childrenCPU() (sum time.Duration) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(pids)) {
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			_, rest, _ := strings.Cut(string(stat), ") ")
			f := strings.Fields(rest)
			if len(f) < 13 {
				continue
			}
			user, _ := strconv.ParseInt(f[11], 10, 64)
			system, _ := strconv.ParseInt(f[12], 10, 64)
			sum += time.Duration(user+system) * (time.Second / 100)
		}
	}
	return sum
}

package mmap_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/internal/mmap"
)

func TestOpen(t *testing.T) {
	page := os.Getpagesize()
	for _, n := range []int{0, 1, page - 1, page, page + 1, 3*page + 7} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i*31 + i>>8)
		}
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := mmap.Open(path)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if m.Name() != path || m.Size() != int64(n) || !bytes.Equal(m.Bytes(), want) {
			t.Errorf("%d bytes: got name %q, size %d, %d bytes", n, m.Name(), m.Size(), len(m.Bytes()))
		}
		for _, r := range [][2]int64{{0, int64(n)}, {-5, 10}, {1, 1}, {int64(n), 1}, {int64(n) - 1, math.MaxInt64},
			{math.MinInt64, math.MaxInt64}, {math.MaxInt64, math.MaxInt64}, {0, -1}, {int64(page), 1}} {
			m.WillNeed(r[0], r[1])
			m.Random(r[0], r[1])
			m.Normal(r[0], r[1])
		}
		m.Sequential()
		if !bytes.Equal(m.Bytes(), want) {
			t.Errorf("%d bytes: a hint changed them", n)
		}
		for range 2 {
			if err := m.Close(); err != nil {
				t.Errorf("%d bytes: Close: %v", n, err)
			}
		}
		if m.Bytes() != nil {
			t.Errorf("%d bytes: still there after Close", n)
		}
		m.WillNeed(0, 1) // harmless
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := mmap.Open(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := mmap.Open(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
}

func TestIsFault(t *testing.T) {
	caught := func(do func()) (is bool) {
		defer func() { is = mmap.IsFault(recover()) }()
		do()
		return false
	}
	m, err := mmap.Open("mmap_test.go")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var none []int
	for name, do := range map[string]func(){
		"nothing":    func() {},
		"a value":    func() { panic("ouch") },
		"an index":   func() { none[0] = 1 },
		"no pointer": func() { *(*int)(nil) = 1 },
	} {
		if caught(do) {
			t.Errorf("%s is a fault", name)
		}
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if !caught(func() { m.Bytes()[0] = 1 }) { // read-only
		t.Error("a write into a map is no fault")
	}
}

func TestHintsBesideClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mmap.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() { // ends after 100 hints
			defer wg.Done()
			for i := range int64(100) {
				m.WillNeed(i*4096, 8192)
			}
		}()
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestAnon(t *testing.T) {
	page := os.Getpagesize()
	for _, n := range []int{0, 1, page - 1, page, page + 1, 1 << 22} {
		b, err := mmap.Anon(n)
		if err != nil {
			t.Fatalf("Anon(%d): %v", n, err)
		}
		if len(b) != n || b == nil || cap(b)%page != 0 {
			t.Errorf("Anon(%d): length %d, capacity %d", n, len(b), cap(b))
		}
		mmap.Huge(b)
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("Anon(%d): byte %d is %d, want 0", n, i, b[i])
			}
			b[i] = 0xff
		}
		if err := mmap.Free(b[:len(b)/2]); err != nil {
			t.Errorf("Free of %d bytes: %v", n, err)
		}
	}
	if err := mmap.Free(nil); err != nil {
		t.Errorf("Free(nil): %v", err)
	}
	for _, n := range []int{-1, math.MinInt, math.MaxInt, math.MaxInt - page, 1 << 60} {
		if b, err := mmap.Anon(n); err == nil || b != nil {
			t.Errorf("Anon(%d) = %d bytes, %v; want an error", n, len(b), err)
		}
	}
}

func TestFreeOfOtherMemory(t *testing.T) {
	b, err := mmap.Anon(2 * os.Getpagesize())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" { // where the address alone is looked up, after a flush
		if err := mmap.Free(b[1:]); err == nil {
			t.Error("Free of an inner slice: no error")
		}
	}
	b[0], b[len(b)-1] = 1, 1 // still ours
	if err := mmap.Free(b); err != nil {
		t.Error(err)
	}
}

func TestScratch(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []int64{0, 1, 4096, 1<<20 + 3} {
		path := filepath.Join(dir, "scratch")
		s, err := mmap.Create(path, n)
		if err != nil {
			t.Fatalf("Create(%d): %v", n, err)
		}
		b := s.Bytes()
		if int64(len(b)) != n {
			t.Fatalf("Create(%d): %d bytes", n, len(b))
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("Create(%d): byte %d is %d, want 0", n, i, b[i])
			}
			b[i] = byte(i)
		}
		for i := range b {
			if b[i] != byte(i) {
				t.Fatalf("Create(%d): byte %d changed", n, i)
			}
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Create(%d): Close: %v", n, err)
			}
		}
		if s.Bytes() != nil {
			t.Errorf("Create(%d): still there after Close", n)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("Create(%d): left %v", n, left)
		}
	}
}

func TestScratchRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mmap.Create(path, 10); !errors.Is(err, fs.ErrExist) {
		t.Errorf("existing file: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Errorf("existing file is now %q", b)
	}
	if _, err := mmap.Create(filepath.Join(dir, "no", "folder"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	for _, size := range []int64{-1, math.MaxInt64, 1 << 60} {
		if _, err := mmap.Create(filepath.Join(dir, "big"), size); err == nil {
			t.Errorf("size %d: no error", size)
		}
		if _, err := os.Stat(filepath.Join(dir, "big")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("size %d: a file was left: %v", size, err)
		}
	}
}

func TestFileWithoutName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	m, err := mmap.File(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if string(m.Bytes()) != "kept" || m.Name() != path || m.Size() != 4 {
		t.Errorf("got %q, name %q, size %d", m.Bytes(), m.Name(), m.Size())
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := mmap.File(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file: got %v", err)
	}
}

package hdf5_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
)

// TestTruncated: a file that is cut off anywhere is told from its superblock.
func TestTruncated(t *testing.T) {
	need(t)
	for _, name := range []string{"basic_earliest.h5", "basic_latest.h5"} {
		whole, err := os.ReadFile(filepath.Join(goldens, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.h5")
		for n := 0; n < len(whole); n += 1 + n/97 {
			for _, user := range []int{0, 512} {
				if err := os.WriteFile(path, append(make([]byte, user), whole[:n]...), 0o666); err != nil {
					t.Fatal(err)
				}
				f, err := hdf5.Open(path, nil)
				var e *hdf5.FormatError
				if err == nil || f != nil || !errors.As(err, &e) || e.File != path {
					t.Fatalf("%s: %d of %d bytes behind %d: got %v", name, n, len(whole), user, err)
				}
			}
		}
	}
}

func TestNoHDF5(t *testing.T) {
	need(t)
	dir := t.TempDir()
	whole, err := os.ReadFile(filepath.Join(goldens, "basic_latest.h5"))
	if err != nil {
		t.Fatal(err)
	}
	patched := func(at int, b ...byte) []byte {
		c := bytes.Clone(whole)
		copy(c[at:], b)
		return c
	}
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"empty", "no HDF5", nil},
		{"magic", "no HDF5", patched(0, 'x')},
		{"newer", "superblock of version 4", patched(8, 4)},
		{"addresses", "addresses of 5 bytes", patched(9, 5)},
		{"end", "cut off", patched(28, 0xff, 0xff, 0xff)},
		{"base", "before it begins", patched(12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)},
		{"writing", "a writer has it open", patched(11, 1)},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.b, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := hdf5.Open(path, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := hdf5.Open(dir, nil); err == nil {
		t.Error("a folder")
	}
	if _, err := hdf5.Open(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestLimits: what a file declares is held against the options before memory is
// taken.
func TestLimits(t *testing.T) {
	need(t)
	path := filepath.Join(t.TempDir(), "x.h5")
	list := map[string]array.Array{"x": typed(t, "<i4", pattern(4000), 10, 100), "words": text(t, 20, []string{"12345678901234567890", "b"}, 2)}
	save(t, path, hdf5.CreateOptions{Compression: "gzip", Chunk: 2000}, list, nil, false)
	for _, c := range []struct {
		opts hdf5.OpenOptions
		name string
	}{{hdf5.OpenOptions{MaxArray: 3999}, "x"}, {hdf5.OpenOptions{MaxChunk: 1999}, "x"}, {hdf5.OpenOptions{MaxText: 19}, "words"}} {
		f, err := hdf5.Open(path, &c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Array(c.name); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%+v: got %v", c.opts, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	f, err := hdf5.Open(path, &hdf5.OpenOptions{MaxArray: 1999})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Stream("x", 1); err == nil {
		t.Error("a row of chunks larger than MaxArray")
	}
}

const hostileChild = "HDF5_HOSTILE_CHILD"

// maxHostile is how much memory a damaged small file may take.
const maxHostile = 1 << 30

// TestDamaged changes bits all over the goldens, and has another process read
// what comes of it: the C library may crash, this package must not, nor take
// memory without bound.
func TestDamaged(t *testing.T) {
	need(t)
	if name := os.Getenv(hostileChild); name != "" {
		readDamaged(t, name)
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for _, name := range []string{"basic_earliest.h5", "basic_latest.h5"} {
		crashes := 0
		for from := 0; from >= 0; {
			cmd := exec.CommandContext(ctx, self, "-test.run=^TestDamaged$", "-test.v", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), hostileChild+"="+name, "HDF5_HOSTILE_FROM="+strconv.Itoa(from))
			out, err := cmd.CombinedOutput()
			if err == nil {
				break
			}
			at := lastOf(out)
			text := string(out)
			if ctx.Err() != nil || at < from || !strings.Contains(text, "signal arrived during cgo execution") && !strings.Contains(text, "signal arrived during external code execution") &&
				!strings.Contains(text, "SIGABRT") {
				t.Fatalf("%s: byte %d: %v\n%s", name, at, err, tail(text))
			}
			crashes++
			from = at + 1
		}
		t.Logf("%s: the library crashed %d times", name, crashes)
	}
}

// tail is what a process says of its end.
func tail(text string) string {
	if i := strings.LastIndex(text, "case "); i >= 0 {
		text = text[i:]
	}
	return text[:min(len(text), 4000)]
}

// lastOf is the number that was printed last.
func lastOf(out []byte) int {
	at := -1
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		if n, err := strconv.Atoi(strings.TrimPrefix(s.Text(), "case ")); err == nil && strings.HasPrefix(s.Text(), "case ") {
			at = n
		}
	}
	return at
}

func readDamaged(t *testing.T, name string) {
	whole, err := os.ReadFile(filepath.Join(goldens, name))
	if err != nil {
		t.Fatal(err)
	}
	from, err := strconv.Atoi(os.Getenv("HDF5_HOSTILE_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	step := 211
	if s := os.Getenv("HDF5_HOSTILE_STEP"); s != "" {
		if step, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "x.h5")
	refused, read := 0, 0
	for at := from; at < 8*len(whole); at++ {
		if at%step != 0 {
			continue
		}
		b := bytes.Clone(whole)
		b[at/8] ^= 1 << (at % 8)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("case %d\n", at)
		if readAll(path) != nil {
			refused++
		} else {
			read++
		}
	}
	if rss := maxRSS(); rss > maxHostile {
		t.Errorf("%d bytes of memory", rss)
	}
	t.Logf("%d were refused, in whole or in part, %d were read", refused, read)
}

// readAll reads all of a file in every way.
func readAll(path string) error {
	f, err := hdf5.Open(path, &hdf5.OpenOptions{MaxArray: 4 << 20, MaxChunk: 4 << 20})
	if err != nil {
		return err
	}
	errs := []error{f.Refused()}
	for _, m := range f.Members() {
		_, err := f.Array(m.Name)
		errs = append(errs, err)
		s, err := f.Stream(m.Name, 1<<16)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		total := 0
		for total < 4<<20 {
			a, err := s.Next()
			if err != nil {
				if err != io.EOF {
					errs = append(errs, err)
				}
				break
			}
			total += len(a.Data) + 1
		}
		errs = append(errs, s.Close())
	}
	return errors.Join(slices.Concat(errs, []error{f.Close()})...)
}

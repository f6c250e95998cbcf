package ffcv_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// vector is a file of testdata/broken.
type vector struct {
	head map[string]string
	file []byte
}

func readVector(t testing.TB, path string) vector {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no header", path)
	}
	v := vector{head: map[string]string{}}
	for _, line := range strings.Split(string(head), "\n") {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%s: header line %q", path, line)
		}
		v.head[key] = value
	}
	z, err := gzip.NewReader(bytes.NewReader(rest))
	if err != nil {
		t.Fatal(err)
	}
	if v.file, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBroken(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/broken/*.vector")
	if len(paths) < 90 {
		t.Fatalf("%d vectors, want at least 90", len(paths))
	}
	for _, path := range paths {
		v := readVector(t, path)
		name := strings.TrimSuffix(filepath.Base(path), ".vector")
		t.Run(name+"/lent", func(t *testing.T) { v.check(t, ffcvtest.Lend(v.file)) })
		t.Run(name+"/read", func(t *testing.T) {
			v.check(t, ffcv.ReaderAtSource("x.beton", bytes.NewReader(v.file), int64(len(v.file))))
		})
	}
}

func (v *vector) check(t *testing.T, src ffcv.Source) {
	f, err := ffcv.New(src, nil)
	var e *ffcv.FormatError
	switch v.head["expect"] {
	case "invalid":
		if !errors.As(err, &e) || errors.Is(err, ffcv.ErrUnsupported) {
			t.Fatalf("Open: %v, want it invalid", err)
		}
		if e.File == "" || e.Field != v.head["field"] {
			t.Errorf("%+v", e)
		}
		v.checkWhat(t, err)
	case "unsupported":
		if !errors.Is(err, ffcv.ErrUnsupported) {
			t.Fatalf("Open: %v, want it unsupported", err)
		}
	case "unknown field":
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Value(0, 0); !errors.Is(err, ffcv.ErrUnknownField) {
			t.Errorf("Value: %v", err)
		}
	case "sound":
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Len() {
			for k := range f.Fields() {
				if _, err := f.Value(i, k); err != nil {
					t.Error(err)
				}
			}
		}
		if err := f.Verify(context.Background(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
			t.Errorf("Verify: %v", err)
		}
	case "flawed":
		if err != nil {
			t.Fatal(err)
		}
		v.checkFlaws(t, f)
		touch(f)
	default:
		t.Fatalf("expect: %q", v.head["expect"])
	}
}

// checkFlaws wants a report with the place and the words of the header.
func (v *vector) checkFlaws(t *testing.T, f *ffcv.File) {
	sample := -1
	if s := v.head["sample"]; s != "" {
		sample, _ = strconv.Atoi(s)
	}
	var flaws []*ffcv.FormatError
	err := f.Verify(context.Background(), func(e *ffcv.FormatError) { flaws = append(flaws, e) })
	if len(flaws) == 0 || err != error(flaws[0]) {
		t.Fatalf("Verify: %v, %d reports", err, len(flaws))
	}
	if first := f.Verify(context.Background(), nil); first == nil || first.Error() != err.Error() {
		t.Errorf("without a report: %v, want %v", first, err)
	}
	for _, e := range flaws {
		field := v.head["field"]
		if e.Sample == sample && (e.Field == field || field == "") && strings.Contains(e.Error(), v.head["what"]) {
			if n := strings.Count(e.Error(), f.Name()); n != 1 {
				t.Errorf("%v: the file's name is there %d times", e, n)
			}
			return
		}
	}
	t.Errorf("want sample %d, field %q, %q; got %v", sample, v.head["field"], v.head["what"], flaws)
}

func (v *vector) checkWhat(t *testing.T, err error) {
	if !strings.Contains(err.Error(), v.head["what"]) {
		t.Errorf("%v: want %q", err, v.head["what"])
	}
}

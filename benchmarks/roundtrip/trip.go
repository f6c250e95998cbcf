package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/usage"
)

//go:embed peers.py
var peers []byte

// sample is what must come through.
type sample struct {
	Key    string `json:"key"`
	Label  int64  `json:"label"`
	SHA256 string `json:"sha256"` // of the JPEG
}

// trip is photographs on their way.
type trip struct {
	dir    string // for files
	log    io.Writer
	python string // with the peers' libraries, "" none
	ffcv   string // with FFCV, "" none
	rounds int
	dump   func(ctx context.Context, file string) (string, error) // what a file holds

	truth []sample // by the files' own bytes, in order
	bytes int64    // of all of them
	first string   // the .beton
	holds string   // what dump says of it
	sees  string   // and FFCV
	steps []step
}

func (t *trip) at(name string) string { return filepath.Join(t.dir, name) }

// begin packs n of the photographs of a folder, and makes sure of what is in the
// file.
func (t *trip) begin(ctx context.Context, photos string, n int) error {
	if err := os.WriteFile(t.at("peers.py"), peers, 0o666); err != nil {
		return err
	}
	if err := t.gather(photos, n); err != nil {
		return err
	}
	t.first = t.at("first.beton")
	if err := t.pack(ctx, build.Recipe{Folder: &build.Folder{Dir: t.at("photos")}}, t.first); err != nil {
		return err
	}
	if err := t.compareFile(t.first); err != nil {
		return err
	}
	var err error
	if t.holds, err = t.dump(ctx, t.first); err != nil {
		return err
	}
	t.sees, err = t.byFFCV(ctx, t.first)
	return err
}

// gather copies photographs, every so many-th one in the order of their names.
func (t *trip) gather(photos string, n int) error {
	var list []string
	err := filepath.WalkDir(photos, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(name), ".jpg") {
			rel, err := filepath.Rel(photos, name)
			list = append(list, filepath.ToSlash(rel))
			return err
		}
		return err
	})
	if err != nil {
		return err
	}
	if n > 0 && len(list) > n {
		all := len(list)
		for i := range n {
			list[i] = list[i*all/n]
		}
		list = list[:n]
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: no .jpg in it", photos)
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(strings.Compare(class(a), class(b)), strings.Compare(a, b))
	})
	var classes []string
	for _, name := range list {
		if c := class(name); len(classes) == 0 || classes[len(classes)-1] != c {
			classes = append(classes, c)
		}
		b, err := os.ReadFile(filepath.Join(photos, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		to := filepath.Join(t.at("photos"), filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o777), os.WriteFile(to, b, 0o666)); err != nil {
			return err
		}
		t.truth = append(t.truth, sample{name, int64(len(classes) - 1), sum(b)})
		t.bytes += int64(len(b))
	}
	return nil
}

// class is the folder that a photograph's class is called by.
func class(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// pack writes a .beton.
func (t *trip) pack(ctx context.Context, r build.Recipe, to string) (err error) {
	s, err := r.Open(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	_, err = r.Write(ctx, s, to, &build.WriteOptions{Overwrite: true})
	return err
}

// around takes the file through one format and back.
func (t *trip) around(ctx context.Context, format export.Format) error {
	out := t.at(string(format))
	f, err := ffcv.Open(t.first, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	err = t.time(format, "export", func() error {
		_, err := export.Write(ctx, f, out, &export.Options{Format: format, Overwrite: true})
		return err
	})
	if err != nil {
		return err
	}
	kinds := []string{string(format)}
	if format == export.Folder {
		kinds = append(kinds, "imagefolder")
	}
	for _, kind := range kinds {
		if err := t.byPeer(ctx, format, kind, out); err != nil {
			return fmt.Errorf("read by %s's library: %w", kind, err)
		}
	}
	again := t.at(string(format) + ".beton")
	err = t.time(format, "import", func() error {
		r, err := recipe(format, out)
		if err != nil {
			return err
		}
		return t.pack(ctx, r, again)
	})
	if err != nil {
		return err
	}
	if err := t.compareAgain(ctx, again); err != nil {
		return fmt.Errorf("imported again: %w", err)
	}
	return errors.Join(os.RemoveAll(out), os.Remove(again))
}

// recipe imports an export.
func recipe(format export.Format, out string) (build.Recipe, error) {
	b, err := os.ReadFile(filepath.Join(out, "classes.txt"))
	if err != nil {
		return build.Recipe{}, err
	}
	classes := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	switch format {
	case export.Tar:
		return build.Recipe{WebDataset: &build.WebDataset{Shards: []string{filepath.Join(out, "*.tar")}, Classes: classes}}, nil
	case export.Parquet:
		return build.Recipe{Parquet: &build.Parquet{Files: []string{out}}}, nil
	case export.MDS:
		return build.Recipe{MDS: &build.MDS{Dirs: []string{out}, Classes: classes}}, nil
	}
	return build.Recipe{Folder: &build.Folder{Dir: out, Classes: classes}}, nil
}

// time runs a step some times.
func (t *trip) time(format export.Format, what string, do func() error) error {
	var got []step
	for range t.rounds {
		cpu, err := usage.CPU()
		if err != nil {
			return err
		}
		start := time.Now()
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		s := step{format: format, what: what, wall: time.Since(start)}
		end, err := usage.CPU()
		if err != nil {
			return err
		}
		s.cpu = end - cpu
		got = append(got, s)
		fmt.Fprintf(t.log, "%s: %s %s: %.2f s, CPU %.2f s\n", prog, format, what, s.wall.Seconds(), s.cpu.Seconds())
	}
	slices.SortFunc(got, func(a, b step) int { return cmp.Compare(a.wall, b.wall) })
	t.steps = append(t.steps, got[len(got)/2])
	return nil
}

// byPeer has the format's own library read an export.
func (t *trip) byPeer(ctx context.Context, format export.Format, kind, out string) error {
	if t.python == "" {
		return nil
	}
	cmd := exec.CommandContext(ctx, t.python, t.at("peers.py"), kind, out)
	cmd.Env = append(os.Environ(), "HF_HOME="+t.at("hf"), "TMPDIR="+t.dir)
	var text, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, errs.Bytes())
	}
	var got []sample
	for d := json.NewDecoder(&text); d.More(); {
		var s sample
		if err := d.Decode(&s); err != nil {
			return err
		}
		got = append(got, s)
	}
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	var report struct{ Seconds, CPU float64 }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil {
		return err
	}
	duration := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	what := map[string]string{
		"folder": "torchvision ImageFolder reads", "imagefolder": "datasets imagefolder reads", "tar": "webdataset reads",
		"parquet": "datasets reads", "mds": "streaming reads",
	}[kind]
	t.steps = append(t.steps, step{format, what, duration(report.Seconds), duration(report.CPU)})
	return t.compare(got, format == export.Tar)
}

// compare compares samples with what they should be. Keys of tar members have no
// extension.
func (t *trip) compare(got []sample, stems bool) error {
	if len(got) != len(t.truth) {
		return fmt.Errorf("%d samples, want %d", len(got), len(t.truth))
	}
	for i, want := range t.truth {
		if stems {
			want.Key = strings.TrimSuffix(want.Key, path.Ext(want.Key))
		}
		if got[i] != want {
			return fmt.Errorf("sample %d is %+v, want %+v", i, got[i], want)
		}
	}
	return nil
}

// compareFile compares what a .beton holds with the photographs.
func (t *trip) compareFile(name string) error {
	f, err := ffcv.Open(name, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	image, label := f.FieldIndex("image"), f.FieldIndex("label")
	if image < 0 || label < 0 {
		return fmt.Errorf("fields %v, want image and label", f.Fields())
	}
	got := make([]sample, f.Len())
	for i := range got {
		s := &got[i]
		v, err := f.Image(i, image)
		if err == nil {
			s.SHA256 = sum(v.Data)
			s.Label, err = f.Int(i, label)
		}
		if err == nil {
			s.Key, err = f.Key(i)
		}
		if err != nil {
			return err
		}
	}
	return t.compare(got, false)
}

// compareAgain compares a file that came back with the first one.
func (t *trip) compareAgain(ctx context.Context, name string) error {
	if err := t.compareFile(name); err != nil {
		return err
	}
	holds, err := t.dump(ctx, name)
	if err != nil {
		return err
	}
	if holds != t.holds {
		return errors.New("ffcv dump tells another thing than of the first file")
	}
	sees, err := t.byFFCV(ctx, name)
	if err == nil && sees != t.sees {
		err = errors.New("FFCV decodes other pixels or labels than of the first file")
	}
	return err
}

// byFFCV returns what FFCV makes of a file.
func (t *trip) byFFCV(ctx context.Context, name string) (string, error) {
	if t.ffcv == "" {
		return "", nil
	}
	cmd := exec.CommandContext(ctx, t.ffcv, t.at("peers.py"), "ffcv", name)
	cmd.Dir = t.dir
	b, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("FFCV: %w\n%s", err, exit.Stderr)
	}
	return string(b), err
}

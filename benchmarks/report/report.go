// Package report makes a report of what the benchmarks measured: Markdown with a
// table and plots (SVG) for each work, and the parts of README.md and
// docs/benchmarks.md that are between markers. The same results give the same
// bytes, so that a test holds what is kept to what it is made from.
//
// Results that are kept are in benchmarks/results, a folder each, called after
// their day and commit: result.json, report.md and the plots. README and docs
// show the newest.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/betongo/betongo/benchmarks/result"
	"github.com/betongo/betongo/internal/aside"
)

// Base is the system that all others are compared with.
const Base = "betongo"

// Folder is where results are kept, from the repository's root on, with slashes.
const Folder = "benchmarks/results"

// JSON and Page are the files of a report beside its plots.
const (
	JSON = "result.json"
	Page = "report.md"
)

const (
	begin = "<!-- made by go run ./benchmarks --keep: change nothing from here -->\n"
	end   = "<!-- to here -->\n"
)

// ErrNone is the error of Newest where no results are kept.
var ErrNone = errors.New("no results are kept in " + Folder)

// Render returns the files of the report on f by their names.
func Render(f *result.File) (map[string][]byte, error) {
	b, err := f.Bytes()
	if err != nil {
		return nil, err
	}
	if f, err = result.Parse(b); err != nil { // scrubbed, as a reader will have it
		return nil, err
	}
	files, err := plots(f)
	if err != nil {
		return nil, err
	}
	files[JSON] = b
	files[Page] = []byte("# Benchmarks\n\n" + markdown(f, "##", ""))
	return files, nil
}

// Write makes the report on f in a folder, which may be there already: plots of
// an earlier report that this one has not are removed.
func Write(dir string, f *result.File) error {
	files, err := Render(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if files[filepath.Base(name)] == nil {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := write(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// write replaces a file, whole or not at all.
func write(name string, b []byte) error {
	w, err := aside.Create(name, true)
	if err != nil {
		return err
	}
	defer w.Abort() // nothing once committed
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Commit()
}

// Keep makes the report on f in the folder of its day and commit below root, the
// repository's, and then what Refresh makes. It returns the folder.
func Keep(root string, f *result.File) (dir string, err error) {
	dir = filepath.Join(root, filepath.FromSlash(Folder), folder(f))
	if err := Write(dir, f); err != nil {
		return "", err
	}
	return dir, Refresh(root)
}

// folder names the results' folder.
func folder(f *result.File) string {
	return f.Started.UTC().Format("2006-01-02") + "-" + f.Commit[:min(12, len(f.Commit))]
}

// kept returns the files of results kept below root.
func kept(root string) ([]string, error) {
	return filepath.Glob(filepath.Join(root, filepath.FromSlash(Folder), "*", JSON))
}

// Newest returns the results kept below root that were started last.
func Newest(root string) (*result.File, error) {
	names, err := kept(root)
	if err != nil {
		return nil, err
	}
	var newest *result.File
	for _, name := range names {
		f, err := result.Load(name)
		if err != nil {
			return nil, err
		}
		if newest == nil || f.Started.After(newest.Started) {
			newest = f
		}
	}
	if newest == nil {
		return nil, ErrNone
	}
	return newest, nil
}

// Remake makes the reports of all results kept below root anew, and what Refresh
// makes: after a change of this package.
func Remake(root string) error {
	names, err := kept(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := result.Load(name)
		if err != nil {
			return err
		}
		if err := Write(filepath.Dir(name), f); err != nil {
			return err
		}
	}
	return Refresh(root)
}

// Refresh makes anew what README.md and docs/benchmarks.md below root have
// between their markers, from the newest results.
func Refresh(root string) error {
	f, err := Newest(root)
	if err != nil {
		return err
	}
	for name, part := range Parts(f) {
		name = filepath.Join(root, filepath.FromSlash(name))
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		made, err := Between(text, part)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Equal(made, text) {
			continue
		}
		if err := rewrite(name, made); err != nil {
			return err
		}
	}
	return nil
}

// rewrite replaces a file and keeps its mode.
func rewrite(name string, b []byte) error {
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(name); err == nil {
		mode = st.Mode().Perm()
	}
	if err := write(name, b); err != nil {
		return err
	}
	return os.Chmod(name, mode)
}

// Parts returns what belongs between the markers of README.md and
// docs/benchmarks.md, by their names.
func Parts(f *result.File) map[string]string {
	return map[string]string{
		"README.md":          summary(f),
		"docs/benchmarks.md": markdown(f, "###", "../"+Folder+"/"+folder(f)+"/"),
	}
}

// Between returns text with what is between its markers replaced. The markers
// must be there once each, in lines of their own.
func Between(text []byte, part string) ([]byte, error) {
	if bytes.Count(text, []byte(begin)) != 1 || bytes.Count(text, []byte(end)) != 1 {
		return nil, fmt.Errorf("want each of the markers %q and %q once", begin, end)
	}
	from, to := bytes.Index(text, []byte(begin))+len(begin), bytes.Index(text, []byte(end))
	if from > to {
		return nil, fmt.Errorf("the marker %q is before %q", end, begin)
	}
	return slices.Concat(text[:from], []byte("\n"+part+"\n"), text[to:]), nil
}

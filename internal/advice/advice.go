// Package advice says what the person at the terminal can do about an error of a
// file, a disk or an object store: which name was meant, who may read, what a file
// is that is no .beton, and by which command it becomes one.
package advice

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/rgb"
)

// Of returns err with a hint, if it has none yet and there is something to say.
func Of(err error) error {
	if err == nil || term.Hint(err) != "" {
		return err
	}
	if hint := hint(err); hint != "" {
		return term.WithHint(err, hint)
	}
	return err
}

// Pictures says what of pictures is read.
const Pictures = "JPEG, PNG, WebP, GIF, BMP and TIFF are read, by their content; HEIC, AVIF and camera raws are to be converted to JPEG first"

// noClasses is the error for a folder without class folders, a sentence of package
// source.
var noClasses = regexp.MustCompile(`folder (\S+): no class folders`)

func hint(err error) string {
	var path *fs.PathError
	var flaw *ffcv.FormatError
	var network *net.OpError
	var picture *rgb.UnsupportedError
	switch {
	case errors.Is(err, remote.ErrDenied):
		return "credentials come from where the store's own tools look for them (docs/remote.md); --anonymous asks without"
	case errors.Is(err, remote.ErrNotExist):
		return "no object has that name; the names of objects have capitals and no leading slash, and a folder is no object"
	case errors.As(err, &network), strings.Contains(err.Error(), "connection refused"), strings.Contains(err.Error(), "no such host"):
		return "nobody answers there: is the address right (--endpoint-url for s3://), and can this machine reach it?"
	case full(err):
		return "the disk is full: 'df -h' shows which; make room, or write elsewhere with -o"
	case readOnly(err):
		return "that disk is read-only; write elsewhere with -o"
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return missing(path.Path, written(err))
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission):
		return denied(path.Path, written(err))
	case errors.As(err, &path) && (errors.Is(err, regular.ErrKind) || notFolder(err)):
		_, do := Kind(path.Path)
		return do
	case errors.As(err, &flaw) && flaw.File != "" && strings.Contains(err.Error(), "not a .beton"):
		_, do := Kind(flaw.File)
		return do
	case errors.As(err, &flaw) && strings.Contains(err.Error(), "it was cut short"):
		return "a copy or a download of it was stopped; fetch it again"
	case errors.As(err, &picture):
		return Pictures
	case noClasses.MatchString(err.Error()):
		return noClasses.ReplaceAllString(noClasses.FindString(err.Error()), "put the photographs of a class into a folder of their own: 'mkdir $1/cat && mv $1/*.jpg $1/cat'; or name them, with labels, in a table: 'ffcvwrite table'")
	case strings.Contains(err.Error(), "no image in class folder"):
		return Pictures + "; a folder that is no class is to be taken out"
	case strings.Contains(err.Error(), "no file matches it"):
		return "a pattern is of the working folder unless it names another; in quotes, such as 'train-*.beton', it reaches this command as it is"
	}
	return ""
}

// written says whether an error is of something to be written.
func written(err error) bool {
	text := err.Error()
	for _, word := range []string{"output", "create ", "write ", "lock "} {
		if strings.HasPrefix(text, word) {
			return true
		}
	}
	return false
}

// maxNames bounds how many names of a folder are looked at for the one that was
// meant, and maxListed how many are told.
const (
	maxNames  = 10000
	maxListed = 3
)

// missing says what is there instead of a path.
func missing(path string, written bool) string {
	if scheme, rest, ok := strings.Cut(path, ":/"); ok && !strings.HasPrefix(rest, "/") && slices.Contains([]string{"s3", "gs", "azblob", "http", "https"}, scheme) {
		return fmt.Sprintf("a URL has two slashes: %s://%s", scheme, rest)
	}
	dir, name := filepath.Dir(path), filepath.Base(path)
	if written {
		for _, d := range []string{path, dir} {
			if _, err := os.Stat(d); err != nil && filepath.Ext(d) == "" {
				return fmt.Sprintf("'mkdir -p %s' makes the folder", d)
			}
		}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		here, _ := os.Getwd()
		return fmt.Sprintf("the folder %s is not there either, seen from %s", dir, here)
	}
	names := list(dir)
	if near := term.Near(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", term.Name(filepath.Join(dir, near)))
	}
	same := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return filepath.Ext(s) != filepath.Ext(name) || filepath.Ext(s) == "" })
	if len(same) > 0 {
		more := ""
		if len(same) > maxListed {
			same, more = same[:maxListed], " and more"
		}
		for i, s := range same {
			same[i] = term.Name(s)
		}
		are := "are"
		if len(same) == 1 {
			are = "is"
		}
		return fmt.Sprintf("in %s there %s %s%s", dir, are, strings.Join(same, ", "), more)
	}
	return fmt.Sprintf("'ls %s' shows what is there", dir)
}

// list returns the names in a folder, some of them if there are too many.
func list(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxNames)
	slices.Sort(names)
	return names
}

// denied says who may not do what.
func denied(path string, written bool) string {
	what := "read"
	if written {
		what = "write"
		if _, err := os.Stat(path); err != nil {
			path = filepath.Dir(path)
		}
	}
	who := "the user that runs this"
	if name := os.Getenv("USER"); name != "" {
		who = "the user " + name
	}
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("%s may not %s %s; its properties show who may", who, what, path)
	}
	return fmt.Sprintf("%s may not %s %s; 'ls -ld %s' shows who may", who, what, path, path)
}

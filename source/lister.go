package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/rgb"
)

// names is a list of file names in two allocations, whatever their number.
type names struct {
	blob []byte
	ends []int // where each name ends in blob
}

func (n *names) add(dir, name string) {
	n.blob = append(append(n.blob, dir...), name...)
	n.ends = append(n.ends, len(n.blob))
}

func (n *names) len() int { return len(n.ends) }

// at borrows name i.
func (n *names) at(i int) []byte {
	start := 0
	if i > 0 {
		start = n.ends[i-1]
	}
	return n.blob[start:n.ends[i]]
}

// sorted returns the names in byte order, in memory of just their size.
func (n *names) sorted() names {
	order := make([]int, n.len())
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(n.at(a), n.at(b)) })
	out := names{blob: make([]byte, 0, len(n.blob)), ends: make([]int, 0, n.len())}
	for _, i := range order {
		out.blob = append(out.blob, n.at(i)...)
		out.ends = append(out.ends, len(out.blob))
	}
	return out
}

// lister walks one class folder.
type lister struct {
	root    string
	files   names
	skipped []Skip // relative to root
}

// readBatch bounds how many entries of a folder are in memory as such.
const readBatch = 1024

// walk lists the folder rel, "" or a path that ends in '/', below the root.
// above are the folders that hold it, the root first; a folder that links led
// back to is reported, or the walk would never end.
func (l *lister) walk(ctx context.Context, rel string, above []fs.FileInfo) error {
	dir := filepath.Join(l.root, filepath.FromSlash(rel))
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	for _, a := range above {
		if os.SameFile(a, info) {
			l.skip(strings.TrimSuffix(rel, "/"), "link to a folder that holds it")
			return nil
		}
	}
	folders, err := l.entries(ctx, dir, rel)
	if err != nil {
		return err
	}
	above = append(slices.Clip(above), info)
	for _, name := range folders {
		if err := l.walk(ctx, rel+name+"/", above); err != nil {
			return err
		}
	}
	return nil
}

// entries takes or reports the files directly in dir and returns the names of
// its folders.
func (l *lister) entries(ctx context.Context, dir, rel string) (folders []string, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, err := f.ReadDir(readBatch)
		for _, e := range batch {
			if l.entry(dir, rel, e) {
				folders = append(folders, e.Name())
			}
		}
		if err == io.EOF {
			return folders, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// entry takes the file e, or reports it, or says that it is a folder.
func (l *lister) entry(dir, rel string, e fs.DirEntry) (folder bool) {
	name := e.Name()
	if hidden(name) {
		l.skip(rel+name, reasonHidden)
		return false
	}
	path := filepath.Join(dir, name)
	mode, err := follow(path, e)
	switch known := imageExtension(name); {
	case err == nil && mode.IsDir():
		return true
	case err == nil && !mode.IsRegular():
		l.skip(rel+name, "not a regular file")
	case known:
		// Also a broken link: an image that cannot be read is an error of its
		// sample, never one that goes missing.
		l.files.add(rel, name)
	case err != nil:
		l.skip(rel+name, "broken link: "+err.Error())
	default:
		if why := notImage(path); why != "" {
			l.skip(rel+name, why)
		} else {
			l.files.add(rel, name)
		}
	}
	return false
}

func (l *lister) skip(path, reason string) {
	l.skipped = append(l.skipped, Skip{path, reason})
}

// imageExtension says whether a name ends as an image file's.
func imageExtension(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp":
		return true
	}
	return false
}

// sniffSize is how much of a file's beginning tells what image it is.
const sniffSize = 64

// notImage returns why the file is not an image, or "" when it is one.
func notImage(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	head := make([]byte, sniffSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err.Error()
	}
	if rgb.Sniff(head[:n]) == "" {
		return "not an image (by its content)"
	}
	return ""
}

package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/roll"
	"github.com/betongo/betongo/rgb"
)

// names are the names in one folder, in few allocations, whatever their number.
type names struct {
	blob  []byte
	ends  []int // where each name ends in blob
	order []int // of sorted
}

func (n *names) reset() { n.blob, n.ends = n.blob[:0], n.ends[:0] }

func (n *names) add(name, suffix string) {
	n.blob = append(append(n.blob, name...), suffix...)
	n.ends = append(n.ends, len(n.blob))
}

// at borrows name i.
func (n *names) at(i int) []byte {
	start := 0
	if i > 0 {
		start = n.ends[i-1]
	}
	return n.blob[start:n.ends[i]]
}

// sorted returns the numbers of the names in their byte order.
func (n *names) sorted() []int {
	n.order = n.order[:0]
	for i := range n.ends {
		n.order = append(n.order, i)
	}
	slices.SortFunc(n.order, func(a, b int) int { return bytes.Compare(n.at(a), n.at(b)) })
	return n.order
}

// lister walks class folders. One folder's names are in memory at a time, and
// those of the folders above it.
type lister struct {
	files   *roll.Texts // relative to their class folder
	skipped []Skip      // relative to the folder of class folders

	levels []*names // of the folder being walked and those above it, used again
	class  string   // the class whose folder is walked
	root   string   // that folder
}

// list adds the images of a class, sorted, and returns how many there are.
func (l *lister) list(ctx context.Context, dir, class string) (int, error) {
	l.class, l.root = class, filepath.Join(dir, class)
	n := l.files.Len()
	if err := l.walk(ctx, "", nil); err != nil {
		return 0, fmt.Errorf("list class folder: %w", err)
	}
	return l.files.Len() - n, nil
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
	if len(l.levels) == len(above) {
		l.levels = append(l.levels, &names{})
	}
	found := l.levels[len(above)]
	found.reset()
	if err := l.entries(ctx, found, dir, rel); err != nil {
		return err
	}
	above = append(slices.Clip(above), info)
	// A folder's name has its '/' here, so that this is the order of whole paths.
	for _, i := range found.sorted() {
		name := string(found.at(i))
		if !strings.HasSuffix(name, "/") {
			l.files.Append(rel, name)
		} else if err := l.walk(ctx, rel+name, above); err != nil {
			return err
		}
	}
	return l.files.Err()
}

// entries adds the images directly in dir to found, and its folders with a '/',
// and reports what is neither.
func (l *lister) entries(ctx context.Context, found *names, dir, rel string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch, err := f.ReadDir(readBatch)
		for _, e := range batch {
			l.entry(found, dir, rel, e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// entry adds e to found, or reports it.
func (l *lister) entry(found *names, dir, rel string, e fs.DirEntry) {
	name := e.Name()
	if hidden(name) {
		l.skip(rel+name, reasonHidden)
		return
	}
	path := filepath.Join(dir, name)
	mode, err := follow(path, e)
	switch known := imageExtension(name); {
	case err == nil && mode.IsDir():
		found.add(name, "/")
	case err == nil && !mode.IsRegular():
		l.skip(rel+name, "not a regular file")
	case known:
		// Also a broken link: an image that cannot be read is an error of its
		// sample, never one that goes missing.
		found.add(name, "")
	case err != nil:
		l.skip(rel+name, "broken link: "+err.Error())
	default:
		if why := notImage(path); why != "" {
			l.skip(rel+name, why)
		} else {
			found.add(name, "")
		}
	}
}

func (l *lister) skip(path, reason string) {
	l.skipped = append(l.skipped, Skip{l.class + "/" + path, reason})
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
	f, err := regular.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	head := make([]byte, sniffSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err.Error()
	}
	return notImageHead(head[:n])
}

// notImageHead returns why a file that begins so is not an image, or "".
func notImageHead(head []byte) string {
	if rgb.Sniff(head) == "" {
		return "not an image (by its content)"
	}
	return ""
}

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/roll"
)

// FolderOptions choose how a folder is read. nil and the zero value are the
// defaults.
type FolderOptions struct {
	// Classes fixes the classes and their labels: a class's label is its index
	// here. A class folder that is not among them is an *UnknownClassError; a
	// class without a folder is fine. The default, the folder's own classes, is
	// wrong when several folders (train and validation) must agree.
	Classes []string

	// Masks is a folder with a mask for each image: a file of the same name
	// relative to it, but with the extension .png, and of the same size. The
	// default is no masks.
	Masks string
	Mask  fields.Image // how masks are stored

	// Store is where the folder, or that of the masks, lies when its name is a URL.
	Store Store
}

// UnknownClassError says that a folder holds a class which the given mapping
// does not know.
type UnknownClassError struct {
	Dir   string   // the folder of class folders
	Class string   // the class folder's name
	Known []string // the mapping
}

func (e *UnknownClassError) Error() string {
	return fmt.Sprintf("folder %s: class folder %q is not among the %d known classes (%s)",
		e.Dir, e.Class, len(e.Known), shorten(e.Known))
}

// Folder is a folder of class folders, the layout of torchvision's ImageFolder:
// every folder directly inside is a class, all images below it, at any depth,
// are its samples. A class's label is its index among the sorted class names.
// The fields are "image" and "label", and "mask" when there is a folder of masks.
//
// Samples are ordered by class name, then path, in byte order; a sample's key
// is its path relative to the folder, with '/'. Symbolic links to folders and
// files are followed, but not into a folder that holds the link. Unlike
// torchvision, hidden files and folders (a dot begins their name) are left
// aside and reported.
//
// The images' names are in memory up to a few MiB, beyond that in files in
// os.TempDir, so that the number of images does not count. What does is the
// number of classes, of files left aside, and, while a folder is opened, of
// files in one folder, of which up to 8 are listed at a time.
type Folder struct {
	dir     string
	store   Store  // of what has a URL
	masks   string // the folder of masks, "" for none
	mask    fields.Image
	classes []string
	groups  []group // by class name
	starts  []int   // the number of each group's first sample, and the total
	lists   []roll.Texts
	skipped []Skip
	closed  bool
}

// group is one class with its images, whose names, relative to the class
// folder, follow each other in a list.
type group struct {
	class string
	label int64
	files *roll.Texts
	first int // in files
	count int
}

// OpenFolder lists dir. Files whose extension is an image's are taken without a
// look inside (content that is no image is an error of its sample); others are
// opened and taken when their content is an image's, otherwise reported by
// Skipped. A class folder without any image is an error, as in torchvision.
// Close the folder after its last use.
func OpenFolder(ctx context.Context, dir string, opts *FolderOptions) (*Folder, error) {
	if opts == nil {
		opts = &FolderOptions{}
	}
	f := &Folder{dir: dir, store: opts.Store, masks: opts.Masks, mask: opts.Mask}
	if f.store == nil && (far(dir) || far(f.masks)) {
		return nil, fmt.Errorf("folder %s: a URL, and no store to read it from", dir)
	}
	if f.masks != "" && !far(f.masks) {
		if info, err := os.Stat(f.masks); err != nil {
			return nil, fmt.Errorf("folder of masks: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("folder of masks %s: not a folder", f.masks)
		}
	}
	found, err := f.classFolders(ctx)
	if err != nil {
		return nil, err
	}
	f.classes = slices.Clone(opts.Classes)
	if opts.Classes == nil {
		f.classes = found
	}
	labels := make(map[string]int64, len(f.classes))
	for i, c := range f.classes {
		if _, ok := labels[c]; ok {
			return nil, fmt.Errorf("classes: %q is named twice", c)
		}
		labels[c] = int64(i)
	}
	for _, c := range found {
		label, ok := labels[c]
		if !ok {
			return nil, &UnknownClassError{Dir: dir, Class: c, Known: f.classes}
		}
		f.groups = append(f.groups, group{class: c, label: label})
	}
	if err := f.list(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// classFolders returns the names of the class folders, sorted.
func (f *Folder) classFolders(ctx context.Context) (found []string, err error) {
	files := 0
	if far(f.dir) {
		found, files, err = f.storeClasses(ctx)
	} else {
		found, files, err = f.diskClasses()
	}
	if err != nil {
		return nil, fmt.Errorf("folder of classes: %w", err)
	}
	if len(found) == 0 {
		example := filepath.Join(f.dir, "cat", "1.jpg")
		if far(f.dir) {
			example = strings.TrimSuffix(f.dir, "/") + "/cat/1.jpg"
		}
		return nil, fmt.Errorf("folder %s: no class folders, %d files directly in it; expected a folder for each class with its images inside, such as %s",
			f.dir, files, example)
	}
	slices.Sort(found)
	return found, nil
}

// diskClasses lists a folder on the disk.
func (f *Folder) diskClasses() (found []string, files int, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		name := e.Name()
		if hidden(name) {
			f.skipped = append(f.skipped, Skip{name, reasonHidden})
			continue
		}
		mode, err := follow(filepath.Join(f.dir, name), e)
		switch {
		case err != nil:
			f.skipped = append(f.skipped, Skip{name, "broken link: " + err.Error()})
		case mode.IsDir():
			found = append(found, name)
		default:
			files++
			f.skipped = append(f.skipped, Skip{name, reasonNoClass})
		}
	}
	return found, files, nil
}

// storeClasses lists a folder in a store.
func (f *Folder) storeClasses(ctx context.Context) (found []string, files int, err error) {
	err = f.store.List(ctx, strings.TrimSuffix(f.dir, "/")+"/", false, func(name string, _ int64) error {
		class, isDir := strings.CutSuffix(name, "/")
		switch {
		case class == "": // the object that stands for the folder itself
		case hidden(name):
			f.skipped = append(f.skipped, Skip{class, reasonHidden})
		case isDir:
			found = append(found, class)
		default:
			files++
			f.skipped = append(f.skipped, Skip{name, reasonNoClass})
		}
		return nil
	})
	return found, files, err
}

// listers is how many class folders are listed at the same time: enough to hide
// the latency of a network file system.
const listers = 8

// list lists the class folders. Each lister takes the next one and adds to a
// list of its own; it ends when there is none left or ctx is done.
func (f *Folder) list(ctx context.Context) error {
	f.lists = make([]roll.Texts, min(listers, len(f.groups)))
	skipped := make([][]Skip, len(f.lists))
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for k := range f.lists {
		g.Go(func() error {
			l := lister{files: &f.lists[k]}
			for i := next.Add(1) - 1; i < int64(len(f.groups)); i = next.Add(1) - 1 {
				c := &f.groups[i]
				c.files, c.first = l.files, l.files.Len()
				var err error
				if far(f.dir) {
					c.count, err = l.listStore(ctx, f.store, f.dir, c.class)
				} else {
					c.count, err = l.list(ctx, f.dir, c.class)
				}
				if err != nil {
					return err
				}
			}
			skipped[k] = l.skipped
			return l.files.Seal()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	f.skipped = slices.Concat(append(skipped, f.skipped)...)
	slices.SortFunc(f.skipped, func(a, b Skip) int { return strings.Compare(a.Path, b.Path) })
	return f.number()
}

// number numbers the samples.
func (f *Folder) number() error {
	var empty []string
	total := 0
	for _, c := range f.groups {
		f.starts = append(f.starts, total)
		total += c.count
		if c.count == 0 {
			empty = append(empty, c.class)
		}
	}
	f.starts = append(f.starts, total)
	if len(empty) > 0 {
		return fmt.Errorf("folder %s: no image in class folder %s; expected at least one in each", f.dir, shorten(empty))
	}
	return nil
}

// Close removes what opening the folder kept aside, which nobody may use
// meanwhile. Samples read before stay valid. A second Close does nothing.
func (f *Folder) Close() error {
	f.closed = true
	var errs []error
	for i := range f.lists {
		errs = append(errs, f.lists[i].Close())
	}
	return errors.Join(errs...)
}

// Len returns the number of images.
func (f *Folder) Len() int { return f.starts[len(f.groups)] }

// Classes returns the class names by label. The slice is the folder's own.
func (f *Folder) Classes() []string { return f.classes }

// Skipped returns what was left aside, by path in byte order. The slice is the
// folder's own.
func (f *Folder) Skipped() []Skip { return f.skipped }

// Fields returns "image", stored as JPEG, "label", and "mask" if there are masks.
func (f *Folder) Fields() []Field {
	list := []Field{
		{"image", fields.RGBImage{Mode: fields.ModeJPEG}},
		{"label", fields.Int{}},
	}
	if f.masks != "" {
		list = append(list, Field{"mask", f.mask})
	}
	return list
}

// Sample returns image i as a fields.Path, its label as an int64 and its mask, if
// there are masks, as a fields.Path; of a folder in a store images and masks are
// their files' bytes. The key is the image's path relative to the
// folder, with '/'. An image without mask, or with one of another size, is an
// error that names both files.
func (f *Folder) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if i < 0 || i >= f.Len() {
		return nil, "", fmt.Errorf("folder %s: sample %d of %d", f.dir, i, f.Len())
	}
	if f.closed {
		return nil, "", fmt.Errorf("folder %s: sample %d: %w", f.dir, i, os.ErrClosed)
	}
	k, key, _ := f.entry(i)
	if far(f.dir) || far(f.masks) {
		return f.storeSample(ctx, i)
	}
	image := filepath.Join(f.dir, filepath.FromSlash(key))
	values = []any{fields.Path(image), f.groups[k].label}
	if f.masks != "" {
		mask, err := maskOf(f.masks, image, key)
		if err != nil {
			return nil, key, err
		}
		values = append(values, fields.Path(mask))
	}
	return values, key, nil
}

// entry returns image i's group, its path relative to the folder, and, in a store,
// its size.
func (f *Folder) entry(i int) (k int, key string, size int64) {
	k = sort.SearchInts(f.starts, i+1) - 1
	g := &f.groups[k]
	text := string(g.files.At(g.first + i - f.starts[k]))
	size = -1
	if far(f.dir) {
		text, size = cutSize(text)
	}
	return k, g.class + "/" + text, size
}

// storeSample is Sample where images or masks lie in a store: their bytes are
// read.
func (f *Folder) storeSample(ctx context.Context, i int) ([]any, string, error) {
	k, key, size := f.entry(i)
	image, err := f.read(ctx, f.dir, key, size)
	if err != nil {
		return nil, key, err
	}
	values := []any{image, f.groups[k].label}
	if f.masks == "" {
		return values, key, nil
	}
	name := maskName(key)
	mask, err := f.read(ctx, f.masks, name, maxObject)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, key, fmt.Errorf("image %s: no mask: %w", key, err)
	}
	if err == nil {
		err = sameSize(key, image, name, mask)
	}
	return append(values, mask), key, err
}

// read returns the bytes of a file of at most size bytes, in a store or on the disk.
func (f *Folder) read(ctx context.Context, dir, key string, size int64) ([]byte, error) {
	if size < 0 {
		size = maxObject
	}
	if far(dir) {
		// One that has grown since it was listed is not cut to its size of then.
		return readWhole(ctx, f.store, strings.TrimSuffix(dir, "/")+"/"+key, size)
	}
	return regular.ReadFile(filepath.Join(dir, filepath.FromSlash(key)), size)
}

// follow returns the type of what path, listed as e, is or links to.
func follow(path string, e fs.DirEntry) (fs.FileMode, error) {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type(), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Mode().Type(), nil
}

// hidden says whether a file or folder is hidden by its name.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

const (
	reasonHidden  = "hidden"
	reasonNoClass = "not in a class folder"
)

// shorten writes a list for an error message: all of a short one, the beginning
// of a long one.
func shorten(list []string) string {
	const most = 10
	s := strings.Join(list[:min(len(list), most)], ", ")
	if n := len(list) - most; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

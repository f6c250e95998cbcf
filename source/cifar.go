package source

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/rgb"
)

// CIFAROptions are the choices of OpenCIFAR. Nil and the zero value are the
// defaults.
type CIFAROptions struct {
	// Classes fixes the names of the classes, by label. The default, those of the
	// file batches.meta.txt or fine_label_names.txt beside the data, is none where
	// there is no such file; names that clash with it are an error.
	Classes []string

	// Split is "train" (also "") or "test": which files of a folder or an archive are
	// taken. Files that are named are taken whatever they are.
	Split string

	// Store is where files with URLs lie.
	Store Store
}

// CIFAR are images of CIFAR-10 or CIFAR-100 in the binary version: 32x32 pixels
// each, with one label, or with two (of 100 classes, and of the 20 that they belong
// to). The fields are "image" and "label", and "coarse" of CIFAR-100. Keys are the
// file's name and the record's number in it, such as "data_batch_1.bin:17".
//
// Files are mapped, or read by ranges from a store; a .tar.gz, as the data set comes,
// is unpacked into the folder for temporary files until Close.
type CIFAR struct {
	files   plainFiles
	parts   []part
	starts  []int // the number of each part's first sample, and the total
	labels  int   // bytes of labels of a record
	classes []string
	// Where the classes were found.
	named string
}

// Sides and bytes of a CIFAR image: three planes.
const (
	cifarSide   = 32
	cifarPixels = cifarSide * cifarSide
	cifarImage  = 3 * cifarPixels
)

// cifarClasses are how many classes there are, by the bytes of labels in a record:
// the last byte's.
var cifarClasses = [...]int{1: 10, 2: 100}

// cifarCoarse is how many coarse classes CIFAR-100 has.
const cifarCoarse = 20

// OpenCIFAR opens files of records (.bin), one after another, or a folder or a .tar
// or .tar.gz of them, of which it takes those of the split. All must be of CIFAR-10,
// or all of CIFAR-100, which their sizes tell.
func OpenCIFAR(ctx context.Context, names []string, opts *CIFAROptions) (_ *CIFAR, err error) {
	if opts == nil {
		opts = &CIFAROptions{}
	}
	if len(names) == 0 {
		return nil, errors.New("cifar: no files; expected .bin files, a folder or a .tar.gz of them")
	}
	c := &CIFAR{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cifar: %w", errors.Join(err, c.Close()))
		}
	}()
	split := opts.Split
	if split == "" {
		split = "train"
	}
	if split != "train" && split != "test" {
		return nil, &SpecError{fmt.Errorf("split %q; expected train or test", split)}
	}
	if err := eachOnce(names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := c.open(ctx, name, split, opts.Store); err != nil {
			return nil, err
		}
	}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	if c.classes, err = settleClasses(c.named, c.classes, opts.Classes); err != nil {
		return nil, err
	}
	if n := cifarClasses[c.labels]; c.classes != nil && len(c.classes) != n {
		return nil, fmt.Errorf("%d class names; these files have %d classes", len(c.classes), n)
	}
	return c, nil
}

// cifarPart says whether a file of that name belongs to a split.
func cifarPart(name, split string) bool {
	name = path.Base(name)
	if split == "test" {
		return name == "test_batch.bin" || name == "test.bin"
	}
	ok, _ := path.Match("data_batch_*.bin", name)
	return ok || name == "train.bin"
}

// cifarNames are the files with the names of the classes.
var cifarNames = []string{"batches.meta.txt", "fine_label_names.txt"}

// open adds a file, or those of a folder or an archive.
func (c *CIFAR) open(ctx context.Context, name, split string, st Store) error {
	if !far(name) {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return c.openFolder(ctx, name, split)
		}
	}
	f, err := openPlain(ctx, name, st)
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	if isTar(f.blob) {
		return c.openTar(f, split)
	}
	c.parts = append(c.parts, part{name: path.Base(filepath.ToSlash(shown(name))), size: f.blob.Size(), from: f})
	if far(name) || c.classes != nil {
		return nil
	}
	return c.namesIn(filepath.Dir(name))
}

// openFolder adds the files of a folder, in the order of their names.
func (c *CIFAR) openFolder(ctx context.Context, dir, split string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := 0
	for _, e := range entries { // sorted
		if !cifarPart(e.Name(), split) {
			continue
		}
		found++
		if err := c.open(ctx, filepath.Join(dir, e.Name()), split, nil); err != nil {
			return err
		}
	}
	if found == 0 {
		return fmt.Errorf("folder %s: no files of the split %s; expected data_batch_*.bin and test_batch.bin, or train.bin and test.bin", dir, split)
	}
	return nil
}

// maxNames is how many bytes a file of class names may have.
const maxNames = 1 << 20

// namesIn looks for the names of classes in a folder.
func (c *CIFAR) namesIn(dir string) error {
	for _, name := range cifarNames {
		file := filepath.Join(dir, name)
		text, err := regular.ReadFile(file, maxNames)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		c.classes, c.named = classLines(text), file
		return nil
	}
	return nil
}

// isTar says whether a file looks like a tar archive.
func isTar(b Blob) bool {
	var magic [5]byte
	n, _ := b.ReadAt(magic[:], 257)
	return n == len(magic) && string(magic[:]) == "ustar"
}

// openTar adds the members of an archive, in the order of their names.
func (c *CIFAR) openTar(f *plainFile, split string) error {
	r := io.NewSectionReader(f.blob, 0, f.blob.Size())
	t := tar.NewReader(r)
	var found []part
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(f.name), err)
		}
		off, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		base := path.Base(h.Name)
		switch {
		case h.Typeflag != tar.TypeReg:
		case cifarPart(base, split):
			if h.Size > f.blob.Size()-off {
				return fmt.Errorf("%s: member %s: %d bytes at %d, in a file of %d: cut off", shown(f.name), h.Name, h.Size, off, f.blob.Size())
			}
			found = append(found, part{name: base, off: off, size: h.Size, from: f})
		case slices.Contains(cifarNames, base) && h.Size <= maxNames:
			text, err := io.ReadAll(t)
			if err != nil {
				return fmt.Errorf("%s: member %s: %w", shown(f.name), h.Name, err)
			}
			c.classes, c.named = classLines(text), shown(f.name)+": "+h.Name
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("%s: an archive without files of the split %s; expected data_batch_*.bin and test_batch.bin, or train.bin and test.bin", shown(f.name), split)
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].name < found[j].name })
	c.parts = append(c.parts, found...)
	return nil
}

// settle finds which of the two data sets it is, and numbers the samples.
func (c *CIFAR) settle(ctx context.Context) error {
	total := 0
	for i := range c.parts {
		p := &c.parts[i]
		labels, err := p.cifarLabels(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if i == 0 {
			c.labels = labels
		}
		if labels != c.labels {
			return fmt.Errorf("%s has %d labels a record, %s has %d; expected all of CIFAR-10 or all of CIFAR-100", p.name, labels, c.parts[0].name, c.labels)
		}
		c.starts = append(c.starts, total)
		total += int(p.size / int64(labels+cifarImage))
	}
	c.starts = append(c.starts, total)
	return nil
}

// cifarLabels returns how many bytes of labels a record of the file has.
func (p *part) cifarLabels(ctx context.Context) (int, error) {
	fits := func(labels int) bool {
		n := int64(labels + cifarImage)
		if p.size == 0 || p.size%n != 0 {
			return false
		}
		for i := range min(p.size/n, 16) {
			b, err := p.bytes(ctx, i*n, int64(labels))
			if err != nil || cifarCheck(b) != nil {
				return false
			}
		}
		return true
	}
	ten, hundred := fits(1), fits(2)
	switch {
	case ten && !hundred:
		return 1, nil
	case hundred && !ten:
		return 2, nil
	case ten:
		return 0, fmt.Errorf("%d bytes: records of CIFAR-10 as well as of CIFAR-100", p.size)
	}
	if strings.HasSuffix(p.name, ".py") || !strings.HasSuffix(p.name, ".bin") {
		return 0, fmt.Errorf("%d bytes that are no records of %d bytes (CIFAR-10) or %d (CIFAR-100) with their labels; expected the binary version, a pickle of Python is not read", p.size, 1+cifarImage, 2+cifarImage)
	}
	return 0, fmt.Errorf("%d bytes that are no records of %d bytes (CIFAR-10) or %d (CIFAR-100) with their labels", p.size, 1+cifarImage, 2+cifarImage)
}

// cifarCheck finds labels that can't be.
func cifarCheck(labels []byte) error {
	last := labels[len(labels)-1]
	if most := cifarClasses[len(labels)]; int(last) >= most {
		return fmt.Errorf("label %d; expected 0 to %d", last, most-1)
	}
	if len(labels) == 2 && labels[0] >= cifarCoarse {
		return fmt.Errorf("coarse label %d; expected 0 to %d", labels[0], cifarCoarse-1)
	}
	return nil
}

// Len returns the number of images.
func (c *CIFAR) Len() int { return c.starts[len(c.parts)] }

// Classes returns the class names by label, nil if nothing names them. The slice is
// the source's own.
func (c *CIFAR) Classes() []string { return c.classes }

// Fields returns "image", stored raw, and "label", and of CIFAR-100 "coarse".
func (c *CIFAR) Fields() []Field {
	list := []Field{{"image", fields.RGBImage{Mode: fields.ModeRaw}}, {"label", fields.Int{}}}
	if c.labels == 2 {
		list = append(list, Field{"coarse", fields.Int{}})
	}
	return list
}

// Sample returns image i as an rgb.Image, and its labels as int64.
func (c *CIFAR) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if i < 0 || i >= c.Len() {
		return nil, "", fmt.Errorf("cifar: sample %d of %d", i, c.Len())
	}
	k := sort.SearchInts(c.starts, i+1) - 1
	p := &c.parts[k]
	i -= c.starts[k]
	key = fmt.Sprintf("%s:%d", p.name, i)
	size := int64(c.labels + cifarImage)
	b, err := p.bytes(ctx, int64(i)*size, size)
	if err != nil {
		return nil, key, fmt.Errorf("cifar: %s: record %d: %w", p.name, i, err)
	}
	labels, planes := b[:c.labels], b[c.labels:]
	if err := cifarCheck(labels); err != nil {
		return nil, key, fmt.Errorf("cifar: %s: record %d at byte %d: %w", p.name, i, int64(i)*size, err)
	}
	img := rgb.Image{Width: cifarSide, Height: cifarSide, Pix: make([]byte, cifarImage)}
	for j := range cifarPixels {
		img.Pix[3*j], img.Pix[3*j+1], img.Pix[3*j+2] = planes[j], planes[cifarPixels+j], planes[2*cifarPixels+j]
	}
	values = []any{img, int64(labels[c.labels-1])}
	if c.labels == 2 {
		values = append(values, int64(labels[0]))
	}
	return values, key, nil
}

// Identity looks at every file: name, size, time of change, some of its bytes.
func (c *CIFAR) Identity(ctx context.Context) ([]Trait, error) {
	list, err := c.files.identity(ctx)
	return append(list, c.trait()), err
}

// Traits are those of Identity that another copy of the files has too.
func (c *CIFAR) Traits(ctx context.Context) ([]Trait, error) {
	list, err := c.files.traits(ctx)
	return append(list, c.trait()), err
}

func (c *CIFAR) trait() Trait {
	var names []string
	for _, p := range c.parts {
		names = append(names, p.name)
	}
	return Trait{"records", fmt.Sprintf("%d with %d labels, of %s", c.Len(), c.labels, strings.Join(names, ", "))}
}

// Files returns "": Traits have looked at the files already.
func (c *CIFAR) Files(context.Context, int, func(int) int) (string, error) { return "", nil }

// Close closes the files. Nobody may use the source meanwhile. A second Close does
// nothing.
func (c *CIFAR) Close() error { return c.files.close() }

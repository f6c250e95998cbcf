package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/roll"
)

// YOLOOptions are the choices of OpenYOLO. Nil and the zero value are the defaults.
type YOLOOptions struct {
	// Split is which images are taken, by the name that data.yaml has for them; "" is
	// "train".
	Split string

	// Boxes says what boxes and masks become.
	Boxes BoxOptions

	// Classes are the names of the classes, by label. The default is those of
	// data.yaml; others than they are an error.
	Classes []string

	// Store is where the data set lies when its name is a URL.
	Store Store
}

// YOLO are images with boxes as Ultralytics' YOLO has them: below a folder "images"
// the images, and for each a file of the same name below the folder "labels" beside
// it, ending in .txt, with a line "class cx cy w h" for each box, or "class x y x y …"
// for the corners of a polygon, in shares of the image's width and height. An image
// without such a file, or with an empty one, has no boxes. Lines that come twice in a
// file count once, as there. The fields are "image" and "boxes" (BoxOptions), and
// "mask" if there are masks, which need polygons, and "count", how many boxes there are.
//
// Samples are in the order of the folders, and in them by path in byte order; the key
// is an image's path relative to the data set. Names are kept as those of a Folder are.
type YOLO struct {
	root    string // of the data set
	opts    YOLOOptions
	dirs    []yoloFolder
	lists   []roll.Texts // of dirs
	starts  []int        // the number of each folder's first sample, and the total
	classes []string
	skipped []Skip
	points  bool // lines have key points behind the box
	closed  bool
}

// yoloFolder is a folder of images, and that of their labels.
type yoloFolder struct{ images, labels string }

// maxLabels is how many bytes a file of labels may have.
const maxLabels = 64 << 20

// OpenYOLO reads a data.yaml, or the one in a folder, and lists the images of the
// split. A folder may also have no data.yaml but images/SPLIT and labels/SPLIT, or
// SPLIT/images and SPLIT/labels. Close it after its last use.
func OpenYOLO(ctx context.Context, name string, opts *YOLOOptions) (_ *YOLO, err error) {
	y := &YOLO{}
	if opts != nil {
		y.opts = *opts
	}
	if y.opts.Split == "" {
		y.opts.Split = "train"
	}
	if err := y.opts.Boxes.settle("label"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("yolo: %s: %w", shown(name), errors.Join(err, y.Close()))
		}
	}()
	data, err := y.read(ctx, name)
	if err != nil {
		return nil, err
	}
	if y.classes, err = settleClasses(shown(name), data.classes, y.opts.Classes); err != nil {
		return nil, err
	}
	y.points = data.points
	if err := y.folders(data); err != nil {
		return nil, err
	}
	if err := y.list(ctx); err != nil {
		return nil, err
	}
	return y, y.opts.Boxes.settleMask(len(y.classes))
}

// read finds and reads the data.yaml, if there is one.
func (y *YOLO) read(ctx context.Context, name string) (data yoloData, err error) {
	text := []byte(nil)
	if ext := path.Ext(shown(name)); ext == ".yaml" || ext == ".yml" {
		y.root = join(name, "..")
		text, err = y.file(ctx, name, maxYAML)
		if err != nil {
			return data, err
		}
		return parseYOLO(text)
	}
	y.root = name
	for _, base := range []string{"data.yaml", "dataset.yaml", "data.yml"} {
		text, err = y.file(ctx, join(name, base), maxYAML)
		if err == nil {
			if data, err = parseYOLO(text); err != nil {
				err = fmt.Errorf("%s: %w", base, err)
			}
			return data, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return data, nil
}

// file reads a file of the data set.
func (y *YOLO) file(ctx context.Context, name string, most int64) ([]byte, error) {
	if !far(name) {
		return regular.ReadFile(name, most)
	}
	if y.opts.Store == nil {
		return nil, errors.New("a URL, and no store to read it from")
	}
	return readWhole(ctx, y.opts.Store, name, most)
}

// folders settles which folders the split has.
func (y *YOLO) folders(data yoloData) error {
	split := y.opts.Split
	if strings.ContainsAny(split, `/\`) || split == ".." {
		return &SpecError{fmt.Errorf("split %q; expected a name such as train or val", split)}
	}
	paths := data.splits[split]
	if data.splits != nil && paths == nil {
		var have []string
		for s := range data.splits {
			have = append(have, s)
		}
		slices.Sort(have)
		return fmt.Errorf("no split %q; data.yaml has %s", split, strings.Join(have, ", "))
	}
	if paths == nil {
		paths = []string{"images/" + split}
		if !far(y.root) && !isFolder(join(y.root, paths[0])) {
			paths = []string{split + "/images"}
		}
	}
	root := y.root
	// Relative to the file; what it says is often the place on another machine.
	switch {
	case far(data.path), filepath.IsAbs(data.path) && !far(root):
		root = data.path
	case data.path != "" && !filepath.IsAbs(data.path) && !path.IsAbs(data.path):
		if at := join(root, data.path); far(root) || isFolder(at) {
			root = at
		}
	}
	for _, p := range paths {
		dir := p
		if !far(p) && !filepath.IsAbs(p) {
			dir = join(root, p)
			if up, ok := strings.CutPrefix(p, "../"); ok && !far(root) && !isFolder(dir) {
				dir = join(root, up) // as exports of Roboflow have it
			}
		}
		labels, err := labelFolder(dir)
		if err != nil {
			return err
		}
		y.dirs = append(y.dirs, yoloFolder{dir, labels})
	}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// labelFolder is the folder of labels of a folder of images: the last part of its path
// that is called images is labels there.
func labelFolder(dir string) (string, error) {
	text := filepath.ToSlash(dir)
	parts := strings.Split(text, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "images" {
			parts[i] = "labels"
			out := strings.Join(parts, "/")
			if !far(dir) {
				out = filepath.FromSlash(out)
			}
			return out, nil
		}
	}
	return "", fmt.Errorf(`folder of images %s: no part of its path is "images", which is "labels" for the labels; expected such as images/train`, shown(dir))
}

// list lists the images.
func (y *YOLO) list(ctx context.Context) error {
	y.lists = make([]roll.Texts, len(y.dirs))
	total := 0
	for i, d := range y.dirs {
		l := lister{files: &y.lists[i]}
		n, err := 0, error(nil)
		if far(d.images) {
			if y.opts.Store == nil {
				return errors.New("a URL, and no store to read it from")
			}
			n, err = l.listStore(ctx, y.opts.Store, join(d.images, ".."), path.Base(d.images))
		} else if !isFolder(d.images) {
			return fmt.Errorf("folder of images %s: not there, or no folder", d.images)
		} else {
			n, err = l.list(ctx, filepath.Dir(d.images), filepath.Base(d.images))
		}
		if err == nil {
			err = y.lists[i].Seal()
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("folder of images %s: no images", shown(d.images))
		}
		y.skipped = append(y.skipped, l.skipped...)
		y.starts = append(y.starts, total)
		total += n
	}
	y.starts = append(y.starts, total)
	return nil
}

// Len returns the number of images.
func (y *YOLO) Len() int { return y.starts[len(y.dirs)] }

// Classes returns the class names by label, nil if nothing names them. The slice is
// the source's own.
func (y *YOLO) Classes() []string { return y.classes }

// Skipped returns what was left aside in the folders of images. The slice is the
// source's own.
func (y *YOLO) Skipped() []Skip { return y.skipped }

// Fields returns "image", "boxes", "mask" if there are masks, and "count".
func (y *YOLO) Fields() []Field { return append(y.opts.Boxes.fields(), Field{"count", fields.Int{}}) }

// entry returns image i's folders, its path in them, its size or -1, and its key.
func (y *YOLO) entry(i int) (d yoloFolder, name string, size int64, key string, err error) {
	if y.closed {
		return d, "", 0, "", fmt.Errorf("yolo: %s: %w", shown(y.root), os.ErrClosed)
	}
	if i < 0 || i >= y.Len() {
		return d, "", 0, "", fmt.Errorf("yolo: %s: sample %d of %d", shown(y.root), i, y.Len())
	}
	k := sort.SearchInts(y.starts, i+1) - 1
	d = y.dirs[k]
	name, size = string(y.lists[k].At(i-y.starts[k])), -1
	if far(d.images) {
		name, size = cutSize(name)
	}
	key = name
	if far(d.images) {
		if rel, ok := strings.CutPrefix(d.images, strings.TrimSuffix(y.root, "/")+"/"); ok {
			key = rel + "/" + name
		}
	} else if rel, err := filepath.Rel(y.root, d.images); err == nil && filepath.IsLocal(rel) {
		key = path.Join(filepath.ToSlash(rel), name)
	}
	return d, name, size, key, nil
}

// Sample returns image i as a fields.Path, or its file's bytes from a store, its boxes
// as bytes, its mask as an array.Array, and how many boxes there are. The key is its path relative to the data
// set, with '/'.
func (y *YOLO) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	d, name, _, key, err := y.entry(i)
	if err != nil {
		return nil, "", err
	}
	image, width, height, err := imageIn(ctx, d.images, name, y.opts.Store)
	if err != nil {
		return nil, key, err
	}
	file := join(d.labels, strings.TrimSuffix(name, path.Ext(name))+".txt")
	text, err := y.file(ctx, file, maxLabels)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, key, err
	}
	boxes, err := y.boxes(text, width, height)
	if err != nil {
		return nil, key, fmt.Errorf("%s: %w", shown(file), err)
	}
	values, err = y.opts.Boxes.values(image, boxes, width, height)
	if err != nil {
		return nil, key, fmt.Errorf("image %s: %w", key, err)
	}
	return append(values, y.opts.Boxes.count(values[1])), key, nil
}

// boxes reads a file of labels, of an image of that size.
func (y *YOLO) boxes(text []byte, width, height int) ([]box, error) {
	var list []box
	seen := map[string]bool{}
	for n := 1; len(text) > 0; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		words := strings.Fields(string(line))
		if len(words) == 0 {
			continue
		}
		if again := strings.Join(words, " "); seen[again] {
			continue
		} else {
			seen[again] = true
		}
		b, err := y.box(words, width, height)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, b)
	}
	return list, nil
}

// slack is by how much a share may lie outside of the image, by which rounding is
// forgiven; the box is cut off there.
const slack = 0.01

// box reads a line.
func (y *YOLO) box(words []string, width, height int) (b box, err error) {
	label, err := strconv.ParseFloat(words[0], 64)
	if err != nil || label != math.Trunc(label) || label < 0 || label >= math.MaxInt32 {
		return b, fmt.Errorf("class %q; expected a whole number from 0 on", words[0])
	}
	if b.label, b.category = int(label), int64(label); y.classes != nil && b.label >= len(y.classes) {
		return b, fmt.Errorf("class %d; there are %d classes", b.label, len(y.classes))
	}
	words = words[1:]
	if y.points && len(words) > 4 {
		words = words[:4] // key points stand behind the box
	}
	if len(words) != 4 && (len(words) < 6 || len(words)%2 != 0) {
		return b, fmt.Errorf("%d numbers behind the class; expected cx cy w h, or x and y of 3 corners or more", len(words))
	}
	at := make([]float64, len(words))
	for i, w := range words {
		if at[i], err = strconv.ParseFloat(w, 64); err != nil || !(at[i] >= -slack && at[i] <= 1+slack) {
			return b, fmt.Errorf("%q; expected a share of the image's side, 0 to 1", w)
		}
	}
	w, h := float64(width), float64(height)
	if len(at) == 4 {
		if y.opts.Boxes.Mask != "" {
			return b, errors.New("a box; masks need polygons")
		}
		if at[2] <= 0 || at[3] <= 0 {
			return b, fmt.Errorf("a box of %gx%g", at[2], at[3])
		}
		b.x0, b.y0, b.x1, b.y1 = (at[0]-at[2]/2)*w, (at[1]-at[3]/2)*h, (at[0]+at[2]/2)*w, (at[1]+at[3]/2)*h
	} else {
		b.around(at, w, h)
	}
	b.x0, b.y0, b.x1, b.y1 = max(0, b.x0), max(0, b.y0), min(w, b.x1), min(h, b.y1)
	if b.x0 > b.x1 || b.y0 > b.y1 { // by as little as is forgiven
		return b, errors.New("a box outside of the image")
	}
	return b, nil
}

// around makes the box of a polygon, in shares of an image of that size.
func (b *box) around(at []float64, w, h float64) {
	b.x0, b.y0, b.x1, b.y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	p := make([]float64, len(at))
	for i := 0; i < len(at); i += 2 {
		p[i], p[i+1] = at[i]*w, at[i+1]*h
		b.x0, b.x1 = min(b.x0, p[i]), max(b.x1, p[i])
		b.y0, b.y1 = min(b.y0, p[i+1]), max(b.y1, p[i+1])
	}
	n := len(p)
	for i := 0; i < n; i += 2 {
		b.area += p[i]*p[(i+3)%n] - p[(i+2)%n]*p[i+1]
	}
	b.area = math.Abs(b.area) / 2
	b.polygons = [][]float64{p}
}

// SampleSize returns how many bytes image i's file has, without reading it; 0 for one
// that is not there.
func (y *YOLO) SampleSize(ctx context.Context, i int) (int64, error) {
	d, name, size, _, err := y.entry(i)
	if err != nil || size >= 0 {
		return size, err
	}
	return imageSize(ctx, d.images, name, y.opts.Store)
}

// Identity looks at every image and its labels: names, sizes, times of change; in a
// store names and sizes.
func (y *YOLO) Identity(ctx context.Context) ([]Trait, error) {
	list, err := y.Traits(ctx)
	if err != nil {
		return nil, err
	}
	files, err := y.look(ctx, y.Len(), func(k int) int { return k }, false)
	return append(list, Trait{"files", files}), err
}

// Traits tell the names of all images, and how they are read.
func (y *YOLO) Traits(ctx context.Context) ([]Trait, error) {
	var names nameSum
	for i := range y.Len() {
		_, _, _, key, err := y.entry(i)
		if err == nil && i%4096 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		names.add(key)
	}
	o := y.opts.Boxes
	return []Trait{
		{"images", fmt.Sprintf("%d of the split %s, sum of names %s", y.Len(), y.opts.Split, names.String())},
		{"boxes", fmt.Sprintf("%s, %q, mask %q of %d bits, images of at most %d", o.Format, o.Columns, o.Mask, o.MaskBits, o.MaxResolution)},
	}, nil
}

// Files looks at the files of n samples, those whose numbers at gives, and returns a
// sum over their names and sizes, of labels too.
func (y *YOLO) Files(ctx context.Context, n int, at func(k int) int) (string, error) {
	return y.look(ctx, n, at, true)
}

func (y *YOLO) look(ctx context.Context, n int, at func(k int) int, timeless bool) (string, error) {
	images, labels := listing{timeless: timeless}, listing{timeless: timeless}
	err := each(ctx, n, func(k int) error {
		i := at(k)
		d, name, _, key, err := y.entry(i)
		if err == nil {
			err = lookAt(ctx, &images, i, d.images, name, y.opts.Store)
		}
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(name, path.Ext(name)) + ".txt"
		if !far(d.labels) {
			labels.file(i, key, join(d.labels, text))
			return nil
		}
		return labels.object(ctx, y.opts.Store, i, key, join(d.labels, text))
	})
	return "images: " + images.String() + "; labels: " + labels.String(), err
}

// Close removes what opening it kept aside. Nobody may use the source meanwhile. A
// second Close does nothing.
func (y *YOLO) Close() error {
	y.closed = true
	var errs []error
	for i := range y.lists {
		errs = append(errs, y.lists[i].Close())
	}
	return errors.Join(errs...)
}

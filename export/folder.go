package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/fields"
)

const (
	classesName  = "classes.txt"
	metadataName = "metadata.jsonl"
)

// folder writes class folders. Where pictures are the only field with files, the
// class folders are the target's own; otherwise each field with files has a folder
// with them.
type folder struct {
	e       *exporter
	plan    *plan
	files   []int         // columns with files
	dirs    []string      // of each of these, with '/' at its end, "" the target
	members []string      // of each of these, the member of metadata.jsonl with its path
	classes []string      // folders by label; nil: there are no labels, or labels that are no indices
	used    map[int64]int // samples of a label
	names   *names
	lines   file // metadata.jsonl; nil: none
	line    []byte
}

func newFolder(e *exporter) (*folder, error) {
	f := &folder{e: e, plan: e.plan, used: map[int64]int{}, names: &names{plan: e.plan, folded: true}}
	for k := range f.plan.columns {
		if f.plan.columns[k].files() {
			f.files = append(f.files, k)
		}
	}
	if err := f.layout(); err != nil {
		return nil, err
	}
	if f.plan.label < 0 {
		return f, nil
	}
	if f.plan.classes == nil {
		return f, f.number()
	}
	for _, class := range f.plan.classes {
		f.classes = append(f.classes, component(class))
	}
	return f, nil
}

// layout finds out where each field's files go.
func (f *folder) layout() error {
	if len(f.files) == 1 && f.plan.columns[f.files[0]].kind <= kindRaster {
		f.dirs = []string{""}
		return nil
	}
	for _, k := range f.files {
		name := component(f.plan.columns[k].name)
		if name == "" {
			name = fmt.Sprintf("field%d", f.plan.columns[k].field)
		}
		if err := f.e.to.mkdir(name); errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: field %q: the folder %q is another field's; export one of them at a time", f.plan.ds.Name(), f.plan.columns[k].name, name)
		} else if err != nil {
			return err
		}
		f.dirs = append(f.dirs, name+"/")
	}
	return nil
}

// nameMembers finds the members of metadata.jsonl that hold files' paths. Hugging
// Face's imagefolder takes what ends in file_name for pictures.
func (f *folder) nameMembers() error {
	for _, k := range f.files {
		name := f.plan.columns[k].name + "_path"
		if k == f.plan.picture {
			name = "file_name"
		} else if f.plan.columns[k].kind <= kindRaster {
			name = f.plan.columns[k].name + "_file_name"
		}
		for _, c := range f.plan.columns {
			if !c.files() && c.name == name {
				return fmt.Errorf("%s: field %q: the path of field %q has that name in %s; export one of them at a time (Fields)", f.plan.ds.Name(), name, f.plan.columns[k].name, metadataName)
			}
		}
		f.members = append(f.members, name)
	}
	return nil
}

// maxNumbered is how many class folders are named by numbers, with as many digits
// each as the largest one has.
const maxNumbered = 1 << 20

// number names classes without names by their labels.
func (f *folder) number() error {
	if f.plan.ds.Len() == 0 {
		return nil
	}
	lo, hi, err := f.plan.labelRange()
	if err != nil {
		return err
	}
	if lo < 0 || hi >= maxNumbered {
		if f.e.opts.Label == "" && f.plan.columns[f.plan.label].name != "label" {
			f.plan.label = -1 // numbers, which only happened to be the only ones
		}
		return nil
	}
	width := len(strconv.FormatInt(hi, 10))
	for i := range hi + 1 {
		f.classes = append(f.classes, fmt.Sprintf("%0*d", width, i))
	}
	return nil
}

// class returns the folder of a sample's class.
func (f *folder) class(r *record) (string, error) {
	if f.plan.label < 0 {
		return "", nil
	}
	dir := strconv.FormatInt(r.label, 10)
	if r.label >= 0 && r.label < int64(len(f.classes)) {
		if dir = f.classes[r.label]; dir == "" {
			return "", f.plan.bad(r, "", fmt.Errorf("class %d has no name, and no folder by it", r.label))
		}
	} else if f.used[r.label] == 0 && slices.Contains(f.classes, dir) {
		return "", f.plan.bad(r, "", fmt.Errorf("label %d, which has no class; and its folder %q is that of class %d", r.label, dir, slices.Index(f.classes, dir)))
	}
	if f.used[r.label]++; f.used[r.label] > 1 {
		return dir, nil
	}
	for k := range f.dirs {
		if err := f.e.to.mkdir(f.dirs[k] + dir); errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("%s: class %q: a folder of that name is there for another class, whose name differs in case perhaps", f.plan.ds.Name(), dir)
		} else if err != nil {
			return "", err
		}
	}
	return dir, nil
}

// add finds the names of a sample's files, and writes its line.
func (f *folder) add(ctx context.Context, r *record) error {
	dir, err := f.class(r)
	if err != nil {
		return err
	}
	stem := r.stem
	if dir != "" && !strings.HasPrefix(stem, dir+"/") {
		stem = dir + "/" + stem
	}
	r.paths = r.paths[:0]
	for k, c := range f.files {
		v := &r.values[c]
		ext := "." + v.ext
		if f.plan.picture == c && fits(r.ext, v.ext) {
			ext = r.ext
		}
		r.paths = append(r.paths, f.dirs[k]+stem+ext)
	}
	if len(f.files) == 1 {
		stem = r.paths[0]
	}
	if len(f.files) > 0 {
		if err := f.names.add(r, stem); err != nil {
			return err
		}
	}
	if f.lines == nil && !f.needsLines() {
		return nil
	}
	return f.describe(ctx, r)
}

// needsLines says whether class folders alone don't tell all.
func (f *folder) needsLines() bool {
	if f.e.opts.Metadata || len(f.files) != 1 || f.dirs[0] != "" {
		return true
	}
	rest := len(f.plan.columns) - 1
	if f.plan.label >= 0 {
		rest--
	}
	return rest > 0
}

// describe writes a sample's line of metadata.jsonl.
func (f *folder) describe(ctx context.Context, r *record) (err error) {
	if f.lines == nil {
		if err = f.nameMembers(); err != nil {
			return err
		}
		if f.lines, err = f.e.to.create(ctx, metadataName); err != nil {
			return err
		}
	}
	b := append(f.line[:0], '{')
	for k, path := range r.paths {
		b = member(b, f.members[k])
		if b, err = fields.AppendJSON(b, path); err != nil {
			return err
		}
	}
	for k := range r.values {
		c, v := &f.plan.columns[k], &r.values[k]
		if c.files() {
			continue
		}
		b = member(b, c.name)
		switch c.kind {
		case kindInt:
			b = strconv.AppendInt(b, v.n, 10)
		case kindFloat:
			b = appendFloat(b, v.x)
		case kindJSON:
			at := len(b)
			b = append(b, v.data...)
			for i := range b[at:] {
				if b[at+i] == '\n' || b[at+i] == '\r' { // between tokens, as it can't be elsewhere
					b[at+i] = ' '
				}
			}
		}
	}
	f.line = append(b, "}\n"...)
	_, err = f.lines.Write(f.line)
	return err
}

// member appends a member's name.
func member(b []byte, name string) []byte {
	if len(b) > 1 {
		b = append(b, ", "...)
	}
	b = strconv.AppendQuoteToASCII(b, name) // ASCII without control characters: the plan has looked
	return append(b, ": "...)
}

// appendFloat appends a number as Python's json does: it reads back to the bit, but
// for what a NaN may carry.
func appendFloat(b []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(b, "NaN"...)
	case math.IsInf(x, 1):
		return append(b, "Infinity"...)
	case math.IsInf(x, -1):
		return append(b, "-Infinity"...)
	}
	at := len(b)
	b = strconv.AppendFloat(b, x, 'g', -1, 64)
	if !bytes.ContainsAny(b[at:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

// write writes the files of a batch's samples.
func (f *folder) write(ctx context.Context, b *batch) error {
	for i := range b.n {
		r := &b.records[i]
		if r.err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for k, path := range r.paths {
			err := f.e.to.put(ctx, path, r.values[f.files[k]].data)
			if errors.Is(err, fs.ErrExist) {
				err = errors.Join(fmt.Errorf("the file %q is there already, of another sample, whose name differs in case perhaps", path), err)
			}
			if err != nil {
				return f.plan.bad(r, "", err)
			}
		}
	}
	return nil
}

func (f *folder) drop() error {
	if f.lines == nil {
		return nil
	}
	return f.lines.drop()
}

// close writes the classes.
func (f *folder) close(ctx context.Context) error {
	if lines := f.lines; lines != nil {
		f.lines = nil
		if err := lines.close(); err != nil {
			return err
		}
	}
	if f.names.alike != "" {
		f.e.opts.Warn(fmt.Sprintf("%s differs from another sample's in case only: the folder can't be copied to systems that do not tell the two", f.names.alike))
	}
	f.warnOrder()
	return f.e.putClasses(ctx, f.classes)
}

// warnOrder says where torchvision's numbers are not the labels.
func (f *folder) warnOrder() {
	var used []string
	var without []int64
	for label := range f.used {
		if label < 0 || label >= int64(len(f.classes)) {
			without = append(without, label)
			continue
		}
		used = append(used, f.classes[label])
	}
	slices.Sort(used)
	slices.Sort(without)
	if n := len(without); n == 1 {
		f.e.opts.Warn(fmt.Sprintf("label %d has no class: its folder is called by the number", without[0]))
	} else if n > 1 {
		f.e.opts.Warn(fmt.Sprintf("%d labels, %d to %d, have no class: their folders are called by the number", n, without[0], without[n-1]))
	}
	for i, class := range used {
		if i >= len(f.classes) || f.classes[i] != class {
			f.e.opts.Warn(fmt.Sprintf("ImageFolder numbers the class folders in the order of their names, so that class %q is %d there and %d here: %s has the labels' order",
				class, i, slices.Index(f.classes, class), classesName))
			return
		}
	}
}

// putClasses writes the names of classes, a line each, if they can be written so.
func (e *exporter) putClasses(ctx context.Context, classes []string) error {
	if len(classes) == 0 {
		return nil
	}
	known := make(map[string]bool, len(classes))
	for i, class := range classes {
		if class == "" || strings.ContainsAny(class, "\r\n\x00") || known[class] {
			e.opts.Warn(fmt.Sprintf("no %s: the name of class %d, %q, can't stand on a line of its own there", classesName, i, class))
			return nil
		}
		known[class] = true
	}
	return e.to.put(ctx, classesName, []byte(strings.Join(classes, "\n")+"\n"))
}

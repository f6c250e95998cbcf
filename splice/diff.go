package splice

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// DiffOptions say how Diff compares. Nil and the zero value of every member are
// the defaults.
type DiffOptions struct {
	// ByKey compares the samples of the same name rather than of the same number.
	// Samples without a name, and all but the first of several with one, are
	// compared with the other file's of the same number.
	ByKey bool
	// Report is told every difference, in the order of the first file; nil nobody.
	Report func(Difference)
}

// Difference is one thing in which two files differ.
type Difference struct {
	// What is "page size", "number of samples", "fields", "classes", "section",
	// "key" (a sample's name), "sample" (there in one file only) or "value".
	What   string
	Field  string // of a value; "" none
	Key    string // of the sample, where samples are compared by their names
	Sample [2]int // in the files; -1 none
	Text   string // what the one has, and what the other
}

func (d *Difference) String() string {
	var b bytes.Buffer
	switch {
	case d.Sample[0] >= 0 && d.Sample[1] >= 0 && d.Sample[0] != d.Sample[1]:
		fmt.Fprintf(&b, "sample %d and %d: ", d.Sample[0], d.Sample[1])
	case max(d.Sample[0], d.Sample[1]) >= 0:
		fmt.Fprintf(&b, "sample %d: ", max(d.Sample[0], d.Sample[1]))
	}
	if d.Key != "" {
		fmt.Fprintf(&b, "%q: ", d.Key)
	}
	if d.Field != "" {
		fmt.Fprintf(&b, "field %q: ", d.Field)
	}
	if d.What != "value" {
		b.WriteString(d.What + ": ")
	}
	b.WriteString(d.Text)
	return b.String()
}

// DiffReport is how much two files differ.
type DiffReport struct {
	Differences int64 // in all
	Samples     int64 // that were compared
	Differing   int64 // of them, with a value or a name that differs
	OnlyA       int64 // samples that only the first file has
	OnlyB       int64
}

// Diff compares what two files hold: page size, number of samples, fields,
// class names, the samples' names and values, and the sections of other
// packages. Values are compared as they are stored, byte by byte; those of custom
// fields that are stored otherwise are compared as decoded. Where the bytes lie,
// the table, checkpoints and checksums are not compared. Checksums take no work
// off it either: of two values with the same one nothing but their bytes says
// that they are the same, and a checksum tells what was written, not what is
// there.
//
// Memory does not depend on the number of samples. An error is one of reading:
// a value that cannot be read in one of the files is one too.
func Diff(ctx context.Context, a, b *ffcv.File, opts *DiffOptions) (*DiffReport, error) {
	d := &differ{files: [2]*ffcv.File{a, b}}
	if opts != nil {
		d.o = *opts
	}
	if err := guard(a, func() error { return guard(b, func() error { return d.run(ctx) }) }); err != nil {
		return nil, err
	}
	return &d.r, nil
}

// differ is one run of Diff.
type differ struct {
	files  [2]*ffcv.File
	o      DiffOptions
	r      DiffReport
	all    [2][]ffcv.Field
	common [][2]int  // fields that both have alike
	read   [2][]byte // for what cannot be borrowed
	bufs   [2][]byte // for values of several regions
	rows   [2][]byte
	meta   [2][]byte
	list   [2][]fields.Region
}

// note reports a difference.
func (d *differ) note(x Difference) {
	if d.r.Differences++; d.o.Report != nil {
		d.o.Report(x)
	}
}

// file notes a difference of the files as a whole.
func (d *differ) file(what, format string, args ...any) {
	d.note(Difference{What: what, Sample: [2]int{-1, -1}, Text: fmt.Sprintf(format, args...)})
}

func (d *differ) run(ctx context.Context) error {
	a, b := d.files[0], d.files[1]
	for _, f := range d.files {
		if _, err := f.Rows(0, 0, nil); err != nil {
			return err // a custom field that nothing describes
		}
	}
	if x, y := a.Header().PageSize, b.Header().PageSize; x != y {
		d.file("page size", "%d, %d", x, y)
	}
	if x, y := a.Len(), b.Len(); x != y {
		d.file("number of samples", "%d, %d", x, y)
	}
	d.fields()
	if x, y := a.Classes(), b.Classes(); !slices.Equal(x, y) {
		d.classes(x, y)
	}
	if err := d.sections(); err != nil {
		return err
	}
	return d.samples(ctx)
}

// fields compares the fields, and finds those whose values can be compared.
func (d *differ) fields() {
	x, y := d.files[0].Fields(), d.files[1].Fields()
	d.all = [2][]ffcv.Field{x, y}
	other := make(map[string]int, len(y))
	for k, f := range slices.Backward(y) {
		other[f.Name] = k
	}
	seen := map[int]bool{}
	for i, f := range x {
		k, ok := other[f.Name]
		if i < len(y) && y[i].Name == f.Name { // also where a name comes twice
			k, ok = i, true
		}
		if !ok || seen[k] {
			d.file("fields", "%q is in the first file only", f.Name)
			continue
		}
		seen[k] = true
		if p, q := ffcv.Kind(f.Type, f.Field), ffcv.Kind(y[k].Type, y[k].Field); p != q || f.Type == fields.TypeCustom && *f.Args != *y[k].Args {
			d.file("fields", "%q is %s, %s", f.Name, p, q)
			continue
		}
		if i != k {
			d.file("fields", "%q is number %d, %d", f.Name, i, k)
		}
		d.common = append(d.common, [2]int{i, k})
	}
	for k, f := range y {
		if !seen[k] {
			d.file("fields", "%q is in the second file only", f.Name)
		}
	}
}

func (d *differ) classes(x, y []string) {
	if len(x) != len(y) {
		d.file("classes", "%d, %d", len(x), len(y))
	}
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			d.file("classes", "%d is %q, %q", i, x[i], y[i])
		}
	}
}

// sections compares the sections of other packages, by their tags.
func (d *differ) sections() error {
	var lists [2]map[ffcv.Tag]ffcv.Section
	var order []ffcv.Tag
	for k, f := range d.files {
		lists[k] = map[ffcv.Tag]ffcv.Section{}
		list, err := f.Sections()
		if err != nil {
			return err
		}
		for _, s := range list {
			if _, twice := lists[k][s.Tag]; s.Tag.Known() || twice {
				continue
			}
			lists[k][s.Tag] = s
			if !slices.Contains(order, s.Tag) {
				order = append(order, s.Tag)
			}
		}
	}
	for _, tag := range order {
		x, inA := lists[0][tag]
		y, inB := lists[1][tag]
		switch {
		case !inB:
			d.file("section", "%v is in the first file only", tag)
		case !inA:
			d.file("section", "%v is in the second file only", tag)
		case x.Length != y.Length:
			d.file("section", "%v has %d bytes, %d", tag, x.Length, y.Length)
		default:
			same, err := equalReaders(d.files[0].OpenSection(x), d.files[1].OpenSection(y))
			if err != nil {
				return err
			}
			if !same {
				d.file("section", "%v has other bytes", tag)
			}
		}
	}
	return nil
}

// equalReaders compares two readers of the same length.
func equalReaders(a, b io.Reader) (bool, error) {
	var x, y [1 << 15]byte
	for {
		n, err := io.ReadFull(a, x[:])
		m, otherErr := io.ReadFull(b, y[:])
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return true, nil
		}
		if err = errors.Join(err, otherErr); err != nil {
			return false, fmt.Errorf("read a section: %w", err)
		}
	}
}

// samples compares the samples.
func (d *differ) samples(ctx context.Context) error {
	a, b := d.files[0], d.files[1]
	for i := range a.Len() {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		j, key, err := d.partner(0, i)
		if err != nil {
			return err
		}
		if j < 0 {
			d.r.OnlyA++
			d.note(Difference{What: "sample", Key: key, Sample: [2]int{i, -1}, Text: "in the first file only"})
			continue
		}
		d.r.Samples++
		before := d.r.Differences
		if err := d.sample(i, j, key); err != nil {
			return err
		}
		if d.r.Differences > before {
			d.r.Differing++
		}
	}
	for j := range b.Len() {
		if j%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !d.o.ByKey && j < a.Len() {
			continue
		}
		i, key, err := d.partner(1, j)
		if err != nil {
			return err
		}
		if i < 0 {
			d.r.OnlyB++
			d.note(Difference{What: "sample", Key: key, Sample: [2]int{-1, j}, Text: "in the second file only"})
		}
	}
	return nil
}

// partner finds the sample of the other file that sample i of file k is
// compared with, -1 for none.
func (d *differ) partner(k, i int) (j int, key string, err error) {
	own, other := d.files[k], d.files[1-k]
	same := i
	if i >= other.Len() {
		same = -1
	}
	if !d.o.ByKey {
		return same, "", nil
	}
	if key, err = own.Key(i); err != nil || key == "" {
		return same, key, err
	}
	first, _, err := own.Find(key)
	if err != nil || first != i { // one of several of that name
		return same, key, err
	}
	j, ok, err := other.Find(key)
	if !ok {
		j = -1
	}
	return j, key, err
}

// sample compares two samples.
func (d *differ) sample(i, j int, key string) error {
	a, b := d.files[0], d.files[1]
	at := [2]int{i, j}
	if key == "" { // compared by number: their names may differ
		x, err := a.Key(i)
		if err != nil {
			return err
		}
		y, err := b.Key(j)
		if err != nil {
			return err
		}
		if x != y {
			d.note(Difference{What: "key", Sample: at, Text: fmt.Sprintf("%q, %q", x, y)})
		}
	}
	for k, f := range d.files {
		row, err := f.Rows(at[k], 1, d.rows[k])
		if err != nil {
			return err
		}
		if _, lent := f.Borrow(0, 0); !lent {
			d.rows[k] = row
		}
		d.meta[k] = row
	}
	for _, c := range d.common {
		text, err := d.value(at, c)
		if err != nil {
			return err
		}
		if text != "" {
			d.note(Difference{What: "value", Field: d.all[0][c[0]].Name, Key: key, Sample: at, Text: text})
		}
	}
	return nil
}

// value compares two values, and says how they differ.
func (d *differ) value(at, field [2]int) (string, error) {
	var stored [2]storedValue
	for k, f := range d.files {
		if err := d.stored(k, f, at[k], field[k], &stored[k]); err != nil {
			return "", err
		}
	}
	x, y := &stored[0], &stored[1]
	if bytes.Equal(x.meta, y.meta) && bytes.Equal(x.data, y.data) {
		return "", nil
	}
	d0 := &d.all[0][field[0]]
	switch d0.Type {
	case fields.TypeInt:
		return fmt.Sprintf("%d, %d", int64(binary.LittleEndian.Uint64(x.meta)), int64(binary.LittleEndian.Uint64(y.meta))), nil
	case fields.TypeFloat, fields.TypeCustom:
		v, err := d.files[0].Value(at[0], field[0])
		if err != nil {
			return "", err
		}
		w, err := d.files[1].Value(at[1], field[1])
		if err != nil {
			return "", err
		}
		if d0.Type == fields.TypeFloat {
			return fmt.Sprintf("%v, %v", v, w), nil
		}
		if reflect.DeepEqual(v, w) {
			return "", nil
		}
	}
	if len(x.data) != len(y.data) {
		return fmt.Sprintf("%d bytes, %d", len(x.data), len(y.data)), nil
	}
	for i := range x.data {
		if x.data[i] != y.data[i] {
			return fmt.Sprintf("%d bytes that differ from byte %d on", len(x.data), i), nil
		}
	}
	return fmt.Sprintf("metadata %x, %x", x.meta, y.meta), nil
}

// storedValue is a value's metadata without its pointers, and the bytes of its
// regions, one after another.
type storedValue struct{ meta, data []byte }

// stored reads a value into the differ's memory.
func (d *differ) stored(k int, f *ffcv.File, i, field int, v *storedValue) (err error) {
	c := &d.all[k][field]
	member := d.meta[k][c.Offset:][:c.Size]
	ptrs := c.Field.Layout().Pointers
	v.meta = member
	if len(ptrs) == 0 {
		return nil
	}
	v.meta = bytes.Clone(member)
	for _, p := range ptrs {
		clear(v.meta[p:][:8])
	}
	if d.list[k], err = c.Field.Regions(d.list[k][:0], member); err != nil {
		return fmt.Errorf("%s: sample %d, field %q: %w", f.Name(), i, c.Name, err)
	}
	for n, r := range d.list[k] {
		if r.Size < 0 {
			if r.Size, err = f.RegionSize(i, field, r.Ptr); err != nil {
				return err
			}
		}
		b, err := f.Bytes(i, r.Ptr, r.Size, d.read[k])
		if err != nil {
			return err
		}
		if _, lent := f.Borrow(0, 0); !lent && cap(b) > cap(d.read[k]) {
			d.read[k] = b
		}
		if len(d.list[k]) == 1 {
			v.data = b
		} else {
			if n == 0 {
				d.bufs[k] = d.bufs[k][:0]
			}
			d.bufs[k] = append(d.bufs[k], b...)
			v.data = d.bufs[k]
		}
	}
	return nil
}

package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/regular"
)

// Format is a format of arrays.
type Format struct {
	Name         string   // as Options.From and To have it
	Title        string   // for people
	Extensions   []string // with the dot, in lower case; none where the format is only found by name
	Folder       bool     // is a folder, or may be one
	Single       bool     // holds one array
	Read, Write  bool
	Compressions []string // what Options.Compression may be, the default first; nil for none
}

// Formats lists all formats.
func Formats() []Format {
	list := make([]Format, len(formats))
	for i, f := range formats {
		list[i] = f.Format
		list[i].Extensions = slices.Clone(f.Extensions)
		list[i].Compressions = slices.Clone(f.Compressions)
	}
	return list
}

// File is an open file of arrays, of any format. One that tells why arrays are
// not among its Members has a method Refused() error, and one that tells what it
// gives otherwise than it is stored has Notes() []Note.
type File interface {
	// Members are the arrays in the file's order.
	Members() []array.Member
	// Attrs are the file's; nil for none.
	Attrs() map[string]any
	// Stream gives the rows of an array in C order, about chunk bytes at a time
	// (0 leaves it to the format) and at least one row.
	Stream(name string, chunk int) (array.Stream, error)
	Close() error
}

// writer writes a file of arrays aside.
type writer interface {
	Add(m array.Member) (array.Sink, error)
	SetAttrs(attrs map[string]any) error
	Close() error
	Abort() error
}

// planner is a writer that wants to know all arrays beforehand.
type planner interface {
	Plan(members []array.Member) error
}

// format is a line of the table: how a format is known, opened and created, and
// what it can hold.
type format struct {
	Format
	magic  func(p *peek) bool // nil: known by name and extension only
	open   func(path string, o *Options) (File, error)
	create func(path string, o *Options) (writer, error)
	beton  bool // has its own way in

	table   bool                      // all arrays have the same number of rows
	scalars bool                      // arrays without dimensions
	order   bool                      // keeps a big-endian byte order
	fortran bool                      // keeps Fortran order
	mixed   bool                      // attributes of the file lie among the arrays, by their names
	takes   func(array.Member) error  // whether an array's type and shape can be held; nil for all
	remark  func(array.Member) string // what an array comes back as, where that isn't the same; "" for the same
	file    attrs                     // of the file
	member  attrs                     // of an array
}

// peek is what is looked at of a path to find its format.
type peek struct {
	path   string
	folder bool
	head   []byte // first bytes of a file
}

// peekSize is how much of a file is looked at.
const peekSize = 4096

func (p *peek) has(prefix string) bool { return bytes.HasPrefix(p.head, []byte(prefix)) }

// holds tells whether a folder has an entry.
func (p *peek) holds(names ...string) bool {
	if !p.folder {
		return false
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(p.path, name)); err == nil {
			return true
		}
	}
	return false
}

// zipped is the name of a ZIP archive's first entry, "" where it is none.
func (p *peek) zipped() string {
	const head = 30
	if !p.has("PK\x03\x04") || len(p.head) < head {
		return ""
	}
	n := int(binary.LittleEndian.Uint16(p.head[26:]))
	if n > len(p.head)-head {
		return ""
	}
	return string(p.head[head : head+n])
}

func peekAt(path string) (*peek, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	p := &peek{path: path, folder: info.IsDir()}
	if p.folder {
		return p, nil
	}
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p.head = make([]byte, peekSize)
	n, err := io.ReadFull(f, p.head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.head = p.head[:n]
	return p, nil
}

// byName finds a format by its name.
func byName(name string) (*format, error) {
	var all []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		all = append(all, f.Name)
	}
	return nil, fmt.Errorf("no format is called %q; there are %s", name, strings.Join(all, ", "))
}

// byExtension finds a format by the longest extension that fits.
func byExtension(path string) *format {
	path = strings.ToLower(strings.TrimRight(filepath.ToSlash(path), "/"))
	var best *format
	length := 0
	for _, f := range formats {
		for _, e := range f.Extensions {
			if len(e) > length && strings.HasSuffix(path, e) {
				best, length = f, len(e)
			}
		}
	}
	return best
}

// find finds the format of an input.
func find(path, name string) (*format, error) {
	p, err := peekAt(path)
	if err != nil {
		return nil, err
	}
	var f *format
	if name != "" {
		if f, err = byName(name); err != nil {
			return nil, err
		}
	} else {
		for _, g := range formats {
			if g.magic != nil && g.magic(p) {
				f = g
				break
			}
		}
		if f == nil {
			f = byExtension(path)
		}
	}
	switch {
	case f == nil:
		return nil, &UnknownError{Path: path}
	case !f.Read:
		return nil, fmt.Errorf("%s: %s is only written here", path, f.Title)
	case p.folder && !f.Folder:
		return nil, fmt.Errorf("%s: is a folder; %s is a file", path, f.Title)
	}
	return f, nil
}

// target finds the format of an output. What ends in a slash, and isn't called as
// another format, is a folder of images.
func target(path, name string) (*format, error) {
	if path == "" {
		return nil, errors.New("output: no file name")
	}
	f := byExtension(path)
	if f == nil && os.IsPathSeparator(path[len(path)-1]) {
		f = imagesFormat
	}
	if name != "" {
		var err error
		if f, err = byName(name); err != nil {
			return nil, err
		}
	}
	switch {
	case f == nil:
		return nil, &UnknownError{Path: path, Out: true}
	case !f.Write:
		return nil, fmt.Errorf("%s: %s is only read here", path, f.Title)
	}
	return f, nil
}

// checkCompression refuses what the format doesn't pack with.
func (f *format) checkCompression(c string) error {
	if c == "" {
		return nil
	}
	if f.Compressions == nil {
		return fmt.Errorf("compression %s: %s has none", c, f.Title)
	}
	if name, _, err := compression(c); err != nil {
		return err
	} else if !slices.Contains(f.Compressions, name) {
		return fmt.Errorf("compression %s: %s has %s", c, f.Title, strings.Join(f.Compressions, ", "))
	}
	return nil
}

// compression divides "gzip:9".
func compression(c string) (name string, level int, err error) {
	name, text, ok := strings.Cut(c, ":")
	if ok {
		if _, err := fmt.Sscanf(text+"\n", "%d\n", &level); err != nil || fmt.Sprint(level) != text {
			return "", 0, fmt.Errorf("compression %s: level %q is no number", c, text)
		}
	}
	return name, level, nil
}

// checkPaths refuses an output that is the input, in it or around it.
func checkPaths(in, out string) error {
	from, err := real(in)
	if err != nil {
		return err
	}
	to, err := real(out)
	if err != nil {
		return err
	}
	a, err1 := os.Stat(from)
	b, err2 := os.Stat(to)
	switch {
	case from == to || err1 == nil && err2 == nil && os.SameFile(a, b):
		return fmt.Errorf("output %s is the input", out)
	case within(from, to):
		return fmt.Errorf("output %s lies in the input %s", out, in)
	case within(to, from):
		return fmt.Errorf("output %s has the input %s in it", out, in)
	}
	return nil
}

// checkOutput refuses what the writer would refuse, before anything is read.
func checkOutput(path string, overwrite bool) error {
	if _, err := os.Lstat(path); err == nil && !overwrite {
		return fmt.Errorf("output %s: %w", path, fs.ErrExist)
	}
	if err := checkReplaced(path); err != nil {
		return err
	}
	folder := filepath.Dir(filepath.Clean(path))
	if info, err := os.Stat(folder); err != nil {
		return fmt.Errorf("output folder: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("output folder %s: not a folder", folder)
	}
	return nil
}

// checkReplaced refuses to replace a folder with anything else in it than arrays:
// what is there goes away with it.
func checkReplaced(path string) error {
	p, err := peekAt(path)
	if err != nil || !p.folder { // no file, or one, which the writer looks at
		return nil
	}
	for _, f := range formats {
		if f.Folder && f != imagesFormat && f.magic(p) {
			return nil
		}
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("output %s: %w", path, err)
		}
		if !d.IsDir() && byExtension(name) != imageFormat {
			return fmt.Errorf("output %s: a folder with something else in it than arrays, %s; it is not replaced", path, name)
		}
		return nil
	})
}

// real is an absolute path without links; what isn't there yet stays as it is.
func real(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if to, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(to, rest), nil
		} else if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return path, nil
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// within tells whether path lies in folder.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// UnknownError says that a path tells no format.
type UnknownError struct {
	Path string
	Out  bool // it is the output's
}

func (e *UnknownError) Error() string {
	if e.Out {
		return fmt.Sprintf("output %s: the extension is none of a format; name one", e.Path)
	}
	return fmt.Sprintf("%s: neither first bytes nor extension are those of a format; name one", e.Path)
}

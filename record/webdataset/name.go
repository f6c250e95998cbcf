// Package webdataset reads and writes the shards of WebDataset: tar archives whose
// members that follow each other with the same key are one sample. A member's key
// is its path up to the first dot of its base name, its extension what follows
// behind that dot, in lower case: of cat/0001.seg.png they are cat/0001 and
// seg.png.
//
// An archive is read by the places of its members in an io.ReaderAt, never by
// what it would unpack to: Scan tells where everything is. It is read more strictly
// than by WebDataset itself, which hands on whatever comes: paths that climb out,
// links, devices, sparse files and duplicates are errors, and so is an archive
// that ends early.
package webdataset

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// Split returns the key and the extension that a member's path means; false for
// one without an extension, which belongs to no sample.
func Split(name string) (key, ext string, ok bool) {
	base := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[base:], '.')
	if dot <= 0 { // a base name that begins with a dot has no key
		return "", "", false
	}
	return name[:base+dot], strings.ToLower(name[base+dot+1:]), true
}

// meta says whether a member is WebDataset's own, and no sample's: __name__ in the
// archive's root, or anything below a folder of such a name.
func meta(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return len(first) >= 4 && strings.HasPrefix(first, "__") && strings.HasSuffix(first, "__")
}

// checkPath refuses the path of a member that would not lie below the folder in
// which an archive is unpacked, and what is no path.
func checkPath(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a member without a name")
	case strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("path %q: a zero byte", name)
	case name[0] == '/' || drive(name):
		return fmt.Errorf("path %q is absolute; expected one below the archive's root", name)
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == ".." {
			return fmt.Errorf("path %q climbs out of the archive's root", name)
		}
	}
	return nil
}

// drive says whether a path begins with the drive of a Windows machine.
func drive(name string) bool {
	return len(name) >= 3 && name[1] == ':' && (name[2] == '/' || name[2] == '\\') && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z')
}

// checkKey refuses a key that would not be read as it is.
func checkKey(key string) error {
	if err := checkPath(key); err != nil {
		return err
	}
	base := path.Base(key)
	switch {
	case !utf8.ValidString(key):
		return fmt.Errorf("key %q is not UTF-8", key)
	case strings.HasSuffix(key, "/"):
		return fmt.Errorf("key %q ends in '/'", key)
	case strings.IndexByte(base, '.') >= 0:
		return fmt.Errorf("key %q has a dot in its last part, where the extension would begin", key)
	case path.Clean(key) != key:
		return fmt.Errorf("key %q is no plain path; expected %q", key, path.Clean(key))
	case meta(key + "/"):
		return fmt.Errorf("key %q: names between two __ are WebDataset's own, and skipped", key)
	}
	return nil
}

// checkExt refuses an extension that would not be read as it is.
func checkExt(ext string) error {
	switch {
	case ext == "":
		return fmt.Errorf("no extension")
	case !utf8.ValidString(ext):
		return fmt.Errorf("extension %q is not UTF-8", ext)
	case strings.ContainsAny(ext, "/\x00"):
		return fmt.Errorf("extension %q: expected the end of a file's name", ext)
	case strings.ToLower(ext) != ext:
		return fmt.Errorf("extension %q: expected lower case, in which it is read", ext)
	case strings.HasPrefix(ext, "__"):
		return fmt.Errorf("extension %q: names that begin with __ are WebDataset's own", ext)
	}
	return nil
}

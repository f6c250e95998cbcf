package npk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// listLimit is how many bytes of a list of segments are read.
const listLimit = 64 << 20

// segmentList is a .npkseg file.
type segmentList struct {
	Version  int       `json:"version"`
	Segments []segment `json:"segments"`
}

type segment struct {
	File  string `json:"file"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// part is a file of an array's rows.
type part struct {
	file  string // slash-separated, in the pack
	start int    // row
	rows  int
}

func isSegmented(file string) bool { return path.Ext(file) == ".npkseg" }

// checkFile says whether a name from the metadata stays in the pack.
func checkFile(file string) error {
	if strings.ContainsAny(file, "\\\x00") || file == "" || path.Clean(file) != file || !filepath.IsLocal(filepath.FromSlash(file)) || file == "." {
		return fmt.Errorf("the file name %q leaves the pack, or isn't one", file)
	}
	return nil
}

// parseList reads the list of an array's segments, whose rows may be more than
// the metadata's: rows that were being appended when a process ended.
func parseList(b []byte, r *record) ([]part, error) {
	var l segmentList
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, err
	}
	if l.Version != 1 {
		return nil, fmt.Errorf("version %d, want 1", l.Version)
	}
	var parts []part
	seen := map[string]bool{}
	at := 0
	for i, s := range l.Segments {
		if err := checkFile(s.File); err != nil {
			return nil, fmt.Errorf("segment %d: %w", i, err)
		}
		if seen[s.File] {
			return nil, fmt.Errorf("segment %d: the file %q is there twice", i, s.File)
		}
		seen[s.File] = true
		if s.Rows < 0 || s.Rows > int64(math.MaxInt-at) {
			return nil, fmt.Errorf("segment %d: %d rows", i, s.Rows)
		}
		if size, ok := times(int(s.Rows), r.row); !ok || int64(size) != s.Bytes {
			return nil, fmt.Errorf("segment %d: %d rows of %d bytes in %d", i, s.Rows, r.row, s.Bytes)
		}
		rows := min(int(s.Rows), r.rows()-at)
		if rows > 0 {
			parts = append(parts, part{file: s.File, start: at, rows: rows})
		}
		at += rows
	}
	if at < r.rows() {
		return nil, fmt.Errorf("%d rows in %d segments, want %d", at, len(l.Segments), r.rows())
	}
	return parts, nil
}

// formatList writes the list.
func formatList(parts []part, row int) ([]byte, error) {
	l := segmentList{Version: 1, Segments: []segment{}}
	for _, p := range parts {
		l.Segments = append(l.Segments, segment{File: p.file, Rows: int64(p.rows), Bytes: int64(p.rows) * int64(row)})
	}
	return json.MarshalIndent(l, "", "  ")
}

// readSmall reads a file of the pack that isn't data: of an array, or of all for
// the name "".
func readSmall(root *os.Root, array, name string, limit int64) ([]byte, error) {
	info, err := statRegular(root, array, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, &FormatError{File: root.Name(), Part: name, Array: array, Offset: -1, Msg: fmt.Sprintf("%d bytes, at most %d are read", info.Size(), limit)}
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, packError(root, array, name, err)
	}
	defer f.Close()
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, &FormatError{File: root.Name(), Part: name, Array: array, Offset: -1, Msg: err.Error()}
	}
	return b, nil
}

// statRegular refuses what isn't a file: opening a pipe would wait.
func statRegular(root *os.Root, array, name string) (fs.FileInfo, error) {
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, packError(root, array, name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, packError(root, array, name, fmt.Errorf("not a regular file (%s)", info.Mode().Type()))
	}
	return info, nil
}

// packError names the file with the pack's path, and the array that it is of.
func packError(root *os.Root, array, name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	err = &fs.PathError{Op: "open", Path: filepath.Join(root.Name(), filepath.FromSlash(name)), Err: err}
	if array != "" {
		err = fmt.Errorf("array %q: %w", array, err)
	}
	return err
}

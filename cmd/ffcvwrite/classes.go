package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

// maxClasses is how many bytes a file of class names may have.
const maxClasses = 1 << 30

// classesFlags are part of the flags of sources that have classes.
type classesFlags struct {
	Classes string `placeholder:"FILE" help:"Fix the labels: a text file with a class name a line, or a .beton whose classes to take."`
}

// names returns the class names that the flag gives, nil without it.
func (f *classesFlags) names(ctx context.Context, st *store.Options) ([]string, error) {
	if f.Classes == "" {
		return nil, nil
	}
	return readClasses(ctx, f.Classes, st)
}

// readClasses returns the class names of a text file, one a line, or those of
// a .beton. A file that cannot be read is a failure, one that names no classes
// is wrong usage.
func readClasses(ctx context.Context, path string, st *store.Options) ([]string, error) {
	c, err := store.Fetch(ctx, path, st)
	if err != nil {
		return nil, fmt.Errorf("--classes: %w", err)
	}
	defer c.Close()
	path = c.Path
	if strings.EqualFold(filepath.Ext(path), ".beton") {
		return betonClasses(path)
	}
	text, err := regular.ReadFile(path, maxClasses)
	if err != nil {
		return nil, fmt.Errorf("--classes: %w", err)
	}
	if bytes.IndexByte(text, 0) >= 0 { // no text; a .beton has zeros in its first bytes
		return betonClasses(path)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
	at := make(map[string]int, len(lines))
	for i, line := range lines {
		if line == "" {
			return nil, term.Usagef("--classes: %s:%d: empty; expected a class name on each line", path, i+1)
		}
		if first, ok := at[line]; ok {
			return nil, term.Usagef("--classes: %s:%d: class %q is on line %d already", path, i+1, line, first)
		}
		at[line] = i + 1
	}
	return lines, nil
}

func betonClasses(path string) ([]string, error) {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		return nil, fmt.Errorf("--classes: %w", err)
	}
	defer f.Close()
	classes := f.Classes()
	if len(classes) == 0 {
		return nil, term.WithHint(term.Usagef("--classes: %s: no class names in it", path),
			"files by FFCV and files written with --plain have none; give a text file with a class name a line")
	}
	// The names may borrow from the file, which is closed now.
	for i := range classes {
		classes[i] = strings.Clone(classes[i])
	}
	return classes, nil
}

package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxShards bounds how many files names stand for.
const maxShards = 1 << 20

// expandShards returns the files that names stand for. A name is a file's or an
// object's, or stands for several: lists in braces, {a,b} and {000..012}, expand
// as a shell's, and of what they give '*' and '?' are characters but '/', and
// [a-z] one of those, in the names of files and objects. A web server's files have
// no such patterns, since it doesn't list them. What has just that name on the disk
// is no pattern.
//
// The files are in the order of the names, those of a pattern in that of their
// names' bytes. A name or pattern without a file is an error, and so is a file that
// is named twice.
func expandShards(ctx context.Context, names []string, st Store) ([]string, error) {
	if len(names) == 0 {
		return nil, errors.New("no files; expected at least one")
	}
	var list []string
	for _, name := range names {
		found := []string{name}
		if far(name) || !onDisk(name) {
			var err error
			if found, err = expandBraces(name); err != nil {
				return nil, fmt.Errorf("%q: %w", shown(name), err)
			}
		}
		for _, f := range found {
			matches, err := matchShards(ctx, f, st)
			if err != nil {
				return nil, err
			}
			list = append(list, matches...)
		}
		if len(list) > maxShards {
			return nil, fmt.Errorf("%q: more than %d files", shown(name), maxShards)
		}
	}
	if err := eachOnce(list); err != nil {
		return nil, err
	}
	return list, nil
}

// eachOnce finds a file that is named twice: its samples would be too.
func eachOnce(names []string) error {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		id := name
		if !far(name) {
			if real, err := filepath.EvalSymlinks(name); err == nil {
				id = real
			}
			if abs, err := filepath.Abs(id); err == nil {
				id = abs
			}
		}
		if seen[id] {
			return fmt.Errorf("%s is given twice", shown(name))
		}
		seen[id] = true
	}
	return nil
}

// onDisk says whether there is something of that name.
func onDisk(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// matchShards returns the files that a pattern stands for.
func matchShards(ctx context.Context, name string, st Store) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch {
	case web(name):
		if text := shown(name); strings.Contains(text, "*") {
			return nil, fmt.Errorf("%s: a web server's files can't be listed; expected their names, or lists such as {000..012}", text)
		}
		return []string{name}, nil
	case far(name):
		return matchObjects(ctx, name, st)
	case !strings.ContainsAny(name, `*?[`):
		_, err := os.Stat(name)
		return []string{name}, err
	case onDisk(name):
		return []string{name}, nil
	}
	found, err := filepath.Glob(name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%q: no file matches it: %w", name, fs.ErrNotExist)
	}
	slices.Sort(found)
	return found, nil
}

// matchObjects returns the objects that a pattern stands for.
func matchObjects(ctx context.Context, name string, st Store) ([]string, error) {
	scheme, rest, _ := strings.Cut(name, "://")
	bucket, key, _ := strings.Cut(rest, "/")
	at := strings.IndexAny(key, `*?[`)
	if at < 0 {
		return []string{name}, nil
	}
	if st == nil {
		return nil, fmt.Errorf("%s: a URL, and no store to read it from", name)
	}
	cut := strings.LastIndexByte(key[:at], '/') + 1
	folder, pattern := scheme+"://"+bucket+"/"+key[:cut], key[cut:]
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	var found []string
	err := st.List(ctx, folder, strings.Contains(pattern, "/"), func(rel string, _ int64) error {
		if ok, _ := path.Match(pattern, rel); !ok || strings.HasSuffix(rel, "/") {
			return nil
		}
		if len(found) >= maxShards {
			return fmt.Errorf("%q: more than %d objects", name, maxShards)
		}
		found = append(found, folder+rel)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 { // the key may be just so
		if _, err := st.Size(ctx, name); err == nil {
			return []string{name}, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("%q: no object matches it: %w", name, fs.ErrNotExist)
	}
	slices.Sort(found)
	return found, nil
}

// expandBraces returns the texts that one with lists in braces stands for. Braces
// that hold no list, and those without a partner, stand for themselves.
func expandBraces(text string) ([]string, error) {
	open, end, items, err := firstBraces(text)
	if err != nil || open < 0 {
		return []string{text}, err
	}
	tails, err := expandBraces(text[end:])
	if err != nil {
		return nil, err
	}
	var list []string
	for _, item := range items {
		heads, err := expandBraces(item)
		if err != nil {
			return nil, err
		}
		if len(heads) > maxShards/len(tails) || len(list)+len(heads)*len(tails) > maxShards {
			return nil, fmt.Errorf("the lists in its braces stand for more than %d names", maxShards)
		}
		for _, h := range heads {
			for _, t := range tails {
				list = append(list, text[:open]+h+t)
			}
		}
	}
	return list, nil
}

// firstBraces finds the first list in braces: where it opens, where it ends, and
// its items. It opens at -1 where there is none.
func firstBraces(text string) (open, end int, items []string, err error) {
	for open = 0; open < len(text); open++ {
		if text[open] != '{' {
			continue
		}
		end := partner(text, open)
		if end < 0 {
			continue
		}
		if items, err = braceItems(text[open+1 : end]); err != nil || items != nil {
			return open, end + 1, items, err
		}
	}
	return -1, 0, nil, nil
}

// partner returns where the brace closes that opens at open, -1 for nowhere.
func partner(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// braceItems returns what a list between braces has, nil for what is none.
func braceItems(text string) ([]string, error) {
	if parts := strings.Split(text, ".."); len(parts) == 2 || len(parts) == 3 {
		if items, ok, err := braceRange(parts); ok {
			return items, err
		}
	}
	var items []string
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '{' && partner(text, i) >= 0:
			depth++
		case text[i] == '}' && depth > 0:
			depth--
		case text[i] == ',' && depth == 0:
			items = append(items, text[start:i])
			start = i + 1
		}
	}
	if items == nil {
		return nil, nil
	}
	return append(items, text[start:]), nil
}

// braceRange returns the items of FROM..TO or FROM..TO..STEP: whole numbers, of
// equal width if one of the two begins with a zero, or single letters.
func braceRange(parts []string) (items []string, ok bool, err error) {
	step := int64(1)
	if len(parts) == 3 {
		if step, err = strconv.ParseInt(parts[2], 10, 32); err != nil {
			return nil, false, nil
		}
		step = max(step, -step, 1)
	}
	from, fromErr := strconv.ParseInt(parts[0], 10, 63)
	to, toErr := strconv.ParseInt(parts[1], 10, 63)
	width, letters := 0, false
	switch {
	case fromErr == nil && toErr == nil:
		if padded(parts[0]) || padded(parts[1]) {
			width = max(len(parts[0]), len(parts[1]))
		}
	case letter(parts[0]) && letter(parts[1]):
		from, to, letters = int64(parts[0][0]), int64(parts[1][0]), true
	default:
		return nil, false, nil
	}
	n := max(to-from, from-to)/step + 1 // each has 62 bits and a sign
	if n > maxShards {
		return nil, true, fmt.Errorf("{%s} stands for more than %d names", strings.Join(parts, ".."), maxShards)
	}
	if to < from {
		step = -step
	}
	for i := range n {
		v := from + i*step
		if letters {
			items = append(items, string(rune(v)))
		} else {
			items = append(items, fmt.Sprintf("%0*d", width, v))
		}
	}
	return items, true, nil
}

// padded says whether a number is written with zeros before it.
func padded(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return len(text) > 1 && text[0] == '0'
}

func letter(text string) bool {
	return len(text) == 1 && (text[0] >= 'a' && text[0] <= 'z' || text[0] >= 'A' && text[0] <= 'Z')
}

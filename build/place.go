package build

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// whole says whether a path means the same from everywhere.
func whole(name string) bool { return remote.IsURL(name) || filepath.IsAbs(name) }

// rebase returns name, relative to the process's folder, as it is relative to the
// folder dir. Whole paths stay, and become what they are where dir is a URL or on
// another volume.
func rebase(dir, name string) (string, error) {
	if whole(name) {
		return name, nil
	}
	if store.IsURL(dir) {
		return filepath.Abs(name)
	}
	return relative(dir, name)
}

// relative returns a local path as it is seen from the local folder dir, with '/';
// whole where there is no other way.
func relative(dir, name string) (string, error) {
	at, err := filepath.Abs(store.Join(".", name))
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(store.Join(dir, ".")); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(dir, at)
	if err != nil {
		return at, nil
	}
	return filepath.ToSlash(rel), nil
}

// at returns the recipe with its paths changed by to.
func (r Recipe) at(to func(name string) (string, error)) (_ Recipe, err error) {
	change := func(name *string) {
		if *name != "" && err == nil {
			*name, err = to(*name)
		}
	}
	if r.Folder != nil {
		f := *r.Folder
		change(&f.Dir)
		change(&f.Masks)
		r.Folder = &f
	}
	if r.Table != nil {
		t := *r.Table
		change(&t.File)
		r.Table = &t
	}
	if r.Arrays != nil {
		a := Arrays{Files: append([]string(nil), r.Arrays.Files...), Fields: append([]string(nil), r.Arrays.Fields...)}
		for i, arg := range a.Files {
			name, file := cutArray(arg)
			change(&file)
			a.Files[i] = name + "=" + file
		}
		for i, text := range a.Fields {
			a.Fields[i] = changeFile(text, change)
		}
		r.Arrays = &a
	}
	return r, err
}

// cutArray takes FILE or NAME=FILE apart. A field is named like its file unless
// the argument says otherwise.
func cutArray(arg string) (name, file string) {
	if name, file, ok := strings.Cut(arg, "="); ok && !strings.Contains(name, "://") {
		return name, file
	}
	base := path.Base(filepath.ToSlash(arg))
	return strings.TrimSuffix(base, path.Ext(base)), arg
}

// changeFile changes the file=FILE of a field's text.
func changeFile(text string, change func(*string)) string {
	head, settings, ok := strings.Cut(text, ":")
	if !ok {
		return text
	}
	parts := strings.Split(settings, ",")
	for i, p := range parts {
		if file, ok := strings.CutPrefix(p, "file="); ok {
			change(&file)
			parts[i] = "file=" + file
		}
	}
	return head + ":" + strings.Join(parts, ",")
}

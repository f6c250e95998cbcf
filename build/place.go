package build

import (
	"path/filepath"

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

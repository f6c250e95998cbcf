package zarr

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/internal/aside"
)

// target is where a store is written to, value by value.
type target interface {
	put(key string, b []byte) error
	// create begins a value; no other is written before its Close.
	create(key string) (io.WriteCloser, error)
	commit() error
	abort() error
}

// dirTarget writes a folder.
type dirTarget struct{ folder *aside.Folder }

// isStore says why a folder, which isn't empty, is no store.
func isStore(dir string) error {
	for _, name := range []string{"zarr.json", ".zgroup", ".zarray", ".zmetadata"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return nil
		}
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) == 0 {
		return err
	}
	return fmt.Errorf("a folder with something else in it than a Zarr, %s; it is not replaced", filepath.Join(dir, list[0].Name()))
}

func createDir(path string, overwrite bool) (target, error) {
	d, err := aside.CreateFolder(path, overwrite, isStore)
	if err != nil {
		return nil, err
	}
	return &dirTarget{folder: d}, nil
}

func (d *dirTarget) create(key string) (io.WriteCloser, error) {
	f, err := d.open(key)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *dirTarget) open(key string) (*os.File, error) {
	name := d.folder.Path(key)
	open := func() (*os.File, error) { return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return nil, err
		}
		f, err = open()
	}
	return f, err
}

func (d *dirTarget) put(key string, b []byte) error {
	f, err := d.open(key)
	if err != nil {
		return err
	}
	return errors.Join(aside.WriteAt(f, b, 0), f.Close())
}

func (d *dirTarget) commit() error { return d.folder.Commit() }
func (d *dirTarget) abort() error  { return d.folder.Abort() }

// zipTarget writes a ZIP file, whose entries are stored: chunks are packed
// already.
type zipTarget struct {
	file *aside.File
	zip  *zip.Writer
}

func createZip(path string, overwrite bool) (target, error) {
	f, err := aside.Create(path, overwrite)
	if err != nil {
		return nil, err
	}
	return &zipTarget{file: f, zip: zip.NewWriter(f)}, nil
}

func (z *zipTarget) create(key string) (io.WriteCloser, error) {
	w, err := z.zip.CreateHeader(&zip.FileHeader{Name: key, Method: zip.Store})
	return entryWriter{w}, err
}

// entryWriter is an entry, which the next one ends.
type entryWriter struct{ io.Writer }

func (entryWriter) Close() error { return nil }

func (z *zipTarget) put(key string, b []byte) error {
	w, err := z.create(key)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func (z *zipTarget) commit() error {
	if err := z.zip.Close(); err != nil {
		return errors.Join(err, z.file.Abort())
	}
	return z.file.Commit()
}

func (z *zipTarget) abort() error { return z.file.Abort() }

package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// SampleSize returns how many bytes image i's file has, without reading it; 0 for
// one that is not there.
func (f *Folder) SampleSize(ctx context.Context, i int) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if f.closed || i < 0 || i >= f.Len() {
		return 0, fmt.Errorf("folder %s: sample %d of %d", f.dir, i, f.Len())
	}
	_, key, size := f.entry(i)
	if size >= 0 {
		return size, nil
	}
	info, err := os.Stat(filepath.Join(f.dir, filepath.FromSlash(key)))
	if err != nil {
		return 0, nil // reading it will tell why
	}
	return info.Size(), nil
}

package build

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/store"
)

// names returns the shards' paths as an index beside m.out has them. What no index
// there may name is an error.
func (m *merger) names() (names []string, err error) {
	names = make([]string, len(m.paths))
	x := dataset.Index{Shards: make([]dataset.IndexShard, len(m.paths))}
	for i, path := range m.paths {
		if names[i], err = beside(store.Dir(m.out), path); err != nil {
			return nil, err
		}
		x.Shards[i].Path = names[i]
	}
	if store.IsURL(m.out) {
		if err := x.Within(store.Dir(m.out)); err != nil {
			return nil, fmt.Errorf("index %s: %w", store.Name(m.out), err)
		}
	}
	return names, nil
}

// index writes an index of the shards.
func (m *merger) index(ctx context.Context) (stats ffcv.Stats, err error) {
	files, done, err := m.open(ctx)
	if err != nil {
		return stats, err
	}
	defer done()
	names, err := m.names()
	if err != nil {
		return stats, err
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		return stats, err
	}
	for i, r := range m.receipts {
		x.Shards[i].SHA256 = r.SHA256
		stats.Bytes += r.Size
		_, pages := files[i].Pages()
		stats.Pages += pages
	}
	stats.Samples = int(x.Samples)
	b, err := x.Marshal()
	if err != nil {
		return stats, err
	}
	return stats, store.WriteFile(ctx, m.out, b, m.opts.Overwrite, m.opts.Store)
}

// beside returns a path as it is seen from a folder: relative where both lie on the
// local disk, or one below the other in one bucket.
func beside(dir, path string) (string, error) {
	switch {
	case !store.IsURL(dir) && !store.IsURL(path):
		return relative(dir, path)
	case store.IsURL(dir) && store.IsURL(path):
		if rel, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/"); ok {
			return rel, nil
		}
		return path, nil
	case store.IsURL(path):
		return path, nil
	}
	return filepath.Abs(store.Join(".", path))
}

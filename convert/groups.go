package convert

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/zarr"
)

// groups are the attributes of the input's groups by their names, without the
// root's: of all groups where all arrays go along, else of those that an array
// lies in.
func (j *job) groups() map[string]map[string]any {
	all := map[string]map[string]any{}
	switch f := j.r.(type) {
	case interface{ Groups() []hdf5.Group }:
		for _, g := range f.Groups() {
			all[g.Name] = g.Attrs
		}
	case interface{ Groups() []zarr.Group }:
		for _, g := range f.Groups() {
			all[g.Name] = g.Attrs
		}
	}
	delete(all, "")
	if j.opts.Arrays != nil {
		maps.DeleteFunc(all, func(name string, _ map[string]any) bool {
			return !slices.ContainsFunc(j.list, func(it item) bool { return strings.HasPrefix(it.src.Name, name+"/") })
		})
	}
	return all
}

// carryGroups gives the output's groups the attributes that the input's have,
// and notes those for which there is no place. w is nil for outputs without
// groups.
func (j *job) carryGroups(w writer) error {
	to, ok := w.(interface {
		AddGroup(name string, attrs map[string]any) error
	})
	all := j.groups()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		kept := j.to.file
		if !ok || slices.ContainsFunc(j.list, func(it item) bool { return strings.HasPrefix(name+"/", it.name+"/") }) {
			kept = attrs{} // no groups, or an array of that name
		}
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(all[name])) {
			v, why := carried(key, all[name][key], kept)
			if why != "" {
				j.note("", "attribute %q of the group %q %s", key, name, why)
			}
			if v != nil {
				out[key] = *v
			}
		}
		if len(out) == 0 {
			continue
		}
		if err := to.AddGroup(name, out); err != nil {
			return fmt.Errorf("group %q: %w", name, err)
		}
	}
	return nil
}

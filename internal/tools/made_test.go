//go:build linux || darwin

package tools_test

import (
	"encoding/binary"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pictures writes a folder of two classes with n pictures each.
func pictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for _, class := range []string{"cat", "dog"} {
		if err := os.Mkdir(filepath.Join(dir, class), 0o777); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			f, err := os.Create(filepath.Join(dir, class, string(rune('a'+i))+".jpg"))
			if err != nil {
				t.Fatal(err)
			}
			if err := jpeg.Encode(f, image.NewGray(image.Rect(0, 0, 20+i, 16)), nil); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	return dir
}

// done is a request of which news come before the answer, which it returns.
func (c *client) done(o object, payload []byte) (answer object, news int) {
	c.t.Helper()
	c.send(o, payload)
	for {
		a, _ := c.recv()
		switch {
		case a["error"] != nil:
			c.t.Fatalf("%v: %v", o["do"], a["error"])
		case a["ok"] != nil:
			return a["ok"].(object), news
		case a["progress"] == nil && a["warning"] == nil:
			c.t.Fatalf("%v: %v", o["do"], a)
		}
		news++
	}
}

// TestMade packs, looks through and exports.
func TestMade(t *testing.T) {
	dir := pictures(t, 3)
	out := filepath.Join(t.TempDir(), "a.beton")
	recipe := object{"folder": object{"dir": dir}, "image": object{}, "writer": object{}}
	c := serve(t)()
	if got, _ := c.done(object{"do": "estimate", "recipe": recipe, "samples": 4}, nil); got["sampled"] != 4. {
		t.Errorf("estimate: %v", got)
	}
	got, news := c.done(object{"do": "pack", "recipe": recipe, "out": out}, nil)
	if got["samples"] != 6. || len(got["classes"].([]any)) != 2 || news == 0 {
		t.Errorf("pack: %v, %d news", got, news)
	}
	got, _ = c.done(object{"do": "survey", "paths": []string{out}, "duplicates": true}, nil)
	if got["samples"] != 6. || got["broken"] != 0. {
		t.Errorf("survey: %v", got)
	}
	got, _ = c.done(object{"do": "survey", "paths": []string{out, out}}, nil)
	if got["samples_a"] != 6. || got["samples_b"] != 6. {
		t.Errorf("survey of two: %v", got)
	}
	to := filepath.Join(t.TempDir(), "out")
	list := binary.LittleEndian.AppendUint64(nil, 4)
	if got, _ = c.done(object{"do": "export", "path": out, "out": to, "format": "folder", "indices": 1}, list); got["samples"] != 1. {
		t.Errorf("export: %v", got)
	}
	if _, err := os.Stat(filepath.Join(to, "dog", "b.jpg")); err != nil {
		t.Error(err)
	}
}

// TestMadeFails tells apart what is wrong with what was asked for, what is in the
// way, and what fails.
func TestMadeFails(t *testing.T) {
	dir := pictures(t, 3)
	if err := os.WriteFile(filepath.Join(dir, "cat", "b.jpg"), []byte("none"), 0o666); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "a.beton")
	pack := func(more, image object) object {
		o := object{"do": "pack", "recipe": object{"folder": object{"dir": dir}, "image": image, "writer": object{}}, "out": out}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	c := serve(t)()
	for _, test := range []struct {
		kind, want string
		request    object
	}{
		{"option", "max_resolution: -1", pack(nil, object{"max_resolution": -1})},
		{"option", `"quality"`, pack(nil, object{"qualty": 1})},
		{"option", "workers is -1", pack(object{"workers": -1}, object{})},
		{"option", "out", pack(object{"out": ""}, object{})},
		{"unsupported", "h5py", object{"do": "pack", "recipe": object{"hdf5": object{"file": "/x.h5"}}, "out": out}},
		{"notfound", "nowhere", pack(object{"out": "/nowhere/at/all/a.beton"}, object{})},
		{"option", "indices", object{"do": "export", "path": out, "out": out + "x", "format": "tar", "indices": 1}},
		{"notfound", "a.beton", object{"do": "survey", "paths": []string{out}}},
		{"option", "paths", object{"do": "survey"}},
		{"option", "pixels", object{"do": "survey", "paths": []string{out}, "pixels": "all"}},
	} {
		if m := c.fails(test.kind, test.request); !strings.Contains(m, test.want) {
			t.Errorf("%q does not tell %q", m, test.want)
		}
	}
	c.send(pack(nil, object{}), nil)
	for {
		a, _ := c.recv()
		if a["progress"] != nil {
			continue
		}
		e, _ := a["error"].(object)
		if e["kind"] != "build" || e["key"] != "cat/b.jpg" || e["sample"] != 1. || e["field"] != "image" {
			t.Errorf("%v", a)
		}
		break
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
}

package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// twinProgram writes photographs with the real FFCV.
//
//go:embed twin.py
var twinProgram []byte

const twinName = "twin.py"

// twin is how FFCV writes a case that must be its file byte for byte.
type twin struct {
	paths         []string
	quality, most int
}

// twinCases encode every photograph again, as FFCV always does.
func twinCases(paths []string) []testCase {
	var list []testCase
	for i, c := range []twin{{quality: 90, most: 256}, {quality: 50}, {quality: 90}, {quality: 100}} {
		c.paths = paths[:min(len(paths), 1000)]
		name := fmt.Sprintf("twin_q%d", c.quality)
		if c.most > 0 {
			name += fmt.Sprintf("_%dpx", c.most)
		}
		field := fields.RGBImage{Reencode: fields.ReencodeAlways, Quality: c.quality, MaxResolution: c.most}
		list = append(list, testCase{
			name: name, n: len(c.paths), columns: []column{encoded("image", c.paths, field), index()},
			opts: ffcv.Options{Workers: 1 + 3*(i&1), Plain: true}, twin: &c,
		})
	}
	return list
}

// encoded are photographs that the field encodes.
func encoded(name string, paths []string, field fields.RGBImage) column {
	return column{name, field, func(i int) any { return fields.Path(paths[i]) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 2, "kind": "rgb", "mode": make([]int, len(order))}
	}}
}

// proveTwin has FFCV write the case and compares the files.
func (r *runner) proveTwin(dir string, c testCase) bool {
	list, theirs := c.name+".txt", c.name+".ffcv.beton"
	args := []string{twinName, list, theirs, strconv.Itoa(c.twin.quality)}
	if c.twin.most > 0 {
		args = append(args, strconv.Itoa(c.twin.most))
	}
	if err := os.WriteFile(filepath.Join(dir, list), []byte(strings.Join(c.twin.paths, "\n")+"\n"), 0o666); err != nil {
		fmt.Println(err)
		return false
	}
	if r.python == "" {
		fmt.Println("python", strings.Join(args, " "), "&& cmp", c.name+".beton", theirs)
		return true
	}
	cmd := exec.Command(r.python, args...)
	cmd.Dir = dir
	start := time.Now()
	if noise, err := cmd.CombinedOutput(); err != nil {
		fmt.Printf("%-16s %v: %s\n", c.name, err, noise)
		return false
	}
	a, err := os.ReadFile(filepath.Join(dir, c.name+".beton"))
	if err != nil {
		fmt.Println(err)
		return false
	}
	b, err := os.ReadFile(filepath.Join(dir, theirs))
	if err != nil {
		fmt.Println(err)
		return false
	}
	verdict, same := "OK", bytes.Equal(a, b)
	if !same {
		verdict = "FAIL"
	}
	fmt.Printf("%-16s %5.1fs  %s %d photographs, %d bytes, FFCV's file has %d: same %v\n",
		c.name, time.Since(start).Seconds(), verdict, c.n, len(a), len(b), same)
	return same
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/benchmarks/peer"
	"github.com/betongo/betongo/benchmarks/peer/photo"
	"github.com/betongo/betongo/benchmarks/result"
	"github.com/betongo/betongo/internal/term"
)

// setUp returns the interpreters of the environments that the steps need, by name, and what failed.
func (f *flags) setUp(e *env, steps []step, install bool) (pythons map[string]string, failed map[string]error, err error) {
	if install && f.Apt && !f.Offline {
		if err := apt(e); err != nil {
			e.say("%v", err) // what lacks it fails below
		}
	}
	have := map[string]string{}
	for name, dir := range f.Venv {
		have[name] = dir
	}
	if f.FFCV != "" {
		have["ffcv"] = f.FFCV
	}
	var systems []peer.System
	for _, s := range steps {
		systems = append(systems, *s.system)
	}
	known := peer.Names(peer.Systems)
	for name := range have {
		if !slices.Contains(known, name) {
			return nil, nil, term.Usagef("--venv %s: no environment has that name; there are %s", name, strings.Join(known, ", "))
		}
	}
	setup := &peer.SetUp{Dir: filepath.Join(f.Dir, "env"), Python: f.Python, Have: have, Never: f.Offline || !install, Log: e.stderr}
	pythons, failed = map[string]string{}, map[string]error{}
	for _, name := range peer.Names(systems) {
		python, err := setup.Do(e.ctx, name)
		if e.ctx.Err() != nil {
			return nil, nil, e.ctx.Err()
		}
		if err != nil {
			failed[name] = err
			continue
		}
		pythons[name] = python
	}
	return pythons, failed, nil
}

// apt installs what the other systems need of a Debian system.
func apt(e *env) error {
	args := append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, peer.Packages...)
	if os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	e.say("%s", strings.Join(args, " "))
	cmd := exec.CommandContext(e.ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, out)
	}
	return nil
}

// seed is that of the photographs.
const seed = 1234

// photographs returns the folder of the photographs, which it makes where they are not there, and what
// the results say of them.
func (f *flags) photographs(e *env, module string) (dir string, p result.Photos, err error) {
	if f.Photos != "" {
		if dir, err = filepath.Abs(f.Photos); err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err != nil {
			return "", p, err
		}
		p.Made = "given"
		p.Count, p.Bytes, p.Digest, err = photo.Measure(dir)
		if err == nil && p.Count == 0 {
			err = fmt.Errorf("%s: no files", dir)
		}
		return dir, p, err
	}
	dir = filepath.Join(f.Dir, fmt.Sprintf("photos-%d", f.Count))
	if f.Quick {
		dir += "-quick"
	}
	note := dir + ".json"
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &p) == nil {
		return dir, p, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", p, err
	}
	sources, made, err := f.sources(e, module)
	if err != nil {
		return "", p, err
	}
	bar := term.NewProgress(e.stderr, prog, "photographs", int64(f.Count))
	err = photo.Make(e.ctx, dir, f.Count, sources, seed, func(done int) { bar.Set(int64(done), int64(f.Count)) })
	bar.Clear()
	if err != nil {
		return "", p, errors.Join(err, os.RemoveAll(dir))
	}
	if p.Count, p.Bytes, p.Digest, err = photo.Measure(dir); err != nil {
		return "", p, err
	}
	p.Made = made
	text, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(note, text, 0o666)
	}
	return dir, p, errors.Join(err, os.RemoveAll(filepath.Join(f.Dir, "wallpapers")))
}

// least is how many bytes a wallpaper has at least; smaller ones are thumbnails.
const least = 300_000

// sources returns pictures to cut photographs from, and what they are, in words: Debian's wallpapers,
// fetched or installed, else the repository's own few.
func (f *flags) sources(e *env, module string) (list []string, made string, err error) {
	if !f.Quick {
		dir := filepath.Join(f.Dir, "wallpapers")
		var got []string
		if err = errors.New("offline"); !f.Offline {
			e.say("fetching wallpapers to cut photographs from")
			got, err = photo.Fetch(e.ctx, dir)
		}
		if err == nil {
			list, err = photo.Sources(least, dir)
			if err == nil && len(list) > 0 {
				return list, fmt.Sprintf("crops of %d pictures of Debian's %s", len(list), strings.Join(got, ", ")), nil
			}
		}
		if e.ctx.Err() != nil {
			return nil, "", e.ctx.Err()
		}
		e.say("no wallpapers could be fetched (%v)", err)
		if list, err = photo.Sources(least, "/usr/share/backgrounds", "/usr/share/wallpapers"); err == nil && len(list) > 20 {
			return list, fmt.Sprintf("crops of the %d wallpapers of this machine", len(list)), nil
		}
	}
	list, err = photo.Sources(0, filepath.Join(module, "testdata", "photos"))
	if err == nil && len(list) == 0 {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, "", fmt.Errorf("the repository's photographs: %w", err)
	}
	return list, fmt.Sprintf("made from the %d small photographs in testdata, again and again", len(list)), nil
}

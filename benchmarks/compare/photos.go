package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// preparePhotos writes the files of photographs and says what is done with
// them. The pipelines are those of ffcv bench.
func (r *runner) preparePhotos(ctx context.Context, g *grammar) ([]duel, error) {
	photos, err := filepath.Abs(g.Photos)
	if err == nil {
		photos, err = filepath.EvalSymlinks(photos)
	}
	if err != nil {
		return nil, err
	}
	theirs := func(mode string, resolution int) func(to string) error {
		return func(to string) error {
			_, err := r.output(ctx, r.python, filepath.Join(r.scripts, "ffcv_write.py"), photos, to, mode,
				strconv.Itoa(resolution), strconv.Itoa(r.workers))
			return err
		}
	}
	ours := func(from string, flags ...string) func(to string) error {
		return func(to string) error {
			_, err := r.output(ctx, r.writer, append([]string{"folder", from, "-o", to, "--force", "--json"}, flags...)...)
			return err
		}
	}
	files := map[string]func(to string) error{
		"ffcv.beton": theirs("jpg", 500),
		"raw.beton":  theirs("raw", 256),
		"ours.beton": ours(photos, "--max-resolution", "500", "--quality", "90", "--reencode", "always"),
		"kept.beton": ours(photos),
	}
	if g.Memory > 0 {
		files = map[string]func(to string) error{"raw.beton": files["raw.beton"]}
	}
	tran, tranErr := exec.LookPath("jpegtran")
	switch {
	case g.Memory > 0:
	case tranErr == nil:
		files["optimised.beton"] = func(to string) error {
			folder := filepath.Join(r.dir, "optimised")
			if err := optimise(ctx, tran, folder, photos); err != nil {
				return err
			}
			return ours(folder)(to)
		}
	default:
		fmt.Fprintf(r.stderr, "%s: no jpegtran: without photographs with Huffman tables of their own\n", prog)
	}
	for name, write := range files {
		to := filepath.Join(r.dir, name)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		fmt.Fprintf(r.stderr, "%s: writing %s\n", prog, name)
		if err := write(to + ".part"); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.Rename(to+".part", to); err != nil {
			return nil, err
		}
	}
	if g.Memory > 0 {
		return r.limited(g), nil
	}
	return r.duels(g, tranErr == nil), nil
}

// limited pairs what is loaded in little memory.
func (r *runner) limited(g *grammar) []duel {
	size := strconv.FormatInt(int64(g.Memory), 10)
	in := func(what, order string, flags ...string) work {
		return work{what: what, file: filepath.Join(r.dir, "raw.beton"), pipeline: "rrc224", flags: flags, order: order,
			alone: order != "quasi"}
	}
	var list []duel
	for _, cold := range []bool{false, true} {
		state := "warm"
		if cold {
			state = "cold"
		}
		d := duel{ffcv: in("", "quasi"), order: "quasi", batch: g.Batch, epochs: max(3, g.Epochs/2), limited: true, cold: cold}
		for _, order := range []string{"quasi", "random", "sequential"} {
			d.ours = append(d.ours, in(state+", "+order, order, "--memory", size),
				in(state+", "+order+", direct", order, "--memory", size, "--direct"))
		}
		list = append(list, d)
	}
	return list
}

// duels pairs what is loaded of photographs.
func (r *runner) duels(g *grammar, optimised bool) []duel {
	in := func(name, what, pipeline string) work {
		return work{what: what, file: filepath.Join(r.dir, name), pipeline: pipeline}
	}
	alone := func(w work) work { w.alone = true; return w }
	crops := []work{
		in("ours.beton", "rrc224, our file", "rrc224"),
		in("ffcv.beton", "rrc224, FFCV's file", "rrc224"),
		alone(in("kept.beton", "rrc224, photographs kept as they are", "rrc224")),
	}
	if optimised {
		crops = append(crops, alone(in("optimised.beton", "rrc224, kept, Huffman tables of their own", "rrc224")))
	}
	ffcv := func(name, pipeline string) work { return in(name, "", pipeline) }
	list := []duel{
		{ffcv: ffcv("ffcv.beton", "rrc224"), ours: crops},
		{ffcv: ffcv("ffcv.beton", "rrc224f32"), ours: []work{in("ours.beton", "rrc224f32, our file", "rrc224f32")}},
		{ffcv: ffcv("ffcv.beton", "cc224"), ours: []work{in("ours.beton", "cc224, our file", "cc224")}},
		{ffcv: ffcv("raw.beton", "rrc224"), ours: []work{in("raw.beton", "rrc224, FFCV's raw file of 256 px", "rrc224")}},
	}
	for i := range list {
		list[i].order, list[i].batch, list[i].epochs = "random", g.Batch, max(2, g.Epochs/2)
	}
	return list
}

// optimise copies photographs, each with the Huffman tables that suit it.
func optimise(ctx context.Context, jpegtran, to, from string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o777)
		}
		out, err := exec.CommandContext(ctx, jpegtran, "-copy", "all", "-optimize", "-outfile", filepath.Join(to, rel), name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w\n%s", jpegtran, name, err, out)
		}
		return nil
	})
}

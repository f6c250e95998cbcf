package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/testdata/photos"
)

type demoCommand struct {
	Folder  string        `arg:"" optional:"" complete:"dir" help:"A folder of class folders with photographs; by default a few dozen that this command brings along."`
	Output  string        `short:"o" complete:"dir" placeholder:"DIR" help:"What to write: a path. The folder for demo.beton and demo.png; by default a new one among the temporary files."`
	AtLeast time.Duration `name:"time" default:"2s" placeholder:"TIME" help:"How long to load at least (default 2s); longer gives steadier figures."`
	JSON    bool          `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
}

// The demo's batches.
const (
	demoBatch = 32
	demoSeed  = 1
	sheetRow  = 8 // pictures in a row of the contact sheet
)

// demo is what the verb did.
type demo struct {
	photos, classes int
	from            string // where the photographs came from
	beton, sheet    string // files
	pageSize        int64  // 0: the default
	written         ffcv.Stats
	packing         time.Duration
	epochs, loaded  int
	wall, cpu       time.Duration
	shown           int
}

// Run is kong's hook.
func (c *demoCommand) Run(e *env) (err error) {
	if c.Output == "" {
		if c.Output, err = os.MkdirTemp("", "ffcv-demo-"); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				os.RemoveAll(c.Output)
			}
		}()
	} else if err := os.MkdirAll(c.Output, 0o777); err != nil {
		return err
	}
	d := demo{
		from:  c.Folder,
		beton: filepath.Join(c.Output, "demo.beton"),
		sheet: filepath.Join(c.Output, "demo.png"),
	}
	folder := c.Folder
	if folder == "" {
		if folder, err = os.MkdirTemp("", "ffcv-photos-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		if err := os.CopyFS(folder, photos.FS); err != nil {
			return fmt.Errorf("copy photographs: %w", err)
		}
		d.pageSize = ffcv.MinPageSize // the default would be mostly empty
		d.from = "brought along, CC0 and CC-BY; authors: testdata/photos/README.md"
	}
	if err := d.pack(e, folder); err != nil {
		return err
	}
	if err := d.load(e.ctx, c.AtLeast); err != nil {
		return err
	}
	if c.JSON {
		return d.printJSON(e)
	}
	return d.print(e)
}

// demoResult is what the verb prints as JSON, a contract with other programs.
type demoResult struct {
	Photos       int     `json:"photos"`
	Classes      int     `json:"classes"`
	File         string  `json:"file"`
	Bytes        int64   `json:"bytes"`
	Sheet        string  `json:"sheet"`
	Epochs       int     `json:"epochs"`
	Samples      int     `json:"samples"` // that were loaded
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"samples_per_s"`
	CPUPerSample float64 `json:"cpu_ms_per_sample"`
}

func (d *demo) printJSON(e *env) error {
	seconds, n := d.wall.Seconds(), float64(d.loaded)
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(demoResult{d.photos, d.classes, d.beton, d.written.Bytes, d.sheet, d.epochs, d.loaded, seconds, n / seconds, 1000 * d.cpu.Seconds() / n})
}

// pack writes the photographs, as they are, and their labels.
func (d *demo) pack(e *env, folder string) error {
	start := time.Now()
	src, err := source.OpenFolder(e.ctx, folder, nil)
	if err != nil {
		return err
	}
	defer src.Close()
	for _, s := range src.Skipped() {
		term.Say(e.stderr, prog, "note", "left out: "+s.Path+": "+s.Reason)
	}
	var specs []ffcv.FieldSpec
	for _, f := range src.Fields() {
		specs = append(specs, ffcv.FieldSpec{Name: f.Name, Field: f.Field})
	}
	progress := term.NewProgress(e.stderr, prog, "photos", int64(src.Len()))
	defer progress.Clear()
	w, err := ffcv.Create(d.beton, specs, &ffcv.Options{
		PageSize:  d.pageSize,
		Overwrite: true,
		Classes:   src.Classes(),
		Progress:  func(p ffcv.Progress) { progress.Set(int64(p.Done), int64(p.Total)) },
	})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.WriteDataset(e.ctx, src, nil); err != nil {
		return err
	}
	d.photos, d.classes, d.written, d.packing = src.Len(), len(src.Classes()), w.Stats(), time.Since(start)
	return nil
}

// load loads epochs for at least the given time and keeps a picture of the
// first batch.
func (d *demo) load(ctx context.Context, atLeast time.Duration) error {
	f, err := ffcv.Open(d.beton, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	outputs, err := pipeline(f, "rrc224", shape{})
	if err != nil {
		return err
	}
	l, err := loader.New(f, &loader.Options{BatchSize: demoBatch, Order: loader.Random, Seed: demoSeed, Outputs: outputs})
	if err != nil {
		return err
	}
	defer l.Close()
	image := f.Fields()[firstImage(f)].Name
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return err
		}
		err = d.show(b.Output(image), b.Len())
		b.Release()
		if err != nil {
			return fmt.Errorf("contact sheet: %w", err)
		}
		break
	}
	cpu, err := usage.CPU()
	if err != nil {
		return err
	}
	start := time.Now()
	for ; d.epochs == 0 || d.wall < atLeast; d.epochs++ {
		epoch, _, err := runEpoch(ctx, l, d.epochs, func(int) {})
		if err != nil {
			return err
		}
		d.loaded += epoch.Samples
		d.wall = time.Since(start)
	}
	after, err := usage.CPU()
	d.cpu = after - cpu
	return err
}

// firstImage returns the index of the first image field.
func firstImage(f *ffcv.File) int {
	for i, d := range f.Fields() {
		if d.Type == fields.TypeRGBImage {
			return i
		}
	}
	return -1
}

// show writes the contact sheet of a batch.
func (d *demo) show(images loader.Column, n int) (err error) {
	pictures := make([]rgb.Image, n)
	for i := range pictures {
		pictures[i] = rgb.Image{Width: cropSide, Height: cropSide, Pix: images.Row(i).Data}
	}
	sheet, err := rgb.ContactSheet(pictures, min(sheetRow, n), cropSide)
	if err != nil {
		return err
	}
	f, err := os.Create(d.sheet)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	d.shown = n
	return png.Encode(f, sheet)
}

func (d *demo) print(e *env) error {
	seconds, count := d.wall.Seconds(), float64(d.loaded)
	t := tabwriter.NewWriter(e.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "photographs\t%s in %d classes (%s)\n", term.FormatCount(int64(d.photos)), d.classes, d.from)
	fmt.Fprintf(t, "packed\t%s: %s in %.0f ms\n", d.beton, term.FormatSize(d.written.Bytes), 1000*d.packing.Seconds())
	fmt.Fprintf(t, "loaded\t%d shuffled epochs, random resized crop to 224x224 and flip, batches of %d\n", d.epochs, demoBatch)
	fmt.Fprintf(t, "speed\t%s photos in %.1f s: %s photos/s, %.2f CPU-ms a photo\n", term.FormatCount(int64(d.loaded)), seconds,
		term.FormatCount(int64(count/seconds)), 1000*d.cpu.Seconds()/count)
	fmt.Fprintf(t, "contact sheet\t%s: %d photos of one augmented batch\n", d.sheet, d.shown)
	return t.Flush()
}

// Command load is this module's own system among the benchmarks' peers: it
// loads a .beton as the job on its command line says (JSON, as common.py has it)
// and says on standard output when it begins and ends, so that the harness
// reads its clocks then.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// job is what is to be done.
type job struct {
	Work    string  `json:"work"`
	Mode    string  `json:"mode"` // bilinear, exact or neither
	Data    string  `json:"data"`
	Draws   int     `json:"draws"`
	Workers int     `json:"workers"`
	Batch   int     `json:"batch"`
	Seconds float64 `json:"seconds"`
}

const side = 224

var (
	mean = [3]float64{0.485 * 255, 0.456 * 255, 0.406 * 255}
	std  = [3]float64{0.229 * 255, 0.224 * 255, 0.225 * 255}
)

func main() {
	if err := run(term.Context(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("want one argument, a job")
	}
	var j job
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	say(map[string]any{"mark": "versions", "text": runtime.Version()})
	f, err := ffcv.Open(j.Data, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	if strings.HasPrefix(j.Work, "random-access") {
		return j.access(f)
	}
	return j.epochs(ctx, f)
}

// output says how the first field is loaded.
func (j *job) output() (loader.Output, error) {
	filter, exact := rgb.Area, j.Mode == "exact"
	if j.Mode == "bilinear" {
		filter = rgb.Bilinear
	}
	crop := transform.RandomResizedCrop{Width: side, Height: side, Filter: filter, Exact: exact}
	flip := transform.HorizontalFlip{}
	switch j.Work {
	case "epoch-rows":
		return loader.Output{Name: "x"}, nil
	case "epoch-rrc224-u8", "epoch-raw":
		return loader.Output{Name: "image", Decoder: crop, Ops: []any{flip}}, nil
	case "epoch-rrc224-f32":
		ops := []any{flip, transform.Normalize{Mean: mean, Std: std}, transform.ToCHW{}}
		return loader.Output{Name: "image", Decoder: crop, Ops: ops}, nil
	case "epoch-cc224-u8":
		decoder := transform.CenterCrop{Width: side, Height: side, Filter: filter, Exact: exact}
		return loader.Output{Name: "image", Decoder: decoder}, nil
	}
	return loader.Output{}, fmt.Errorf("no work %q", j.Work)
}

// epochs loads as many as the job's seconds hold.
func (j *job) epochs(ctx context.Context, f *ffcv.File) error {
	out, err := j.output()
	if err != nil {
		return err
	}
	l, err := loader.New(f, &loader.Options{BatchSize: j.Batch, Workers: j.Workers, Order: loader.Random,
		Outputs: []loader.Output{out}})
	if err != nil {
		return err
	}
	defer l.Close()
	clock(map[string]any{"mark": "begin"})
	begun, samples := time.Now(), 0
	for epoch := 0; epoch == 0 || time.Since(begun).Seconds() < j.Seconds; epoch++ {
		for b, err := range l.Epoch(ctx, epoch) {
			if err != nil {
				return err
			}
			if samples == 0 {
				say(map[string]any{"mark": "first"})
			}
			samples += b.Len()
			b.Release()
		}
	}
	clock(map[string]any{"mark": "end", "samples": samples})
	return nil
}

// access reads samples at random, each once before it counts.
func (j *job) access(f *ffcv.File) error {
	image, label := f.FieldIndex("image"), f.FieldIndex("label")
	if image < 0 || label < 0 {
		return errors.New("want the fields image and label")
	}
	var stored []byte
	var pixels rgb.Image
	var scratch rgb.Scratch
	get := func(i int) error {
		e, err := f.Image(i, image)
		if err != nil {
			return err
		}
		if _, err := f.Int(i, label); err != nil {
			return err
		}
		if j.Work == "random-access-decoded" {
			return scratch.Load(&pixels, e)
		}
		stored = append(stored[:0], e.Data...)
		return nil
	}
	rng := rand.New(rand.NewPCG(1, 1))
	draws := make([]int, j.Draws)
	for i := range draws {
		draws[i] = rng.IntN(f.Len())
		if err := get(draws[i]); err != nil {
			return err
		}
	}
	times := make([]float64, len(draws))
	clock(map[string]any{"mark": "begin"})
	for n, i := range draws {
		begun := time.Now()
		if err := get(i); err != nil {
			return err
		}
		times[n] = time.Since(begun).Seconds()
	}
	clock(map[string]any{"mark": "end", "samples": len(draws)})
	slices.Sort(times)
	say(map[string]any{"mark": "latency", "p50": times[len(times)/2], "p99": times[len(times)*99/100]})
	return nil
}

// say tells the harness something.
func say(mark map[string]any) {
	text, err := json.Marshal(mark)
	if err == nil {
		os.Stdout.Write(append(text, '\n'))
	}
}

var answers = bufio.NewReader(os.Stdin)

// clock has the harness read its clocks, and waits until it has.
func clock(mark map[string]any) {
	if used, err := usage.CPU(); err == nil {
		mark["cpu"] = used.Seconds()
	}
	say(mark)
	answers.ReadString('\n')
}

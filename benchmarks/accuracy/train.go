package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

//go:embed train.py
var script string

// The pipelines.
const (
	fast   = "fast"
	exact  = "exact"
	theirs = "FFCV"
)

// trainer trains networks on the files in its folder.
type trainer struct {
	python              string
	dir                 string
	epochs, batch, size int

	classes          int
	samples, heldOut int    // photographs to train with and held out
	held             []byte // the held-out photographs, as sent
}

// prepare writes the files and renders the held-out photographs, once for all
// networks.
func (t *trainer) prepare(ctx context.Context, folder fs.FS, names []string) error {
	train, held, err := split(folder, names)
	if err != nil {
		return err
	}
	t.classes, t.samples, t.heldOut = len(names), len(train), len(held)
	if t.steps() == 0 {
		return fmt.Errorf("%d photographs to train with, want a batch of %d at least", t.samples, t.batch)
	}
	if err := pack(ctx, t.file("train"), folder, train); err != nil {
		return fmt.Errorf("write the photographs to train with: %w", err)
	}
	if err := pack(ctx, t.file("held"), folder, held); err != nil {
		return fmt.Errorf("write the held-out photographs: %w", err)
	}
	var b bytes.Buffer
	crop := transform.CenterCrop{Width: t.size, Height: t.size, Ratio: 224. / 256, Exact: true}
	err = t.send(ctx, &b, "held", 1, &loader.Options{
		BatchSize: t.heldOut, Outputs: []loader.Output{{Name: "image", Decoder: crop}},
	})
	t.held = b.Bytes()
	return err
}

func (t *trainer) file(name string) string { return filepath.Join(t.dir, name+".beton") }

// steps is how many batches an epoch has; what is left is dropped.
func (t *trainer) steps() int { return t.samples / t.batch }

// run trains one network and returns its top-1 in percent. The process gets the
// held-out photographs first, then, unless FFCV loads them, every batch.
func (t *trainer) run(ctx context.Context, pipeline string, seed int) (float64, error) {
	file := ""
	if pipeline == theirs {
		file = t.file("train")
	}
	args := []string{"-c", script}
	for _, v := range []int{t.classes, t.size, t.epochs, t.batch, t.steps(), seed, int(t.order(seed))} {
		args = append(args, strconv.Itoa(v))
	}
	cmd := exec.CommandContext(ctx, t.python, append(args, file)...)
	cmd.Dir = t.dir // where no folder named ffcv is taken for the library
	var out, noise strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &noise
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	_, err = in.Write(t.held)
	if err == nil && pipeline != theirs {
		err = t.feed(ctx, in, pipeline, seed)
	}
	in.Close()
	if e := cmd.Wait(); e != nil {
		err = errors.Join(err, fmt.Errorf("train: %w\n%s", e, noise.String()))
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(out.String()), 64)
}

// order is the seed of a run's order, which both loaders take from
// seed + epoch: no two runs share an epoch's.
func (t *trainer) order(seed int) uint64 { return uint64(seed * t.epochs) }

// feed sends the epochs' batches.
func (t *trainer) feed(ctx context.Context, w io.Writer, pipeline string, seed int) error {
	image := loader.Output{Name: "image", Decoder: transform.RandomResizedCrop{Width: t.size, Height: t.size, Exact: pipeline == exact}}
	image.Ops = append(image.Ops, transform.HorizontalFlip{})
	return t.send(ctx, w, "train", t.epochs, &loader.Options{
		BatchSize: t.batch, Order: loader.Random, Seed: t.order(seed), DropLast: true, Workers: 2, Outputs: []loader.Output{image},
	})
}

// send writes a file's batches: uint32 number of samples, their labels as
// int64, their pixels.
func (t *trainer) send(ctx context.Context, w io.Writer, name string, epochs int, opts *loader.Options) error {
	f, err := ffcv.Open(t.file(name), nil)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := loader.New(f, opts)
	if err != nil {
		return err
	}
	defer l.Close()
	for epoch := range epochs {
		for b, err := range l.Epoch(ctx, epoch) {
			if err != nil {
				return err
			}
			err = binary.Write(w, binary.LittleEndian, uint32(b.Len()))
			for _, output := range []string{"label", "image"} {
				if err == nil {
					_, err = w.Write(b.Output(output).Data)
				}
			}
			b.Release()
			if err != nil {
				return fmt.Errorf("send a batch: %w", err)
			}
		}
	}
	return nil
}

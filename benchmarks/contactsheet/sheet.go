package main

import (
	"context"
	"fmt"
	"os"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// A sheet is a contact sheet.
type sheet struct {
	name    string
	picture rgb.Image
}

// sheets makes all sheets.
func sheets() (all []sheet, err error) {
	dir, err := os.MkdirTemp("", prog)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := store(dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for _, k := range kinds {
		pictures, err := k.make(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		p, err := lay(pictures)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		all = append(all, sheet{k.name, p})
	}
	return all, nil
}

// seeds are how many outcomes a random operation's sheet has, for seeds 1, 2 …;
// before them stands what it works on.
const seeds = 2*columns - 1

// batch makes the first batch of an epoch and calls look with it.
func batch(f *ffcv.File, seed uint64, outputs []loader.Output, look func(*loader.Batch)) error {
	l, err := loader.New(f, &loader.Options{BatchSize: f.Len(), Workers: 1, Seed: seed, Outputs: append(outputs, rest(f, outputs)...)})
	if err != nil {
		return err
	}
	defer l.Close()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			return err
		}
		look(b)
		b.Release()
	}
	return nil
}

// rest leaves out the fields that no output is of.
func rest(f *ffcv.File, outputs []loader.Output) (left []loader.Output) {
	for _, field := range f.Fields() {
		used := false
		for _, o := range outputs {
			used = used || o.Field == field.Name || o.Field == "" && o.Name == field.Name
		}
		if !used {
			left = append(left, loader.Output{Name: field.Name, Disabled: true})
		}
	}
	return left
}

// originals are a dataset's photographs as they are stored.
func originals(f *ffcv.File) (list []rgb.Image, err error) {
	var failed error
	err = batch(f, 0, []loader.Output{{Name: "image", Decoder: loader.Raw{}}}, func(b *loader.Batch) {
		for i := range b.Len() {
			var p rgb.Image
			if err := rgb.Decode(&p, b.Output("image").Value(i)); err != nil && failed == nil {
				failed = err
			}
			list = append(list, p)
		}
	})
	if err == nil {
		err = failed
	}
	return list, err
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/splice"
)

// splicing makes a case's file out of other files, in a folder for them. It
// returns which sample each row holds.
type splicing func(c *testCase, dir, path string) (order []int, err error)

// spliced are files made out of files, with pages copied and with values placed
// anew.
func spliced() []testCase {
	many := []column{blobs("a", func(i int) int { return 200_000 + i*7919 }), index(), blobs("b", func(i int) int { return i % 3 * 5000 })}
	empty := []column{blobs("b", func(i int) int { return i % 2 * 100 }), index(), blobs("c", func(i int) int { return i % 3 })}
	scalars := []column{index(), floats("f"), ints("large", func(i int) int64 { return -1 << 63 >> (i % 64) })}
	var list []testCase
	for _, c := range []testCase{
		{name: "merge", n: 200, columns: everything(), make: merge(false, 40, 41, 130)},
		{name: "merge_repack", n: 200, columns: everything(), make: merge(true, 40, 41, 130)},
		{name: "merge_pages", n: 120, columns: many, make: merge(false, 1, 70)},
		{name: "merge_empty", n: 120, columns: empty, make: merge(false, 30, 30, 60)},
		{name: "merge_scalars", n: 1000, columns: scalars, make: merge(false, 300)},
		{name: "merge_moved", n: 150_000, columns: moved(), make: merge(false, 70_000), flags: []string{"--quick"}},
		{name: "subset_stored", n: 100, columns: everything(), make: subset},
		{name: "split_part", n: 100, columns: everything(), make: splitPart},
		{name: "add_scalar", n: 150, columns: append(everything(), ints("more", func(i int) int64 { return int64(i * i) })), make: add(1)},
		{name: "add_arrays", n: 150, columns: append(many[:2:2], arrays("v", "<f4", false, 1000), blobs("z", func(i int) int { return i * 100 })), make: add(2)},
		{name: "append", n: 140, columns: everything(), make: appendTo(90)},
		{name: "append_scalars", n: 140, columns: scalars, make: appendTo(90)},
	} {
		c.opts.PageSize = 2 * mib
		list = append(list, c)
	}
	return list
}

// part writes samples lo to hi of a case as a file of their own, with the first
// columns only, and opens it.
func (c *testCase) part(dir, name string, lo, hi, columns int) (*ffcv.File, error) {
	d := *c
	d.name, d.make, d.columns = name, nil, c.columns[:columns]
	d.data = &ffcv.DatasetOptions{Indices: numbers(lo, hi)}
	if err := d.write(dir); err != nil {
		return nil, err
	}
	custom := map[string]fields.Field{}
	for _, col := range d.columns {
		if col.field.TypeID() == fields.TypeCustom {
			custom[col.name] = col.field
		}
	}
	return ffcv.Open(filepath.Join(dir, name+".beton"), &ffcv.OpenOptions{Custom: custom})
}

func numbers(lo, hi int) []int {
	list := []int{}
	for i := lo; i < hi; i++ {
		list = append(list, i)
	}
	return list
}

func merge(repack bool, cuts ...int) splicing {
	return func(c *testCase, dir, path string) ([]int, error) {
		var files []*ffcv.File
		lo := 0
		for k, hi := range append(cuts, c.n) {
			f, err := c.part(dir, fmt.Sprint(k), lo, hi, len(c.columns))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			files, lo = append(files, f), hi
		}
		_, err := splice.Merge(context.Background(), path, files, &splice.Options{Overwrite: true, Repack: repack})
		return numbers(0, c.n), err
	}
}

func subset(c *testCase, dir, path string) ([]int, error) {
	f, err := c.part(dir, "whole", 0, c.n, len(c.columns))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	order := []int{99, 0, 7, 7, 50, 51, 1}
	_, err = splice.Subset(context.Background(), path, f, splice.Selection{Indices: order}, &splice.Options{Overwrite: true})
	return order, err
}

func splitPart(c *testCase, dir, path string) ([]int, error) {
	f, err := c.part(dir, "whole", 0, c.n, len(c.columns))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parts := []splice.Part{{Path: filepath.Join(dir, "first.beton"), Share: 0.4}, {Path: path, Share: 0.6}}
	_, err = splice.Split(context.Background(), f, parts, &splice.SplitOptions{Shuffle: true, Seed: 3, Options: splice.Options{Overwrite: true}})
	var order []int
	at := ffcv.Shuffled(c.n, 3)
	for i := c.n * 4 / 10; i < c.n; i++ {
		order = append(order, at(i))
	}
	return order, err
}

func add(last int) splicing {
	return func(c *testCase, dir, path string) ([]int, error) {
		n := len(c.columns) - last
		f, err := c.part(dir, "narrow", 0, c.n, n)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		var more []splice.Column
		for _, col := range c.columns[n:] {
			more = append(more, splice.Column{Name: col.name, Field: col.field, Len: c.n, At: func(i int) (any, error) { return col.value(i), nil }})
		}
		_, err = splice.Add(context.Background(), path, f, more, &splice.Options{Overwrite: true})
		return numbers(0, c.n), err
	}
}

func appendTo(n int) splicing {
	return func(c *testCase, dir, path string) ([]int, error) {
		f, err := c.part(dir, "old", 0, n, len(c.columns))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		opts := &splice.AppendOptions{Fields: map[string]fields.Field{}, Options: splice.Options{Overwrite: true}}
		for _, col := range c.columns {
			opts.Fields[col.name] = col.field
		}
		_, err = splice.Append(context.Background(), path, f, &rest{c, n}, opts)
		return numbers(0, c.n), err
	}
}

// rest is a case's samples from one on.
type rest struct {
	*testCase
	from int
}

func (r *rest) Len() int { return r.n - r.from }

func (r *rest) Sample(ctx context.Context, i int) ([]any, string, error) {
	return r.testCase.Sample(ctx, r.from+i)
}

// splice makes the case's file; what it is made of is gone afterwards.
func (c *testCase) splice(dir, path string) ([]int, error) {
	parts, err := os.MkdirTemp(dir, c.name)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(parts)
	return c.make(c, parts, path)
}

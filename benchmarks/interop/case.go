package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

const mib = 1 << 20

// everything has a column of every kind, with members of all alignments
// beside each other.
func everything() []column {
	small := func(i int) (w, h int) { return 3 + i%9*2, 1 + i%7 }
	return []column{
		images("raw", fields.RGBImage{Mode: fields.ModeRaw}, small),
		blobs("b", func(i int) int { return i * i % 700 }),
		index(),
		documents("doc"),
		customs("flag", "|u1", 1),
		images("jpg", fields.RGBImage{Mode: fields.ModeJPEG}, func(i int) (w, h int) { return 40 + i%30, 30 + i%20 }),
		floats("f"),
		arrays("vector", "<f4", false, 5),
		customs("u4", "<u4", 4),
		arrays("tensor", "<i8", true, 2, 3),
		customs("flag2", "|u1", 1),
	}
}

// cases are the files that need no other input.
func cases() []testCase {
	list := kinds()
	list = append(list, layouts()...)
	list = append(list, pages()...)
	list = append(list, selections()...)
	return append(list, spliced()...)
}

// kinds are files for each kind of field.
func kinds() []testCase {
	square := func(int) (w, h int) { return 32, 24 }
	varied := func(i int) (w, h int) { return 90 + i%40, 60 + i%50 }
	var list []testCase
	for _, c := range []testCase{
		{name: "int", n: 1000, columns: []column{index(), ints("large", func(i int) int64 { return -1 << 63 >> (i % 64) })}},
		{name: "float", n: 1000, columns: []column{floats("f"), index()}},
		{name: "bytes", n: 300, columns: []column{blobs("b", func(i int) int { return i * i * 37 % 5000 })}},
		{name: "bytes_empty", n: 200, columns: []column{blobs("b", func(i int) int { return i % 2 * 100 }), index(), blobs("c", func(i int) int { return i % 3 })}},
		{name: "json", n: 100, columns: []column{documents("doc"), index()}},
		{name: "arrays", n: 60, columns: []column{
			arrays("f4", "<f4", false, 7), arrays("f8", "<f8", false, 2, 3), arrays("u1", "|u1", false, 2, 3, 4),
			arrays("i2", "<i2", false, 11), arrays("i4", "<i4", false, 1), arrays("i8", "<i8", false, 1, 1, 1, 1, 1, 2),
			arrays("bool", "|b1", false, 9), arrays("i1", "|i1", false, 3), arrays("be", ">i4", false, 4), arrays("f2", "<f2", false, 4)}},
		{name: "tensors", n: 60, columns: []column{arrays("t", "<f4", true, 3, 5), arrays("u", "|u1", true, 7), arrays("l", "<i8", true, 2)}},
		{name: "custom", n: 100, columns: []column{customs("a", "|u1", 1), index(), customs("b", "<i2", 2), customs("c", "<u4", 4), customs("d", "|u1", 1)}},
		{name: "rgb_raw", n: 100, columns: []column{images("image", fields.RGBImage{Mode: fields.ModeRaw}, square), index()}},
		{name: "rgb_raw_varied", n: 100, columns: []column{images("image", fields.RGBImage{Mode: fields.ModeRaw}, varied), index()}},
		{name: "rgb_jpg", n: 100, columns: []column{images("image", fields.RGBImage{}, varied), index()}},
		{name: "rgb_smart", n: 100, columns: []column{images("image", fields.RGBImage{Mode: fields.ModeSmart, SmartThreshold: 25_000}, varied), index()}},
		{name: "rgb_proportion", n: 100, columns: []column{images("image", fields.RGBImage{Mode: fields.ModeProportion, CompressProbability: 0.3}, varied), index()}},
		{name: "lz4", n: 120, columns: []column{
			packed(texts("text", func(i int) int { return i * i * 37 % 5000 })), index(), packed(articles("article")),
			packed(counts("i2", "<i2", false, 20, 20)), packed(counts("i4", "<i4", false, 3, 1001)), packed(counts("f8", "<f8", true, 65)),
			packed(arrays("flags", "|b1", false, 900))}, flags: []string{"--quick"}},
		{name: "everything", n: 200, columns: everything()},
		{name: "one", n: 1, columns: everything()},
	} {
		for _, workers := range []int{1, 4} {
			d := c
			d.name = fmt.Sprintf("%s_w%d", c.name, workers)
			d.opts = ffcv.Options{Workers: workers, PageSize: 2 * mib, Plain: workers == 1, Classes: []string{"ant", "bee"}}
			d.data = &ffcv.DatasetOptions{ChunkSize: 7}
			list = append(list, d)
		}
	}
	return list
}

// layouts are files whose rows mix members in other orders.
func layouts() []testCase {
	var list []testCase
	all := everything()
	for k := range 5 {
		var columns []column
		for i := range all {
			columns = append(columns, all[(i*(2*k+1)+k)%len(all)])
		}
		list = append(list, testCase{name: fmt.Sprintf("layout%d", k), n: 50, columns: columns, opts: ffcv.Options{PageSize: 2 * mib}})
	}
	for k := range all {
		if name := all[k].name; name == "raw" || name == "b" || name == "vector" || name == "doc" {
			list = append(list, testCase{name: "only_" + name, n: 33, columns: all[k : k+1], opts: ffcv.Options{PageSize: 2 * mib, Workers: 4}})
		}
	}
	return list
}

// pages are files of many pages, of several page sizes, and of samples that
// fill them or don't fit.
func pages() []testCase {
	var list []testCase
	for _, size := range []int64{2 * mib, 4 * mib, 0, 32 * mib} {
		for _, workers := range []int{1, 4} {
			list = append(list, testCase{
				name: fmt.Sprintf("pages%d_w%d", size/mib, workers), n: 60,
				columns: []column{blobs("a", func(i int) int { return 300_000 + i*7919 }), index(), blobs("b", func(i int) int { return i * 5000 })},
				opts:    ffcv.Options{PageSize: size, Workers: workers},
			})
		}
	}
	sizes := []int{2*mib - 1, 1, 2*mib - 2, 1, mib, mib - 1, 1, 0, 700_001, 700_002, 700_003}
	list = append(list, testCase{
		name: "page_edges", n: len(sizes),
		columns: []column{blobs("a", func(i int) int { return sizes[i] }), index(), blobs("b", func(i int) int { return i % 2 })},
		opts:    ffcv.Options{PageSize: 2 * mib},
	})
	large := []int{10, 5 * mib, 3, 2 * mib, 2*mib + 1, 100, 9 * mib}
	for _, workers := range []int{1, 4} {
		list = append(list, testCase{
			name: fmt.Sprintf("large_w%d", workers), n: len(large),
			columns: []column{blobs("big", func(i int) int { return large[i] }), index(), arrays("v", "<f4", false, 100)},
			opts:    ffcv.Options{PageSize: 2 * mib, LargeSamples: true, Workers: workers},
			flags:   []string{"--large", "--quick"},
		})
	}
	return list
}

// selections are files of some samples, in other orders, and of streams.
func selections() []testCase {
	bad := func(i int) bool { return i%5 == 2 }
	return []testCase{
		{name: "subset", n: 100, columns: everything(), data: &ffcv.DatasetOptions{Indices: []int{4, 2, 0, 99, 50, 51, 2}}},
		{name: "shuffle", n: 150, columns: everything(), opts: ffcv.Options{Seed: 7, Workers: 4}, data: &ffcv.DatasetOptions{Shuffle: true}},
		{name: "subset_shuffle", n: 100, columns: everything(), data: &ffcv.DatasetOptions{Shuffle: true, Indices: []int{9, 8, 7, 6, 5, 5, 4, 80, 81, 82}}},
		{name: "stream", n: 120, columns: everything(), stream: &ffcv.StreamOptions{}},
		{name: "stream_skip", n: 120, columns: everything(), bad: bad, opts: ffcv.Options{Workers: 4},
			stream: &ffcv.StreamOptions{OnError: func(string, error) error { return nil }}},
		{name: "stream_gap", n: 50, columns: everything(), opts: ffcv.Options{PageSize: 2 * mib}, stream: &ffcv.StreamOptions{Reserve: 100_000}},
		{name: "stream_moved", n: 150_000, columns: moved(), opts: ffcv.Options{PageSize: 2 * mib}, stream: &ffcv.StreamOptions{}, flags: []string{"--quick"}},
	}
}

// moved has rows that outgrow the page in which they begin.
func moved() []column { return []column{index(), blobs("b", func(i int) int { return i % 50 })} }

// photoCases packs a folder's JPEG files as they are, and encoded again.
func photoCases(folder string) ([]testCase, error) {
	var paths []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if ext := strings.ToLower(filepath.Ext(path)); err == nil && d.Type().IsRegular() && (ext == ".jpg" || ext == ".jpeg") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	few := paths[:min(len(paths), 300)]
	return append(twinCases(paths), []testCase{
		{name: "photos_few", n: len(few), columns: []column{photographs("image", few), index()}},
		{name: "photos", n: len(paths), columns: []column{photographs("image", paths), index()},
			opts: ffcv.Options{Workers: 4, Seed: 1}, data: &ffcv.DatasetOptions{Shuffle: true}, flags: []string{"--quick"}},
	}...), nil
}

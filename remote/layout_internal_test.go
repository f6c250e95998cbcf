package remote

import (
	"io"
	"testing"
)

// nothing is an io.ReaderAt that nobody reads.
type nothing struct{ io.ReaderAt }

// TestLayOutVast: objects with tables and pages of many GiB are laid out whole, in
// parts as S3 takes them.
func TestLayOutVast(t *testing.T) {
	const gib = int64(1) << 30
	src := &source{Object: &Object{place: place{scheme: "s3", bucket: "b", key: "k"}}}
	ours := func(off, size int64) run { return run{r: nothing{}, off: off, size: size} }
	theirs := func(off, size int64) run { return run{r: nothing{}, from: src, off: off, size: size} }
	for name, runs := range map[string][]run{
		"tables above 4 GiB":      {ours(0, 5*gib+3), theirs(7, 20*gib), ours(5*gib+3, 4*gib+1)},
		"a table of 1 TiB":        {ours(0, 1024*gib), theirs(0, 100*gib)},
		"4 TiB of pages":          {ours(0, gib), theirs(0, 2048*gib), theirs(4096*gib, 2048*gib-1), ours(gib, 6*gib)},
		"just 4 GiB":              {ours(0, 4*gib), theirs(0, 4*gib)},
		"one byte behind 4 GiB":   {ours(4*gib, 1), theirs(0, 8*gib), ours(4*gib+1, 4*gib)},
		"a thousand short pieces": short(ours, theirs),
	} {
		parts, err := layOut(runs, 16<<20)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(parts) > maxParts {
			t.Errorf("%s: %d parts", name, len(parts))
		}
		var got []run
		for i, p := range parts {
			if p.size > maxCopy || i < len(parts)-1 && p.size < minPart {
				t.Errorf("%s: part %d of %d has %d bytes", name, i, len(parts), p.size)
			}
			if p.from != nil {
				got = join(got, run{off: p.off, size: p.size})
				continue
			}
			sum := int64(0)
			for _, r := range p.runs {
				got, sum = join(got, run{off: r.off, size: r.size}), sum+r.size
			}
			if sum != p.size {
				t.Errorf("%s: part %d has %d bytes, its runs %d", name, i, p.size, sum)
			}
		}
		var want []run
		for _, r := range runs {
			want = join(want, run{off: r.off, size: r.size})
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s: bytes %d to %d, want %d to %d", name, got[i].off, got[i].off+got[i].size, want[i].off, want[i].off+want[i].size)
			}
		}
	}
}

// short is pieces of a few bytes and of a few pages in turns.
func short(ours, theirs func(off, size int64) run) (list []run) {
	for i := range int64(1000) {
		list = append(list, ours(i<<33, 100+i), theirs(i<<33|5, 40<<20+i))
	}
	return list
}

// join puts a run behind others, and makes one of what follows on itself.
func join(list []run, r run) []run {
	if n := len(list); n > 0 && list[n-1].off+list[n-1].size == r.off {
		list[n-1].size += r.size
		return list
	}
	return append(list, r)
}

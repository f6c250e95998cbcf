package splice_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/splice"
)

// repaired repairs a file, and holds what comes out to the file before the
// damage: the samples that are not reported are there, as they were.
func repaired(t *testing.T, path string, want *ffcv.File, old func(i int) row) *splice.RepairReport {
	t.Helper()
	before := readFile(t, path)
	out := filepath.Join(t.TempDir(), "clean.beton")
	r, err := splice.Repair(context.Background(), path, &splice.RepairOptions{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the damaged file was written to")
	}
	lost := map[int]bool{}
	for i, d := range r.Damaged {
		if lost[d.Sample] = true; i > 0 && r.Damaged[i-1].Sample >= d.Sample || d.Why == "" || strings.Contains(d.Why, "\n") {
			t.Errorf("damaged %v", r.Damaged)
		}
	}
	got := open(t, out)
	if err := got.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	at := 0
	for i := range want.Len() {
		if lost[i] {
			continue
		}
		g, w := rowOf(t, got, at), old(i)
		for k := range w.values {
			if !equal(g.values[k], w.values[k]) {
				t.Errorf("sample %d, field %d: %v, want %v", i, k, g.values[k], w.values[k])
			}
		}
		if !r.BlockDamaged && g.key != w.key {
			t.Errorf("sample %d: key %q, want %q", i, g.key, w.key)
		}
		at++
	}
	if at != got.Len() || r.Samples != want.Len() || r.Written.Samples != at {
		t.Errorf("%d samples, want %d; report %d, %d", got.Len(), at, r.Samples, r.Written.Samples)
	}
	return r
}

// Damage of every kind: what is lost, and what can be made from the rest.
func TestRepair(t *testing.T) {
	path := everyKind{60, 0}.write(t, ffcv.Options{}, nil)
	whole := readFile(t, path)
	f := open(t, path)
	h := f.Header()
	rows := int64(ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize)
	table := int64(h.AllocTable)
	var rs []int64 // of each region
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, int64(e.Ptr))
	}
	sums := int64(0)
	list, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Tag == ffcv.TagSums {
			sums = s.Offset
		}
	}
	old := func(i int) row { return rowOf(t, f, i) }
	photo := int64(f.Fields()[0].Offset)
	label := int64(f.Fields()[1].Offset)
	data := int64(f.Fields()[2].Offset)
	for _, test := range []struct {
		name      string
		at        int64
		b         []byte
		damaged   int // samples
		recovered string
		block     bool
	}{
		{"nothing", 0, nil, 0, "", false},
		{"a photo", rs[5*5] + 200, []byte{1, 2, 3}, 1, "", false},
		{"two samples", rs[5*7] - 3, []byte{9, 9, 9, 9, 9, 9}, 2, "", false},
		{"a label", rows + 10*int64(f.RowSize()) + label, []byte{77}, 46, "", false}, // the run of rows
		{"a pointer in a row", rows + 11*int64(f.RowSize()) + photo + 5, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 0, "metadata rows 0 to 45", false},
		{"pointers and sizes in rows", rows + 50*int64(f.RowSize()) + data, bytes.Repeat([]byte{0xff}, 16), 0, "metadata rows 46 to 59", false},
		{"table entries", table + 24*7, bytes.Repeat([]byte{0xee}, 24*9), 0, "allocation table entries 0 to 169", false},
		{"a photo's size", table + 24*5*3 + 16, []byte{1, 1}, 0, "allocation table entries 0 to 169", false},
		{"the table's end", table + 24*5*59, bytes.Repeat([]byte{0}, 24*5), 0, "allocation table entries 170 to 299", false},
		{"the version", 0, []byte{7}, 0, "header", false},
		{"the page size", 4, []byte{0, 0, 0x80}, 0, "header", false},
		{"the number of samples", 8, []byte{61}, 0, "header", false},
		{"fewer samples", 8, []byte{59}, 0, "header", false},
		{"no samples", 8, []byte{0}, 0, "header", false},
		{"where the table is", 16, []byte{1, 2, 3, 4, 5, 6, 7, 8}, 0, "header", false},
		{"unfinished", 16, make([]byte, 8), 0, "header", false},
		{"names", list[1].Offset + 500, []byte{0xff}, 0, "", true},
		{"a sum", sums + 32 + 4*2 + 4*2 + 4*5*4, []byte{1, 1, 1, 1}, 1, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := bytes.Clone(whole)
			copy(b[test.at:], test.b)
			bad := filepath.Join(t.TempDir(), "bad.beton")
			if err := os.WriteFile(bad, b, 0o666); err != nil {
				t.Fatal(err)
			}
			r := repaired(t, bad, f, old)
			if len(r.Damaged) != test.damaged || strings.Join(r.Recovered, ", ") != test.recovered || r.BlockDamaged != test.block || !r.Checked {
				t.Errorf("%d damaged, recovered %q, block %v; want %d, %q, %v: %v", len(r.Damaged), r.Recovered, r.BlockDamaged, test.damaged, test.recovered, test.block, r.Damaged[:min(3, len(r.Damaged))])
			}
			if (r.Flaws > 0) != (test.b != nil) {
				t.Errorf("%d flaws", r.Flaws)
			}
		})
	}
	for _, n := range []int64{1, 24, 1000, int64(len(whole)) - table} {
		bad := filepath.Join(t.TempDir(), "cut.beton")
		if err := os.WriteFile(bad, whole[:int64(len(whole))-n], 0o666); err != nil {
			t.Fatal(err)
		}
		if r := repaired(t, bad, f, old); len(r.Damaged) > 0 || len(r.Recovered) == 0 {
			t.Errorf("cut by %d bytes: %v damaged, recovered %q", n, r.Damaged, r.Recovered)
		}
	}
}

// Whatever byte is damaged: a sample that comes out is the one that was written.
func TestRepairNeverGuesses(t *testing.T) {
	path := everyKind{30, 0}.write(t, ffcv.Options{}, nil)
	whole := readFile(t, path)
	f := open(t, path)
	rows := make([]row, f.Len())
	for i := range rows {
		rows[i] = rowOf(t, f, i)
	}
	rng := rand.New(rand.NewPCG(1, 5))
	pages, _ := f.Pages()
	end := ffcv.HeaderSize + len(f.Fields())*ffcv.DescriptorSize + f.Len()*f.RowSize()
	n := 150
	if testing.Short() || race.Enabled {
		n = 30
	}
	for range n {
		b := bytes.Clone(whole)
		at := rng.IntN(end)
		switch rng.IntN(4) {
		case 0:
			at = int(pages) + rng.IntN(200_000)
		case 1:
			at = int(f.Header().AllocTable) - 1 - rng.IntN(3000)
		case 2:
			at = int(f.Header().AllocTable) + rng.IntN(len(b)-int(f.Header().AllocTable))
		}
		for i := range 1 + rng.IntN(12) {
			if at+i < len(b) {
				b[at+i] ^= byte(1 + rng.IntN(255))
			}
		}
		bad := filepath.Join(t.TempDir(), "bad.beton")
		if err := os.WriteFile(bad, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := splice.Repair(context.Background(), bad, nil); err != nil {
			continue // nothing comes out
		}
		repaired(t, bad, f, func(i int) row { return rows[i] })
	}
}

// Files by FFCV have no checksums: what can be seen to be damaged is dropped.
func TestRepairGolden(t *testing.T) {
	f := openGolden(t, "rgb_jpg", true)
	out := filepath.Join(t.TempDir(), "clean.beton")
	r, err := splice.Repair(context.Background(), f.Name(), &splice.RepairOptions{Output: out})
	if err != nil || len(r.Damaged) != 0 || r.Checked {
		t.Fatalf("%+v, %v", r, err)
	}
	bad := filepath.Join(t.TempDir(), "bad.beton")
	if err := os.WriteFile(bad, readFile(t, f.Name()), 0o666); err != nil {
		t.Fatal(err)
	}
	poke(t, bad, 2097152, 0, 0)
	r, err = splice.Repair(context.Background(), bad, &splice.RepairOptions{Output: out, Options: splice.Options{Overwrite: true}})
	if err != nil || len(r.Damaged) != 1 || r.Damaged[0].Sample != 0 || r.Written.Samples != f.Len()-1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := splice.Repair(context.Background(), bad, &splice.RepairOptions{Output: out}); err == nil {
		t.Error("overwrote")
	}
}

// A file that was sealed in place without an end is finished by Repair.
func TestRepairFinishesSeal(t *testing.T) {
	path := everyKind{20, 0}.write(t, ffcv.Options{Plain: true}, nil)
	plain := readFile(t, path)
	if _, err := splice.SealInPlace(context.Background(), path, nil); err != nil {
		t.Fatal(err)
	}
	sealed := readFile(t, path)
	if err := open(t, path).Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	between := append(append(bytes.Clone(plain[:16]), plain[16:24]...), sealed[24:]...)
	for _, test := range []struct {
		b, want []byte
		seal    ffcv.SealOutcome
	}{
		{between, sealed, ffcv.SealFinished},
		{between[:len(between)-5], plain, ffcv.SealTakenBack},
		{sealed, sealed, ffcv.SealNothing},
		{plain, plain, ffcv.SealNothing},
	} {
		at := filepath.Join(t.TempDir(), "x.beton")
		if err := os.WriteFile(at, test.b, 0o666); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "y.beton")
		for name, do := range map[string]func() error{
			"merge": func() error {
				_, err := splice.Merge(context.Background(), out, []*ffcv.File{open(t, at), open(t, at)}, &splice.Options{Overwrite: true})
				return err
			},
			"add": func() error {
				f := open(t, at)
				_, err := splice.Add(context.Background(), out, f, []splice.Column{{Name: "x", Field: fields.Int{}, Len: f.Len(), At: func(i int) (any, error) { return i, nil }}}, &splice.Options{Overwrite: true})
				return err
			},
			"seal": func() error {
				_, err := splice.Seal(context.Background(), out, open(t, at), &splice.SealOptions{Options: splice.Options{Overwrite: true}})
				if err == splice.ErrSealed || err != nil && strings.Contains(err.Error(), "sealed already") {
					return nil
				}
				return err
			},
		} {
			if err := do(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := os.Stat(out); err == nil {
				if err := open(t, out).Verify(context.Background(), nil); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		r, err := splice.Repair(context.Background(), at, nil)
		if err != nil || r.Seal != test.seal || len(r.Damaged) > 0 || r.Flaws > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if !bytes.Equal(readFile(t, at), test.want) {
			t.Errorf("%v: another file", test.seal)
		}
		alone(t, filepath.Dir(at), "x.beton")
	}
}

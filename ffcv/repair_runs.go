package ffcv

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
)

// recovery holds the runs of rows and of table entries to their checksums, and
// makes from the one what is wrong with the other: a row has the pointers that
// the table has, and an entry follows from a row. A run that comes out with its
// checksum is the one that was written.
type recovery struct {
	f    *File
	over *overlay
	sums *Sums // nil none: then nothing can be proven
	done []string
	lost []lostRows
	made []lostRows // samples of what was made anew
	bad  int        // runs of entries that stay damaged
}

// runs goes through all runs.
func (r *recovery) runs(ctx context.Context, tell func(*FormatError)) error {
	if r.sums == nil {
		return nil
	}
	l := r.sums.layout
	for run := range l.rowSums() {
		if run%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		lo, n := r.sums.rowsOf(run)
		b, err := r.f.Rows(lo, n, nil)
		if err != nil {
			return err
		}
		if flaw, ok := r.sums.compareRows(run, b).(*FormatError); ok {
			if r.rows(run, lo, n, b) {
				tell(flaw)
				r.done = append(r.done, fmt.Sprintf("metadata rows %d to %d", lo, lo+n-1))
				r.made = append(r.made, lostRows{lo, n, fmt.Sprintf("metadata rows %d to %d have another checksum", lo, lo+n-1)})
			} else {
				r.lost = append(r.lost, lostRows{lo, n, lostError(lo, n)})
			}
		}
	}
	for run := range l.entrySums() {
		if run%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		lo := run * int64(l.entryRun)
		n := min(int64(l.entryRun), r.f.count-lo)
		off := int64(r.f.header.AllocTable) + lo*alloc.EntrySize
		b, err := r.f.read(off, n*alloc.EntrySize, nil)
		if err != nil {
			return err
		}
		if r.sums.sumOfRun(b, l.entrySum(run)) {
			continue
		}
		if r.entries(run, lo, n, b) {
			tell(r.f.flaw(off, "allocation table entries %d to %d: another checksum", lo, lo+n-1))
			r.done = append(r.done, fmt.Sprintf("allocation table entries %d to %d", lo, lo+n-1))
			k := int64(r.f.ptrs)
			first := int(lo / k)
			r.made = append(r.made, lostRows{first, int((lo+n+k-1)/k) - first, fmt.Sprintf("allocation table entries %d to %d have another checksum", lo, lo+n-1)})
		} else {
			r.bad++
		}
	}
	return nil
}

// rows puts the pointers, and sizes, of the table into the rows of a run.
func (r *recovery) rows(run int64, lo, n int, old []byte) bool {
	f := r.f
	if f.ptrs == 0 {
		return false
	}
	b := slices.Clone(old)
	for i := range n {
		row := b[i*f.row:][:f.row]
		for k := range f.fields {
			d := &f.fields[k]
			if f.pointers(k) == 0 {
				continue
			}
			meta := row[d.Offset:][:d.Size]
			for j, at := range d.Field.Layout().Pointers {
				e, err := f.table.At(int64(lo+i)*int64(f.ptrs) + int64(f.firsts[k]+j))
				if err != nil || e.Sample != uint64(lo+i) {
					continue // a table in another order does not tell
				}
				binary.LittleEndian.PutUint64(meta[at:], e.Ptr)
				if d.Type == fields.TypeBytes || d.Type == fields.TypeJSON {
					binary.LittleEndian.PutUint64(meta[8:], e.Size)
				}
			}
		}
	}
	if !r.sums.sumOfRun(b, r.sums.layout.rowSum(run)) {
		return false
	}
	r.replace(f.meta+int64(lo)*int64(f.row), old, b)
	return true
}

// replace patches what differs.
func (r *recovery) replace(off int64, old, b []byte) {
	const piece = 64
	for at := 0; at < len(b); at += piece {
		end := min(at+piece, len(b))
		if !bytes.Equal(old[at:end], b[at:end]) {
			r.over.put(off+int64(at), b[at:end])
		}
	}
}

// entries makes a run of the table from the rows: of a table in sample order.
func (r *recovery) entries(run, lo, n int64, old []byte) bool {
	f := r.f
	b := slices.Clone(old)
	var regions []fields.Region
	for x := range n {
		i, j := int((lo+x)/int64(f.ptrs)), int((lo+x)%int64(f.ptrs))
		row, err := f.Rows(i, 1, nil)
		if err != nil {
			return false
		}
		k := 0
		for k+1 < len(f.fields) && f.firsts[k+1] <= j {
			k++
		}
		d := &f.fields[k]
		if regions, err = d.Field.Regions(regions[:0], row[d.Offset:][:d.Size]); err != nil || len(regions) != f.pointers(k) {
			return false
		}
		region := regions[j-f.firsts[k]]
		e := alloc.EntryAt(b[x*alloc.EntrySize:])
		if region.Size < 0 {
			if region.Size = r.sized(i, k, j-f.firsts[k], region.Ptr, e.Size); region.Size < 0 {
				return false
			}
		}
		alloc.Entry{Sample: uint64(i), Ptr: region.Ptr, Size: uint64(region.Size)}.Put(b[x*alloc.EntrySize:])
	}
	if !r.sums.sumOfRun(b, r.sums.layout.entrySum(run)) {
		return false
	}
	r.replace(int64(f.header.AllocTable)+lo*alloc.EntrySize, old, b)
	return true
}

// maxSized bounds how far the end of a value is looked for.
const maxSized = 256 << 20

// sized finds how long a region is whose size only the table tells: as the
// entry says if that is right, otherwise up to where it has its checksum. It is
// negative when there is no such place.
func (r *recovery) sized(i, k, j int, ptr, said uint64) int64 {
	f := r.f
	want, err := r.sums.region(i, k, j)
	if err != nil || ptr < uint64(f.pages) || ptr > uint64(f.data) {
		return -1
	}
	room := f.data - int64(ptr)
	if said <= uint64(room) && said <= math.MaxInt32 {
		if b, err := f.Bytes(i, ptr, int64(said), nil); err == nil && crc32.Checksum(b, castagnoli) == want {
			return int64(said)
		}
	}
	var buf []byte
	crc := ^uint32(0)
	for done := int64(0); done < min(room, maxSized); {
		b, err := f.Bytes(i, ptr+uint64(done), min(room-done, 1<<16), buf)
		if err != nil {
			return -1
		}
		for x, c := range b {
			if crc = castagnoli[byte(crc)^c] ^ crc>>8; ^crc == want {
				return done + int64(x) + 1
			}
		}
		done += int64(len(b))
	}
	return -1
}

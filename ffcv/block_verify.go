package ffcv

import (
	"context"
	"hash/crc32"
)

// block checks the extension block: its trailer, directory and checksum, and
// the sections that this package knows.
func (v *verify) block(ctx context.Context) error {
	f := v.f
	if !f.ext.found {
		return v.noBlock()
	}
	var list []Section
	if err := v.note(f.guard(func() (err error) { list, err = f.sections(); return })); err != nil {
		return err
	}
	if f.ext.err != nil {
		return nil // where the sections are is not known
	}
	sum, err := f.blockSum(ctx)
	if err != nil {
		return err
	}
	if sum != f.ext.crc {
		if err := v.emit(f.flaw(f.ext.off, "extension block of %d bytes: checksum 0x%08x, want 0x%08x", f.ext.length, sum, f.ext.crc)); err != nil {
			return err
		}
	}
	seen := map[Tag]bool{}
	v.marked = map[uint32]bool{}
	for _, s := range list {
		var err error
		switch {
		case s.Tag == TagMarks:
			err = v.marks(ctx, s)
		case seen[s.Tag] && s.Tag.Known():
			err = v.emit(f.sectionError(s, -1, "there is one before it"))
		case s.Tag == TagClasses:
			err = v.note(f.guard(func() error { _, err := f.classes(s); return err }))
		case s.Tag == TagNames:
			err = v.names(ctx, s)
		case s.Tag == TagSums && f.row >= 0:
			_, sumsErr := f.Sums()
			err = v.note(sumsErr)
		}
		if err != nil {
			return err
		}
		seen[s.Tag] = true
	}
	if seen[TagNameIndex] && !seen[TagNames] {
		return v.emit(f.flaw(f.ext.off, "extension block: section %v without %v", TagNameIndex, TagNames))
	}
	return nil
}

// noBlock checks that a file without an extension block has pages up to the
// allocation table, or rows: else there was a block, and its trailer is damaged.
func (v *verify) noBlock() error {
	f := v.f
	if f.row < 0 {
		return nil
	}
	table := int64(f.header.AllocTable)
	rows, _ := metadataEnd(len(f.fields), f.row, f.header.NumSamples)
	first, ok := firstPage(len(f.fields), f.row, f.header.NumSamples, int64(f.header.PageSize))
	if table == rows || ok && table >= first && (table-first)%int64(f.header.PageSize) == 0 {
		return nil
	}
	return v.emit(f.flaw(table, "the allocation table begins neither at the end of the metadata, %d, nor at that of a page: what lies before it is no extension block", rows))
}

// note emits an error that is a flaw; another one it returns.
func (v *verify) note(err error) error {
	if e, ok := err.(*FormatError); ok {
		return v.emit(e)
	}
	return err
}

// blockSum is the checksum of the sections, read in pieces.
func (f *File) blockSum(ctx context.Context) (sum uint32, err error) {
	const piece = 1 << 20
	buf := make([]byte, min(piece, f.ext.length))
	for done := int64(0); done < f.ext.length; done += piece {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err := f.guard(func() error {
			b, err := f.read(f.ext.off+done, min(piece, f.ext.length-done), buf)
			sum = crc32.Update(sum, castagnoli, b)
			return err
		}); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// names checks a NAME section, and that the NIDX section finds each name: at
// most one flaw for each chunk of names.
func (v *verify) names(ctx context.Context, s Section) error {
	f := v.f
	if err := f.guard(func() error { _, err := f.numNames(s); return err }); err != nil {
		return v.note(err)
	}
	index, indexed := f.section(TagNameIndex)
	return v.chunks(ctx, int64(f.Len()), 4096, func() func(context.Context, int64, int64) (chunkResult, error) {
		var buf []byte
		return func(ctx context.Context, lo, hi int64) (r chunkResult, err error) {
			err = f.guard(func() error {
				for i := int(lo); i < int(hi); i++ {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					name, err := f.name(s, i, buf)
					if err != nil {
						return err
					}
					if indexed && len(name) > 0 {
						if err := f.checkIndexed(s, index, i, string(name)); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if e, ok := err.(*FormatError); ok {
				r.flaws, err = append(r.flaws, e), nil
			}
			return r, err
		}
	}, func(r chunkResult) error { return v.emitAll(r.flaws) })
}

// checkIndexed checks that the index finds the name of sample i: that sample,
// or an earlier one of the same name.
func (f *File) checkIndexed(names, index Section, i int, name string) error {
	found, ok, err := f.probe(index, nameHash(name), func(sample int) (bool, error) {
		b, err := f.name(names, sample, nil)
		return string(b) == name, err
	})
	if err == nil && (!ok || found > i) {
		err = f.sectionError(index, i, "does not find the name %q", name)
	}
	return err
}

// marks checks a MARK section: its head, and that its offsets go up to the
// section's end; at most one flaw for each chunk of them. The marks themselves
// were checked beside the values.
func (v *verify) marks(ctx context.Context, s Section) error {
	f := v.f
	var m marksSection
	err := f.guard(func() (err error) { m, err = f.marksHead(s); return })
	if err == nil {
		err = m.err
	}
	if err != nil {
		return v.note(err)
	}
	switch {
	case int64(m.field) >= int64(len(f.fields)):
		err = v.emit(f.sectionError(s, -1, "of field %d of %d", m.field, len(f.fields)))
	case m.reserved != 0:
		err = v.emit(f.sectionError(s, -1, "0x%08x where 0 belongs", m.reserved))
	case v.marked[m.field]:
		err = v.emit(f.sectionError(s, -1, "there is one of field %q before it", f.fields[m.field].Name))
	}
	if v.marked[m.field] = true; err != nil {
		return err
	}
	return v.chunks(ctx, int64(f.Len())+1, 4096, func() func(context.Context, int64, int64) (chunkResult, error) {
		return func(ctx context.Context, lo, hi int64) (r chunkResult, err error) {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			err = f.guard(func() error { return f.checkMarksIndex(&m, int(lo), int(hi)) })
			if e, ok := err.(*FormatError); ok {
				r.flaws, err = append(r.flaws, e), nil
			}
			return r, err
		}
	}, func(r chunkResult) error { return v.emitAll(r.flaws) })
}

// checkMarksIndex checks the offsets from lo to hi of a MARK section.
func (f *File) checkMarksIndex(m *marksSection, lo, hi int) error {
	before := uint64(0)
	for i := max(lo-1, 0); i < hi; i++ {
		off, err := f.marksOffset(m, i, nil)
		switch {
		case err != nil:
			return err
		case i == 0 && off != 0:
			return f.sectionError(m.Section, -1, "the first offset is %d, want 0", off)
		case off > m.total || i >= lo && off < before:
			return f.sectionError(m.Section, i-1, "marks from %d to %d of %d bytes", before, off, m.total)
		case i == f.Len() && off != m.total:
			return f.sectionError(m.Section, -1, "the last offset is %d of %d bytes", off, m.total)
		}
		before = off
	}
	return nil
}

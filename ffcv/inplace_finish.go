package ffcv

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"os"

	"github.com/betongo/betongo/internal/aside"
)

// SealOutcome is what FinishSeal has made of a file.
type SealOutcome int

const (
	// SealNothing: nothing was left of sealing in place.
	SealNothing SealOutcome = iota
	// SealFinished: all was on the disk but the last step, which was done.
	SealFinished
	// SealTakenBack: what was there was cut off, the file is as it was before.
	SealTakenBack
)

// FinishSeal ends what SealInPlace has left at path when it was stopped: when
// all that it appended is there, right by its checksums, the header is led to
// it; otherwise it is cut off. It may itself be stopped, and done again. A file
// with nothing of that kind is not written to.
func FinishSeal(ctx context.Context, path string, opts *OpenOptions) (SealOutcome, error) {
	path, err := aside.Resolve(path)
	if err != nil {
		return SealNothing, err
	}
	lock, err := aside.Hold(path)
	if err != nil {
		return SealNothing, err
	}
	defer lock.Release()
	f, err := Open(path, opts)
	if err != nil {
		return SealNothing, err
	}
	defer f.Close()
	if f.Unfinished() == nil {
		return SealNothing, nil
	}
	to, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return SealNothing, err
	}
	done, err := finishSeal(ctx, f, to)
	return done, errors.Join(err, to.Close())
}

// finishSeal is FinishSeal of an open file, which it closes before it cuts it.
func finishSeal(ctx context.Context, f *File, to file) (SealOutcome, error) {
	s := f.leftSeal()
	switch {
	case s == nil && f.torn == 0:
		return SealNothing, nil
	case s == nil:
		return SealTakenBack, cutTail(f, to, f.src.Size()-f.torn)
	}
	whole, err := s.whole(ctx, to, f.src.Size())
	if err != nil {
		return SealNothing, err
	}
	if !whole {
		return SealTakenBack, cutTail(f, to, s.end())
	}
	if err := to.Sync(); err != nil { // that it can be read is not that it is on the disk
		return SealNothing, err
	}
	if err := switchTable(to, s.newTable); err != nil {
		return SealNothing, err
	}
	return SealFinished, nil
}

// cutTail has the file end at size.
func cutTail(f *File, to file, size int64) error {
	f.Close() // some systems don't cut a file that is mapped
	if err := to.Truncate(size); err != nil {
		return err
	}
	return to.Sync()
}

// whole says whether all that was to be appended is in a file of that size,
// which ends there.
func (s *sealIntent) whole(ctx context.Context, f io.ReaderAt, size int64) (bool, error) {
	if size != s.newEnd {
		return false, nil
	}
	var b [trailerSize]byte
	pad := b[:s.at()-s.end()]
	if _, err := f.ReadAt(pad, s.end()); err != nil {
		return false, err
	}
	for _, c := range pad {
		if c != 0 {
			return false, nil // no checksum is of it, but sealing left zeros
		}
	}
	at := s.newTable - trailerSize
	if _, err := f.ReadAt(b[:], at); err != nil {
		return false, err
	}
	t, found, err := trailerAt(b[:])
	if !found || err != nil || int64(t.offset) != s.at() || t.offset+t.length != uint64(at) || t.flags&trailerSeal == 0 {
		return false, nil
	}
	block, err := sumOf(ctx, f, s.at(), at)
	if err != nil || block != t.crc {
		return false, err
	}
	crc, err := sumOf(ctx, f, s.at()+sealBytes, at)
	if err != nil {
		return false, err
	}
	err = eachBlock(ctx, f, s.newTable, s.newEnd, func(b []byte) error {
		crc = crc32.Update(crc, castagnoli, b)
		return nil
	})
	return err == nil && crc == s.crc, err
}

package ffcv

import "math"

// scatterer is the ability of a source in mapped memory to tell the system that
// a range is read here and there, or again as any file is.
type scatterer interface {
	scatter(off, n int64, on bool)
}

const (
	// scatterFrom is the size of metadata and allocation table, in bytes, from
	// which the system is told that rows are read here and there. Below it,
	// what the system reads around each row, up to megabytes of it, are soon
	// all the rows, and that is the quickest way to have them in memory.
	scatterFrom = 1 << 30
	// scatterGap is how many bytes rows lie apart on average that are read here
	// and there.
	scatterGap = 64 << 10
	// smallSample is up to how many bytes of data pages a sample has, on
	// average, that are read here and there as its row is.
	smallSample = 4 << 10
)

// scatter tells the system how rows are about to be read, when that is not as it
// was told before. Without it, each of a billion rows that is read in no order
// brings between 128 KiB and some MiB around it into memory, and waits for them.
func (f *File) scatter(s scatterer, samples []int) {
	n, size := int64(f.Len()), f.src.Size()
	table := int64(f.header.AllocTable)
	if len(samples) < 2 || n*int64(f.row)+size-table < scatterFrom {
		return
	}
	least, most := math.MaxInt, 0
	for _, i := range samples {
		least, most = min(least, i), max(most, i)
	}
	apart := int64(most-least)/int64(len(samples)) >= scatterGap/int64(f.row)+1
	if f.apart.Load() == apart || f.apart.Swap(apart) == apart {
		return
	}
	s.scatter(f.meta, n*int64(f.row), apart)
	s.scatter(table, size-table, apart)
	if (f.data-f.pages)/n <= smallSample {
		s.scatter(f.pages, f.data-f.pages, apart)
	}
}

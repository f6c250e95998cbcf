package arrow

// Passed keeps what is read of a mapped file, from front to back, out of the
// process's memory once it lies behind. The system brings it again if somebody
// still reads it.
type Passed struct {
	Mapped bool // the bytes are of a file's map, and of no other memory
	done   int
}

// To says that the bytes before n are read.
func (p *Passed) To(b []byte, n int) {
	const step = 16 << 20
	if p.Mapped && n-p.done >= step {
		forget(b[p.done:n])
		p.done = n
	}
}

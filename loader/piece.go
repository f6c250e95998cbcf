package loader

// pieceRows is how many rows of a run are visited for one output after another:
// so many that the processor still knows where they lie when it comes to the next
// output. Rows of a large table are each on a page of their own, and finding a
// page takes longer than copying a value.
const pieceRows = 512

// piece is a part of a run, of the order in which its rows are visited. The zero
// value is the whole run.
type piece struct{ lo, hi int }

// fillPieces makes all outputs of positions [lo, hi), piece by piece. Where it
// returns false something failed, and fill is to find out what.
func (w *worker) fillPieces(f *flight, lo, hi int) bool {
	read := w.meter.bytes
	pieces := int64(0)
	defer func() { w.piece = piece{} }()
	for at := 0; at < hi-lo; at += pieceRows {
		w.piece = piece{at, min(at+pieceRows, hi-lo)}
		for i := range w.plan.outputs {
			if _, err := w.try(f, i, lo, hi); err != nil {
				w.meter.bytes = read
				return false
			}
		}
		pieces++
	}
	w.meter.bytes = read + (w.meter.bytes-read)/pieces // each counted the whole run
	return true
}

// inPieces tells whether a run is to be filled piece by piece.
func (w *worker) inPieces(f *flight, lo, hi int) bool {
	return w.plan.pieces && hi-lo > pieceRows && !inStep(f.batch.ids[lo:hi])
}

// setPieces finds out whether there are runs that may be: of several outputs that
// are copied from one table.
func (p *plan) setPieces() {
	p.pieces = p.table != nil && len(p.outputs) > 1
	for i := range p.outputs {
		if o := &p.outputs[i]; o.perSample() || o.varies() {
			p.pieces = false
		}
	}
}

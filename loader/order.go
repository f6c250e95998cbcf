package loader

// Selection is what an Order orders: the samples that a loader selects, known
// by their positions 0 … Len-1.
type Selection struct {
	Dataset   Dataset
	Len       int
	Samples   []int // the sample at each position; nil: position i is sample i
	BatchSize int
	Seed      uint64
	Rank      int // of WorldSize
	WorldSize int // at least 1
}

// Order decides in which order the samples of an epoch come, and which of them
// come to this rank.
type Order interface {
	// Plan is called once, by New.
	Plan(s Selection) (Plan, error)
}

// Plan is an Order for one loader. It is safe for concurrent use.
type Plan interface {
	// Len returns how many samples every epoch has.
	Len() int
	// Epoch returns the order of one epoch.
	Epoch(epoch int) (Sequence, error)
}

// Sequence fills dst with the next positions of an epoch. It is called from
// one goroutine, for Plan.Len positions in total, and a loader that stops
// early leaves the rest.
type Sequence func(dst []int) error

// OrderFunc is an order of one's own: a function that returns the positions of
// an epoch in order, as many as this rank gets: Len divided by WorldSize,
// rounded up.
type OrderFunc func(s Selection, epoch int) ([]int, error)

// The orders of FFCV.
var (
	// Sequential is the order of the file (or of Indices). Of several ranks,
	// each takes every WorldSize-th sample.
	Sequential Order
	// Random is a permutation of all samples, anew in each epoch: NumPy's
	// default_rng(seed+epoch).permutation, and with several ranks PyTorch's
	// DistributedSampler, bit for bit. It keeps 4 bytes a sample (8 from 2³²
	// samples) while an epoch runs.
	Random Order
	// QuasiRandom shuffles pages and, within a window of 2*BatchSize pages,
	// samples, so that a file larger than memory is read page by page, as
	// FFCV's QUASI_RANDOM with its state, bit for bit. The dataset must be a
	// Pager; samples without data in pages and several ranks are an error.
	QuasiRandom Order
)

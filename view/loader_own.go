package view

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// What an own loader may be: the page asks for it, and the server is to stay
// small beside it.
const (
	ownBatches = 1 << 30         // bytes of its batches
	ownBatch   = 8192            // samples in a batch
	ownWorkers = 64              // at most, and no more than twice the processors
	ownScanned = 1 << 20         // samples whose rows may be read before it begins
	ownPermute = 1 << 24         // samples up to which an order may keep something for each
	unwatched  = 2 * time.Minute // it ends when nobody has looked for so long
	ownTick    = time.Second     // between points of its history
)

// ownSettings are what the page asks of a loader that runs in the server.
type ownSettings struct {
	Pipeline json.RawMessage `json:"pipeline,omitempty"` // of Field, as the playground's; none: its usual one
	Field    string          `json:"field,omitempty"`    // "" is the first of pictures
	Batch    int             `json:"batch"`              // 0: 256, or what there is memory for
	Workers  int             `json:"workers"`            // 0: as many as processors
	Order    string          `json:"order"`              // see ownOrders; "" is random
	Seed     uint64          `json:"seed"`
}

// ownOrders are the orders by name. Those that keep something for each sample are
// for datasets of some size only.
var ownOrders = map[string]struct {
	loader.Order
	keeps bool
}{
	"sequential":    {loader.Sequential, false},
	"random":        {loader.Random, true},
	"keyed":         {loader.Keyed, false},
	"quasi_random":  {loader.QuasiRandom, true},
	"page_shuffle":  {loader.PageShuffle{}, true},
	"block_shuffle": {loader.BlockShuffle{}, false},
}

// own is a loader that runs in the server, epoch after epoch.
type own struct {
	settings ownSettings
	loader   *loader.Loader
	stop     context.CancelFunc
	ended    chan struct{} // closed when it has

	mu      sync.Mutex
	history history
	watched time.Time
	err     error
}

// startOwn starts a loader, which ends by its stop, with the server, by an error,
// or when nobody looks at it any more.
func (s *Server) startOwn(q ownSettings) (*own, error) {
	opts, err := s.ownOptions(&q)
	if err != nil {
		return nil, err
	}
	l, err := loader.New(s.ds, opts)
	if err != nil {
		return nil, &statusError{status: http.StatusUnprocessableEntity, text: err.Error(), err: err}
	}
	if err := ownFits(l, opts, &q); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.ctx.Err() != nil {
		return nil, errors.Join(errorf(http.StatusServiceUnavailable, "the server is being stopped"), l.Close())
	}
	ctx, stop := context.WithCancel(s.ctx)
	o := &own{settings: q, loader: l, stop: stop, ended: make(chan struct{}), watched: time.Now()}
	o.look()
	s.spawn(func(context.Context) error { return o.run(ctx) }, func(err error) {
		stop()
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err = errors.Join(err, l.Close()); errors.Is(o.err, context.Canceled) {
			o.err = nil
		}
		close(o.ended)
	})
	return o, nil
}

// run runs epochs, and looks at the loader meanwhile.
func (o *own) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	looks := make(chan struct{})
	go func() { // ends with ctx; run waits for it
		defer close(looks)
		tick := time.NewTicker(ownTick)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if o.look() > unwatched {
					cancel()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		<-looks
		o.look()
	}()
	for epoch := 0; ; epoch++ {
		for b, err := range o.loader.Epoch(ctx, epoch) {
			if err != nil {
				return err
			}
			b.Release()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// look adds a point to the history and says for how long nobody has asked for it.
func (o *own) look() time.Duration {
	s := o.loader.Snapshot()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history.add(s)
	return time.Since(o.watched)
}

func (o *own) running() bool {
	select {
	case <-o.ended:
		return false
	default:
		return true
	}
}

func (o *own) answer() loaderAnswer {
	source := "own"
	a := loaderAnswer{Source: &source, Running: o.running(), Own: &o.settings}
	a.tell(o.loader.Snapshot())
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watched = time.Now()
	a.History = slices.Concat([]point{}, o.history.points)
	if o.err != nil {
		a.Error = o.err.Error()
	}
	return a
}

// ownOptions makes a loader's options of what is asked, which is completed.
func (s *Server) ownOptions(q *ownSettings) (*loader.Options, error) {
	most := min(ownWorkers, 2*runtime.GOMAXPROCS(0))
	if q.Workers == 0 {
		q.Workers = min(most, runtime.GOMAXPROCS(0))
	}
	if q.Order == "" {
		q.Order = "random"
	}
	order, known := ownOrders[q.Order]
	switch {
	case q.Batch < 0 || q.Batch > ownBatch:
		return nil, badRequest(`"batch" is %d, expected 1 to %d`, q.Batch, ownBatch)
	case q.Workers < 1 || q.Workers > most:
		return nil, badRequest(`"workers" is %d, expected 1 to %d`, q.Workers, most)
	case !known:
		return nil, badRequest("%w", op.Unknown("order", q.Order, orderNames()))
	case order.keeps && q.Order == "random" && s.ds.Len() > ownPermute:
		q.Order, order = "keyed", ownOrders["keyed"] // as random, without a permutation
	case order.keeps && s.ds.Len() > ownPermute:
		return nil, badRequest("order %q keeps numbers for each of %d samples, expected %d samples at most; keyed and block_shuffle keep none", q.Order, s.ds.Len(), ownPermute)
	}
	outs, err := s.ownOutputs(q)
	if err != nil {
		return nil, err
	}
	return &loader.Options{
		BatchSize: q.Batch, Workers: q.Workers, Order: order.Order, Seed: q.Seed, OnError: loader.Skip, Outputs: outs,
	}, nil
}

func orderNames() (names []string) {
	for name := range ownOrders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ownOutputs has the field that is asked for, through its pipeline, and of the
// others those of small values of one size: a page's loader is about pictures.
func (s *Server) ownOutputs(q *ownSettings) ([]loader.Output, error) {
	chosen := slices.Index(s.names, q.Field)
	if q.Field == "" {
		chosen = slices.IndexFunc(s.fields, func(f ffcv.Field) bool { return f.Type == fields.TypeRGBImage })
	}
	if chosen < 0 && q.Field != "" {
		return nil, badRequest("there is no field %.80q", q.Field)
	}
	steps := new(pipeline)
	if len(q.Pipeline) > 0 {
		var err error
		if steps, err = parsePipeline(q.Pipeline); err != nil {
			return nil, err
		}
	}
	if len(steps.values) > 0 && chosen < 0 {
		return nil, badRequest(`a pipeline without a "field", in a dataset without pictures`)
	}
	if chosen >= 0 && len(steps.values) > 0 && steps.decoder == nil && s.ds.Len() > ownScanned {
		e := errorf(http.StatusUnprocessableEntity, "the pipeline has no decoder, and whether all of %d pictures have one size is not looked up here", s.ds.Len())
		e.hint = "begin with a decoder such as CenterCrop"
		return nil, e
	}
	var outs []loader.Output
	some := false
	for i, f := range s.fields {
		o := loader.Output{Name: f.Name}
		switch {
		case i == chosen && len(steps.values) > 0:
			o.Decoder, o.Ops = steps.decoder, steps.ops
		case i == chosen && f.Type == fields.TypeRGBImage:
			o.Decoder, o.Ops = transform.RandomResizedCrop{Width: 224, Height: 224}, []any{transform.HorizontalFlip{}}
		case i == chosen:
		default:
			o.Disabled = f.Type != fields.TypeInt && f.Type != fields.TypeFloat && f.Type != fields.TypeNDArray
		}
		some = some || !o.Disabled
		outs = append(outs, o)
	}
	if !some {
		e := errorf(http.StatusUnprocessableEntity, "no field has values of one size")
		e.hint = `name one by "field"`
		return nil, e
	}
	return outs, nil
}

// ownFits refuses batches that would take too much memory, and epochs of nothing.
// Where no size was asked for it is set.
func ownFits(l *loader.Loader, opts *loader.Options, q *ownSettings) error {
	if l.Len() == 0 {
		return errorf(http.StatusUnprocessableEntity, "the dataset has no samples")
	}
	row := 1.0
	for _, p := range l.Explain() {
		n, err := rowBytes(p)
		if err != nil {
			return err
		}
		row += n
	}
	batch := opts.BatchSize
	if batch == 0 {
		batch = 256
	}
	q.Batch = batch
	if whole := row * float64(batch) * ownFlights; whole > ownBatches {
		e := errorf(http.StatusUnprocessableEntity, "batches of %d samples would take %.1f GiB of memory, expected %d GiB at most", batch, whole/(1<<30), ownBatches>>30)
		e.hint = "smaller batches, or smaller pictures"
		return e
	}
	return nil
}

// ownFlights is how many batches a loader has in memory: with those ahead.
const ownFlights = 4

// rowBytes is the size of an output's row.
func rowBytes(p loader.Pipeline) (float64, error) {
	if p.Shape == nil {
		e := errorf(http.StatusUnprocessableEntity, "the values of %q differ in length", p.Output)
		e.hint = "a loader is run here for values of one size"
		return 0, e
	}
	n := 8.0 // of a type that NumPy doesn't know, at most
	if d, err := array.ParseDType(p.DType); err == nil {
		n = float64(d.ItemSize())
	}
	for _, d := range p.Shape {
		n *= float64(d)
	}
	return n, nil
}

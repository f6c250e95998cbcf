package loader

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// Stats is what an epoch, or all epochs of a loader, took. Times are of a clock,
// not of processors, but for CPU. Those of workers are sums over all of them.
// Elapsed and all counts are exact, and Wait and Work where batches take more than
// about a fifth of a millisecond. With shorter ones these are estimates from some
// of them, as Order and the times of Stages always are, which together are never
// more than Work.
// Durations are nanoseconds in JSON.
type Stats struct {
	Epoch   int  `json:"epoch"`  // the number of the epoch begun last, -1 for none
	Epochs  int  `json:"epochs"` // how many are in the figures
	Running bool `json:"running"`

	Batches int64 `json:"batches"` // handed out
	Samples int64 `json:"samples"` // in them
	Bytes   int64 `json:"bytes"`   // of them
	Read    int64 `json:"read"`    // bytes of the values that were read from the dataset for them and for those ahead
	Skipped int64 `json:"skipped"` // samples that could not be loaded and were passed over

	Elapsed   time.Duration `json:"elapsed"`    // from the epoch's begin to its end, or till now
	Wait      time.Duration `json:"wait"`       // of the consumer, for batches
	FirstWait time.Duration `json:"first_wait"` // that for an epoch's first batch, part of Wait
	Waits     int64         `json:"waits"`      // batches that it had to wait for
	Order     time.Duration `json:"order"`      // spent by the consumer's goroutine on the order
	Ready     float64       `json:"ready"`      // batches that lay ready when it asked for one, on average
	Ahead     int           `json:"ahead"`      // at most so many can

	Workers    int           `json:"workers"`
	Processors int           `json:"processors"` // that Go may use: GOMAXPROCS
	Work       time.Duration `json:"work"`       // of all workers; what is missing to Workers*Elapsed they had nothing to do
	Stages     []StageStats  `json:"stages"`     // of Work, in the order of the outputs

	MarksFound int64 `json:"marks_found"` // JPEGs whose checkpoints were there
	MarksMade  int64 `json:"marks_made"`  // and those for which they were made
	// Of a Dataset that is a Cacher, in blocks, whoever read them meanwhile:
	CacheHits   int64 `json:"cache_hits"`   // they were in memory
	CacheMisses int64 `json:"cache_misses"` // they were not, or were just being read
	CacheBytes  int64 `json:"cache_bytes"`  // read from the file

	// Of the whole process meanwhile, 0 where the system does not tell:
	CPU         time.Duration `json:"cpu"`
	MajorFaults int64         `json:"major_faults"` // pages that had to be read from files
	MinorFaults int64         `json:"minor_faults"`
}

// StageKind says what a stage of the work is.
type StageKind string

const (
	StageLookUp  StageKind = "look up"  // rows of metadata, and where values lie
	StageRead    StageKind = "read"     // getting a value's bytes, from a mapped file by its first touch
	StageCopy    StageKind = "copy"     // values as they are stored, from a mapped file to the batch; includes reading it
	StageDecode  StageKind = "decode"   // with the operations that are one pass with it
	StageOp      StageKind = "op"       // an operation on one sample after another
	StageBatchOp StageKind = "batch op" // an operation on whole batches
)

// StageStats is what one stage of the work took.
type StageStats struct {
	Kind   StageKind     `json:"kind"`
	Output string        `json:"output,omitempty"` // "" for what serves all
	What   string        `json:"what"`
	Time   time.Duration `json:"time"`   // of all workers
	Values int64         `json:"values"` // how many it was done for
}

// usage is what a process has taken.
type usage struct {
	known        bool
	cpu          time.Duration
	major, minor int64
}

// Stats returns the figures of the epoch begun last: so far, or when it has
// ended, all. Before the first epoch Stats.Epoch is -1. It may be called at any
// time, by any goroutine, and disturbs nothing; what the workers did for the
// batches they are at, and for the last few of short ones, is not in it yet.
func (l *Loader) Stats() Stats {
	r := l.plan.recorder
	r.mu.Lock()
	last := r.last
	r.mu.Unlock()
	if last == nil {
		return Stats{Epoch: -1}
	}
	return last.stats()
}

// Totals returns the sums over all epochs of the loader so far. Its counts and
// times never fall from one call to the next, apart from the estimates among
// them while an epoch runs.
func (l *Loader) Totals() Stats {
	r := l.plan.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	total := r.ended
	total.Stages = slices.Clone(total.Stages)
	for _, e := range r.running {
		s := e.stats()
		total.add(&s)
	}
	if total.Epoch = -1; r.last != nil {
		total.Epoch = r.last.number
	}
	return total
}

// stats returns the figures so far.
func (e *record) stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.end == nil {
		return e.figures(&newSums(1, len(e.stages), len(e.slots))[0], processUsage())
	}
	s := *e.end
	s.Stages = slices.Clone(s.Stages)
	return s
}

// figures are those of a running epoch; done, empty, becomes what workers have
// done, u is what the process has. The caller holds the lock: so that each asked
// for is at least the one before.
func (e *record) figures(done *sums, u usage) Stats {
	s, now := e.consumer, clock()
	batches, samples := e.given.handed()
	if e.since >= 0 {
		s.Wait += now - e.since
		if batches == 0 {
			s.FirstWait = s.Wait
		}
	}
	s.Batches, s.Samples = int64(batches), int64(samples)
	s.Bytes += s.Samples * int64(e.fixed)
	if e.looks > 0 {
		s.Ready = float64(e.depths) / float64(e.looks)
	}
	s.Elapsed = now - e.began
	p := e.plan
	s.Epoch, s.Epochs, s.Running = e.number, 1, true
	s.Workers, s.Processors, s.Ahead = p.workers, processors(), p.ahead
	for i := range e.tallies[:e.joined] {
		s.Work += e.tallies[i].sum(done)
	}
	s.Work = min(s.Work, time.Duration(p.workers)*s.Elapsed)
	s.Read, s.MarksFound, s.MarksMade = done.bytes, done.marksFound, done.marksMade
	s.Stages = e.shares(done, s.Work)
	c, was := p.cacheStats(), &e.cache
	s.CacheHits, s.CacheMisses, s.CacheBytes = c.Hits-was.Hits, c.Misses+c.Waits-was.Misses-was.Waits, c.Bytes-was.Bytes
	if u.known && e.usage.known {
		s.CPU, s.MajorFaults, s.MinorFaults = u.cpu-e.usage.cpu, u.major-e.usage.major, u.minor-e.usage.minor
	}
	return s
}

// sum adds what the worker has done and returns how long it worked.
func (t *tally) sum(to *sums) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	to.add(&t.sums)
	if t.since >= 0 {
		return t.work + clock() - t.since
	}
	return t.work
}

// shares are the stages with their figures, without those that had nothing to
// do.
func (e *record) shares(done *sums, work time.Duration) []StageStats {
	list := make([]StageStats, 0, len(done.laps))
	sum := time.Duration(0)
	for i, l := range done.laps {
		if l.values == 0 { // none was timed in this epoch
			l = e.earlier[i]
		}
		if l.values == 0 || done.done[e.outs[i]] == 0 {
			continue
		}
		s := e.stages[i]
		s.Values = done.done[e.outs[i]]
		s.Time = time.Duration(float64(l.time) * float64(s.Values) / float64(l.values))
		sum += s.Time
		list = append(list, s)
	}
	if sum > work {
		for i := range list {
			list[i].Time = time.Duration(float64(list[i].Time) * float64(work) / float64(sum))
		}
	}
	// What serves all comes first.
	slices.SortStableFunc(list, func(a, b StageStats) int { return min(1, len(a.Output)) - min(1, len(b.Output)) })
	return list
}

// add adds the figures of another epoch. The averages are weighted by batches.
func (s *Stats) add(o *Stats) {
	if n := s.Batches + o.Batches; n > 0 {
		s.Ready = (s.Ready*float64(s.Batches) + o.Ready*float64(o.Batches)) / float64(n)
	}
	s.Epochs += o.Epochs
	s.Running = s.Running || o.Running
	s.Batches += o.Batches
	s.Samples += o.Samples
	s.Bytes += o.Bytes
	s.Read += o.Read
	s.Skipped += o.Skipped
	s.Elapsed += o.Elapsed
	s.Wait += o.Wait
	s.FirstWait += o.FirstWait
	s.Waits += o.Waits
	s.Order += o.Order
	s.Ahead, s.Workers, s.Processors = o.Ahead, o.Workers, o.Processors
	s.Work += o.Work
	s.MarksFound += o.MarksFound
	s.MarksMade += o.MarksMade
	s.CacheHits += o.CacheHits
	s.CacheMisses += o.CacheMisses
	s.CacheBytes += o.CacheBytes
	s.CPU += o.CPU
	s.MajorFaults += o.MajorFaults
	s.MinorFaults += o.MinorFaults
	for _, t := range o.Stages {
		at := slices.IndexFunc(s.Stages, func(u StageStats) bool {
			return u.Kind == t.Kind && u.Output == t.Output && u.What == t.What
		})
		if at < 0 {
			s.Stages = append(s.Stages, t)
			continue
		}
		s.Stages[at].Time += t.Time
		s.Stages[at].Values += t.Values
	}
}

// LogValue implements slog.LogValuer: the verdict and the main figures.
func (s Stats) LogValue() slog.Value {
	list := []slog.Attr{
		slog.Int("epoch", s.Epoch),
		slog.String("verdict", s.Verdict()),
		slog.Int64("batches", s.Batches),
		slog.Int64("samples", s.Samples),
		slog.Int64("bytes", s.Bytes),
		slog.Int64("skipped", s.Skipped),
		slog.Duration("elapsed", s.Elapsed),
		slog.Duration("wait", s.Wait),
		slog.Duration("order", s.Order),
		slog.Duration("work", s.Work),
		slog.Int("workers", s.Workers),
		slog.Float64("ready", s.Ready),
	}
	for _, t := range s.Stages {
		name := string(t.Kind)
		if t.Output != "" {
			name = t.Output + " " + t.What
		}
		list = append(list, slog.Duration(name, t.Time))
	}
	return slog.GroupValue(list...)
}

// Var is a loader's figures as a variable of package expvar, see Loader.Var.
type Var struct{ loader *Loader }

// Var returns the loader's figures for expvar.Publish, which is the program's to
// call. (The loader doesn't import package expvar, which serves HTTP.)
func (l *Loader) Var() Var { return Var{l} }

// String implements expvar.Var: a JSON object of the epoch begun last and of
// the totals, each with its verdict.
func (v Var) String() string {
	type told struct {
		Verdict string `json:"verdict"`
		Stats
	}
	last, total := v.loader.Stats(), v.loader.Totals()
	b, err := json.Marshal(map[string]told{"epoch": {last.Verdict(), last}, "total": {total.Verdict(), total}})
	if err != nil {
		return "null" // no number in it is beyond JSON
	}
	return string(b)
}

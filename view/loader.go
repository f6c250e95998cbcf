package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
)

var _ = register((*Server).loaderRoutes)

const (
	mostPoints = 300                    // of a history
	lookAgain  = 500 * time.Millisecond // a file is not read more often
	lookAtMost = 5 * time.Second        // that a far one may take
	staleAfter = 5                      // times its own interval

	betweenEpochs = 3 // intervals, for as long a loader is said to run when its epoch has ended
)

// point is what a loader did between two looks at it.
type point struct {
	Time    float64 `json:"t"` // of the second look, in seconds since 1970
	Samples float64 `json:"samples_per_s"`
	Wait    float64 `json:"wait"` // share of the time that the consumer waited, 0 to 1
	Work    float64 `json:"work"` // share of the workers' time that they were busy, 0 to 1
}

// history is the last points of a loader.
type history struct {
	points []point
	last   *loader.Snapshot // nil: none yet
}

// add takes a later snapshot. One that is the same, or too soon after the last,
// adds nothing; one of another loader begins anew.
func (h *history) add(s *loader.Snapshot) {
	last := h.last
	if last == nil || s.Time.Before(last.Time) || s.Total.Samples < last.Total.Samples {
		h.points, h.last = nil, s
		return
	}
	dt := s.Time.Sub(last.Time).Seconds()
	if dt < 0.05 {
		return
	}
	share := func(a, b time.Duration, of int) float64 {
		if of <= 0 {
			return 0
		}
		return min(1, max(0, (b.Seconds()-a.Seconds())/dt/float64(of)))
	}
	h.points = append(h.points, point{
		Time:    float64(s.Time.UnixMilli()) / 1000,
		Samples: (float64(s.Total.Samples) - float64(last.Total.Samples)) / dt,
		Wait:    share(last.Total.Wait, s.Total.Wait, 1),
		Work:    share(last.Total.Work, s.Total.Work, s.Total.Workers),
	})
	if n := len(h.points) - mostPoints; n > 0 {
		h.points = h.points[:copy(h.points, h.points[n:])]
	}
	h.last = s
}

// loaderAnswer is GET /api/loader.
type loaderAnswer struct {
	Source  *string      `json:"source"` // "own", "file", null: there is nothing to look at
	Running bool         `json:"running"`
	Stats   *figures     `json:"stats"`
	Total   *figures     `json:"total"`
	Of      *wholeEpoch  `json:"of"`    // what an epoch has
	Time    *time.Time   `json:"time"`  // of the figures
	Stale   bool         `json:"stale"` // they say that it runs, but are old
	History []point      `json:"history"`
	Own     *ownSettings `json:"own,omitempty"`
	Error   string       `json:"error,omitempty"`
	Hint    string       `json:"hint,omitempty"`
}

// figures are a snapshot's, as JSON has them.
type figures = loader.Figures

type wholeEpoch struct {
	Batches int `json:"batches"`
	Samples int `json:"samples"`
}

// tell puts a snapshot into the answer; nil leaves it away.
func (a *loaderAnswer) tell(s *loader.Snapshot) {
	if s == nil {
		return
	}
	a.Stats, a.Total, a.Of, a.Time = &s.Epoch, &s.Total, &wholeEpoch{s.Batches, s.Samples}, &s.Time
}

// watcher looks at loaders: one that runs in the server, and the one whose file
// of statistics Options.Loader names.
type watcher struct {
	server *Server

	mu     sync.Mutex // of what follows, and one look at a time
	looked time.Time
	seen   history
	err    error // of the last look
	own    *own  // the one started last; nil: none was
}

func (s *Server) loaderRoutes() []route {
	w := &watcher{server: s}
	return []route{
		{"GET", "/api/loader", w.show},
		{"POST", "/api/loader", w.order},
	}
}

// show answers with the server's own loader while it runs, else with the file's,
// else with what the own one ended with.
func (l *watcher) show(w http.ResponseWriter, r *http.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	file := l.server.opts.Loader
	switch {
	case l.own != nil && (l.own.running() || file == ""):
		return writeJSON(w, l.own.answer())
	case file != "":
		return writeJSON(w, l.ofFile(r.Context()))
	}
	return writeJSON(w, loaderAnswer{History: []point{}, Hint: "start one here, or show a running one: loader.Options.StatsFile (Python: stats_file=) writes a file that 'ffcv view --loader FILE' reads"})
}

// ofFile looks at the file again, unless that was just done. What is wrong with it
// is told beside what was last seen. The lock is held.
func (l *watcher) ofFile(ctx context.Context) loaderAnswer {
	if time.Since(l.looked) >= lookAgain {
		s, err := l.read(ctx)
		if ctx.Err() == nil { // else the browser has gone
			l.err, l.looked = err, time.Now()
		}
		if err == nil {
			l.seen.add(s)
		}
	}
	source := "file"
	a := loaderAnswer{Source: &source, History: append([]point{}, l.seen.points...)}
	a.tell(l.seen.last)
	if s := l.seen.last; s != nil {
		every := min(max(s.Every, time.Second), time.Minute)
		age := time.Since(s.Time)
		// Between two epochs, which may be short ones, a training still runs.
		a.Running = s.Epoch.Running || len(l.seen.points) > 0 && age < betweenEpochs*every
		a.Stale = a.Running && age > staleAfter*every
	}
	if l.err != nil {
		a.Error = l.err.Error()
	}
	if errors.Is(l.err, fs.ErrNotExist) {
		a.Hint = "a loader with Options.StatsFile (Python: stats_file=) writes it when it is made"
	}
	return a
}

// read reads the file, which may be anyone's and be just being written.
func (l *watcher) read(ctx context.Context) (*loader.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, lookAtMost)
	defer cancel()
	b, err := store.ReadHead(ctx, l.server.opts.Loader, loader.MaxSnapshot+1, l.server.opts.Store)
	if err != nil {
		return nil, fmt.Errorf("the loader's statistics: %w", err)
	}
	return loader.ParseSnapshot(b)
}

// order starts or stops the server's own loader.
func (l *watcher) order(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Action string `json:"action"`
		ownSettings
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return badRequest("the request is no JSON object: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch asked.Action {
	case "start":
		if l.own != nil && l.own.running() {
			e := errorf(http.StatusConflict, "a loader runs already")
			e.hint = "stop it first"
			return e
		}
		o, err := l.server.startOwn(asked.ownSettings)
		if err != nil {
			return err
		}
		l.own = o
	case "stop":
		if l.own == nil {
			return errorf(http.StatusConflict, "no loader was started here")
		}
		l.own.stop()
		<-l.own.ended
	default:
		return badRequest(`"action" is %.40q, expected "start" or "stop"`, asked.Action)
	}
	return writeJSON(w, l.own.answer())
}

package view

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	mostRunning = 2  // jobs at a time
	mostJobs    = 32 // that are remembered
)

var _ = register((*Server).jobRoutes)

// jobKinds are the jobs that a person can start, by name. A file that has one
// adds it:
//
//	var _ = registerJob("survey", (*Server).survey)
var jobKinds = map[string]func(s *Server, ctx context.Context, j *job) (result any, err error){}

// registerJob adds a kind of job, when the package is initialised. run ends soon
// after its context; what it returns is answered as JSON.
func registerJob(kind string, run func(s *Server, ctx context.Context, j *job) (result any, err error)) struct{} {
	jobKinds[kind] = run
	return struct{}{}
}

// jobs are the jobs that run and those that ended last.
type jobs struct {
	mu   sync.Mutex
	last int
	list []*job // by id
}

// job is work that reads a whole dataset.
type job struct {
	id      int
	kind    string
	stop    context.CancelFunc
	started time.Time

	mu        sync.Mutex
	state     string // running, done, failed, stopped
	done, all int64
	seconds   float64 // when it has ended
	result    any
	err       error
}

// progress says how far a job is; all is -1 where that isn't known.
func (j *job) progress(done, all int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done, j.all = done, all
}

// end is called once the job has ended.
func (j *job) end(result any, err error, stopped bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seconds = time.Since(j.started).Seconds()
	switch {
	case stopped:
		j.state = "stopped"
	case err != nil:
		j.state, j.err = "failed", err
	default:
		j.state, j.result = "done", result
	}
}

// jobAnswer is a job as JSON.
type jobAnswer struct {
	ID      string  `json:"id"`
	Kind    string  `json:"kind"`
	State   string  `json:"state"`
	Done    int64   `json:"done"`
	All     int64   `json:"all"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
	Result  any     `json:"result,omitempty"`
}

// answer is what is told of a job, with its result or without.
func (j *job) answer(result bool) jobAnswer {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := jobAnswer{ID: strconv.Itoa(j.id), Kind: j.kind, State: j.state, Done: j.done, All: j.all, Seconds: j.seconds}
	if j.state == "running" {
		a.Seconds = time.Since(j.started).Seconds()
	}
	if j.err != nil {
		a.Error = j.err.Error()
	}
	if result {
		a.Result = j.result
	}
	return a
}

func (j *job) running() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state == "running"
}

func (s *Server) jobRoutes() []route {
	return []route{
		{"GET", "/api/jobs", s.listJobs},
		{"POST", "/api/jobs", s.startJob},
		{"GET", "/api/jobs/{id}", s.showJob},
		{"DELETE", "/api/jobs/{id}", s.stopJob},
	}
}

func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) error {
	s.jobs.mu.Lock()
	list := slices.Clone(s.jobs.list)
	s.jobs.mu.Unlock()
	answers := make([]jobAnswer, len(list))
	for i, j := range list {
		answers[i] = j.answer(false)
	}
	return writeJSON(w, answers)
}

func (s *Server) startJob(w http.ResponseWriter, r *http.Request) error {
	var asked struct {
		Kind string `json:"kind"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return badRequest("the request is no JSON object: %w", err)
	}
	run, ok := jobKinds[asked.Kind]
	if !ok {
		return badRequest("no job is called %q", asked.Kind)
	}
	j, err := s.addJob(asked.Kind, run)
	if err != nil {
		return err
	}
	return writeJSON(w, map[string]string{"id": strconv.Itoa(j.id)})
}

// addJob starts a job, if not too many run. The oldest ones that ended are
// forgotten.
func (s *Server) addJob(kind string, run func(s *Server, ctx context.Context, j *job) (any, error)) (*job, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	running := 0
	for _, j := range s.jobs.list {
		if j.running() {
			running++
		}
	}
	if running >= mostRunning {
		e := errorf(http.StatusTooManyRequests, "%d jobs run already", running)
		e.hint = "stop one, or wait for it"
		return nil, e
	}
	if s.ctx.Err() != nil {
		return nil, errorf(http.StatusServiceUnavailable, "the server is being stopped")
	}
	ctx, stop := context.WithCancel(s.ctx)
	s.jobs.last++
	j := &job{id: s.jobs.last, kind: kind, stop: stop, started: time.Now(), state: "running", all: int64(s.ds.Len())}
	s.jobs.list = append(s.jobs.list, j)
	for k := 0; len(s.jobs.list) > mostJobs && k < len(s.jobs.list); {
		if s.jobs.list[k].running() {
			k++
			continue
		}
		s.jobs.list = slices.Delete(s.jobs.list, k, k+1)
	}
	var result any
	s.spawn(func(context.Context) (err error) {
		result, err = run(s, ctx, j)
		return err
	}, func(err error) {
		j.end(result, err, ctx.Err() != nil)
		stop()
	})
	return j, nil
}

// jobOf returns the job that a request names.
func (s *Server) jobOf(r *http.Request) (*job, error) {
	s.jobs.mu.Lock()
	defer s.jobs.mu.Unlock()
	for _, j := range s.jobs.list {
		if strconv.Itoa(j.id) == r.PathValue("id") {
			return j, nil
		}
	}
	return nil, errorf(http.StatusNotFound, "no job %q, or it was forgotten since", r.PathValue("id"))
}

func (s *Server) showJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.jobOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, j.answer(true))
}

func (s *Server) stopJob(w http.ResponseWriter, r *http.Request) error {
	j, err := s.jobOf(r)
	if err != nil {
		return err
	}
	j.stop()
	return writeJSON(w, j.answer(false))
}

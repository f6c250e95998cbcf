package view

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/rgb"
)

// route is one address that the server answers.
type route struct {
	method  string // "GET", which is HEAD's too, "POST", "DELETE"
	pattern string // as of http.ServeMux, without a method: "/api/sample/{i}"
	// handler answers, or returns why not before it has written anything: fail
	// says that to the browser.
	handler func(w http.ResponseWriter, r *http.Request) error
}

// parts are what the server is made of. A file that has routes adds itself:
//
//	var _ = register((*Server).chartRoutes)
var parts []func(*Server) []route

// register adds a part, when the package is initialised.
func register(part func(*Server) []route) struct{} {
	parts = append(parts, part)
	return struct{}{}
}

// answer makes an http.Handler of a route's. Memory faults and panics are errors
// too. Close ends the request's context.
func (s *Server) answer(handler func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			fail(w, errorf(http.StatusServiceUnavailable, "the server is being stopped"))
			return
		}
		defer s.work.Done()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ctx, func() {
			cancel()
			http.NewResponseController(w).SetWriteDeadline(time.Now()) // for browsers that don't read on; it need not be possible
		})()
		t := &tracked{ResponseWriter: w}
		err := guarded(func() error { return handler(t, r.WithContext(ctx)) })
		switch {
		case err == nil:
		case t.begun: // too late to say so otherwise: the browser sees a cut answer
			panic(http.ErrAbortHandler)
		default:
			fail(w, err)
		}
	})
}

// tracked knows whether something was written.
type tracked struct {
	http.ResponseWriter
	begun bool
}

func (t *tracked) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracked) Write(b []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// statusError is an error with the status that it is answered with.
type statusError struct {
	status int
	text   string
	hint   string         // what may help, "" nothing
	more   map[string]any // stands in the answer beside it; nil: nothing
	err    error          // the cause, or nil
}

func (e *statusError) Error() string { return e.text }
func (e *statusError) Unwrap() error { return e.err }

// errorf is an error that is answered with a status. %w keeps its cause.
func errorf(status int, format string, args ...any) *statusError {
	err := fmt.Errorf(format, args...)
	return &statusError{status: status, text: err.Error(), err: errors.Unwrap(err)}
}

// badRequest is errorf of what the browser asked wrongly.
func badRequest(format string, args ...any) *statusError {
	return errorf(http.StatusBadRequest, format, args...)
}

// writeJSON answers with a value as JSON. HTML's characters stand escaped in it.
func writeJSON(w http.ResponseWriter, v any) error { return writeStatus(w, http.StatusOK, v) }

func writeStatus(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // an error is of a browser that has gone
	return nil
}

// fail answers with an error: {"error": …, "hint": …}, and the status that
// statusOf gives it. Of a flaw in a file it tells file, field, sample (its number
// there) and offset too.
func fail(w http.ResponseWriter, err error) {
	body := map[string]any{"error": err.Error()}
	var e *statusError
	if errors.As(err, &e) {
		if e.hint != "" {
			body["hint"] = e.hint
		}
		for k, v := range e.more {
			body[k] = v
		}
	}
	var flaw *ffcv.FormatError
	if errors.As(err, &flaw) {
		body["file"] = flaw.File
		for name, v := range map[string]int64{"sample": int64(flaw.Sample), "offset": flaw.Offset} {
			if v >= 0 {
				body[name] = v
			}
		}
		if flaw.Field != "" {
			body["field"] = strings.ToValidUTF8(flaw.Field, "\ufffd")
		}
	}
	if writeStatus(w, statusOf(err), body) != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// statusOf is the status of an answer that tells of an error: 422 where the
// dataset is damaged, or is of a kind that can't be shown.
func statusOf(err error) int {
	var (
		own         *statusError
		flaw        *ffcv.FormatError
		unsupported *ffcv.UnsupportedError
		sample      *loader.SampleError
		fault       *mmap.FaultError
		panicked    *ffcv.PanicError
		picture     *rgb.InvalidError
		strange     *rgb.UnsupportedError
	)
	switch {
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &flaw), errors.As(err, &unsupported), errors.As(err, &sample), errors.As(err, &fault),
		errors.As(err, &panicked), errors.As(err, &picture), errors.As(err, &strange):
		return http.StatusUnprocessableEntity
	case errors.Is(err, remote.ErrDenied), errors.Is(err, fs.ErrNotExist):
		return http.StatusBadGateway // of a file of the dataset, which is not where it was
	}
	return http.StatusInternalServerError
}

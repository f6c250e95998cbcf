package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// web is a web server.
type web struct {
	client *http.Client
	u      *url.URL
	opts   Options
}

// webClient keeps connections for as many requests as there may be at a time.
var webClient = sync.OnceValue(func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	connections(t)
	return &http.Client{Transport: t, CheckRedirect: redirect}
})

// redirect follows a server's word that a file is elsewhere, but not to where
// others could read along, and without telling where it was before: a link may hold
// a signature.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errRedirect("more than 10 redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errRedirect("a redirect from https to " + req.URL.Scheme)
	}
	req.Header.Del("Referer")
	return nil
}

// errRedirect is a redirect that isn't followed.
type errRedirect string

func (e errRedirect) Error() string { return string(e) }

func openWeb(p place, o Options) *web { return &web{webClient(), p.u, o} }

func (s *web) close() error { return nil }

// request makes a request; ranged for bytes from off to end.
func (s *web) request(ctx context.Context, span string, a attrs) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.u.String(), nil)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	req.Header.Set("Range", span)
	if a.etag != "" && !strings.HasPrefix(a.etag, "W/") {
		req.Header.Set("If-Match", a.etag)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var e *url.Error // holds the URL, with what must not be shown
		if errors.As(err, &e) {
			err = e.Err
		}
		var no errRedirect
		if errors.As(err, &no) {
			return nil, no
		}
		if strings.Contains(err.Error(), "Location") {
			return nil, errors.New("a redirect to what is no URL") // which the error holds
		}
		return nil, &passing{error: bare(err)}
	}
	return resp, nil
}

// stat asks for the first byte: there are servers, and signed URLs, that answer
// GET alone.
func (s *web) stat(ctx context.Context, _ string) (attrs, error) {
	var a attrs
	r, err := watch(ctx, s.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		resp, err := s.request(ctx, "bytes=0-0", attrs{})
		if err != nil {
			return nil, err
		}
		a, err = webAttrs(resp)
		if err != nil {
			resp.Body.Close()
			return nil, err
		}
		return resp.Body, nil
	})
	if err != nil {
		return attrs{}, err
	}
	return a, r.Close()
}

func webAttrs(resp *http.Response) (attrs, error) {
	a := attrs{etag: resp.Header.Get("ETag"), modified: resp.Header.Get("Last-Modified")}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		_, _, total, err := contentRange(resp.Header.Get("Content-Range"))
		if err != nil {
			return attrs{}, err
		}
		a.size = total
		return a, nil
	case http.StatusRequestedRangeNotSatisfiable: // an empty file has no first byte
		if resp.Header.Get("Content-Range") == "bytes */0" {
			return a, nil
		}
	case http.StatusOK:
		if resp.ContentLength == 0 {
			return a, nil
		}
		return attrs{}, errors.New("the server doesn't serve ranges of bytes")
	}
	return attrs{}, status(resp)
}

// contentRange reads "bytes FIRST-LAST/TOTAL".
func contentRange(text string) (first, last, total int64, err error) {
	span, all, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	from, to, dash := strings.Cut(span, "-")
	var numbers [3]int64
	for i, digits := range [3]string{from, to, all} {
		n, err := strconv.ParseInt(digits, 10, 64)
		ok = ok && err == nil && n >= 0
		numbers[i] = n
	}
	first, last, total = numbers[0], numbers[1], numbers[2]
	if !ok || !dash || first > last || last >= total {
		return 0, 0, 0, fmt.Errorf("Content-Range %q: want bytes FIRST-LAST/TOTAL", text)
	}
	return first, last, total, nil
}

func (s *web) get(ctx context.Context, _ string, off, n int64, a attrs) (body, error) {
	return watch(ctx, s.opts.Timeout, func(ctx context.Context) (io.ReadCloser, error) {
		resp, err := s.request(ctx, fmt.Sprintf("bytes=%d-%d", off, off+n-1), a)
		if err != nil {
			return nil, err
		}
		if err := checkPart(resp, off, n, a); err != nil {
			resp.Body.Close()
			return nil, err
		}
		return resp.Body, nil
	})
}

// checkPart says whether an answer is the part of the version that was asked for.
func checkPart(resp *http.Response, off, n int64, a attrs) error {
	switch resp.StatusCode {
	case http.StatusPartialContent:
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return ErrChanged
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: it is gone", ErrChanged)
	case http.StatusOK:
		return errors.New("the server sent the whole file instead of a range of bytes")
	default:
		return status(resp)
	}
	first, last, total, err := contentRange(resp.Header.Get("Content-Range"))
	if err != nil {
		return err
	}
	if total != a.size || resp.Header.Get("ETag") != a.etag || a.modified != "" && resp.Header.Get("Last-Modified") != a.modified {
		return ErrChanged
	}
	if first != off || last != off+n-1 {
		return fmt.Errorf("the server sent bytes %d to %d", first, last+1)
	}
	return nil
}

// status is the error for an answer's HTTP status.
func status(resp *http.Response) error {
	code := resp.StatusCode
	err := fmt.Errorf("HTTP status %d %s", code, http.StatusText(code))
	switch {
	case code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("%w (%v)", ErrNotExist, err)
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w (%v)", ErrDenied, err)
	case busy(code):
		return &passing{error: err, after: retryAfter(resp)}
	}
	return err
}

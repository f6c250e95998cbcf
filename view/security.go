package view

import (
	"crypto/subtle"
	"fmt"
	"html"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// policy is the page's Content-Security-Policy: it runs its own scripts, and
// asks nobody but this server.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; " +
	"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxBody bounds what a browser sends.
const maxBody = 1 << 20

// secure lets only those requests through to next that come under a name of this
// machine's and show the token, and those that change something only from the
// page itself.
func (s *Server) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		if !s.knownHost(r.Host) {
			refuse(w, http.StatusForbidden, "This server is not asked under that name. Open the address that 'ffcv view' printed.")
			return
		}
		if query := r.URL.Query(); query.Has("token") && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			s.enter(w, r, query)
			return
		}
		byHeader, ok := s.known(r)
		if !ok {
			refuse(w, http.StatusForbidden, "No access. Open the address that 'ffcv view' printed: it ends in ?token=… and lets this browser in.")
			return
		}
		if why, ok := changes(r, byHeader); !ok {
			refuse(w, http.StatusForbidden, why)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// refuse answers with a page of plain text.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n"))
}

// enter takes the token out of the address and gives the browser a cookie for it.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, query url.Values) {
	if list := query["token"]; len(list) != 1 || !s.right(list[0]) && !s.punch(list[0]) {
		refuse(w, http.StatusForbidden, "That is not the token of this server: each start has its own. Open the address that 'ffcv view' printed last.")
		return
	}
	query.Del("token")
	to := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, `/\`), RawQuery: query.Encode()}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: s.opts.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		goOn(w, to.String())
		return
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
}

// goOn is a page that leads to another at once: whoever followed a link on some
// other site, a notebook's or a chat's, comes without a strict cookie until a page
// of ours has sent them, and a redirection counts for the site that began it.
func goOn(w http.ResponseWriter, to string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	to = html.EscapeString(to)
	fmt.Fprintf(w, `<!doctype html><meta http-equiv="refresh" content="0;url=%s"><title>ffcv view</title><a href="%s">Go on</a>`+"\n", to, to)
}

// cookieName is of the port, as the browser sees it: cookies are not told apart
// by ports, and several servers may run.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil || strings.Trim(port, "0123456789") != "" {
		port = "80"
	}
	return "ffcv_view_" + port
}

// known says whether a request shows the token, and whether by a header, which
// no page of others can make a browser send.
func (s *Server) known(r *http.Request) (byHeader, ok bool) {
	if token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); bearer {
		return true, s.right(token)
	}
	for _, c := range r.CookiesNamed(cookieName(r)) {
		ok = ok || s.right(c.Value)
	}
	return false, ok
}

// punch takes a ticket, if it is one.
func (s *Server) punch(ticket string) bool {
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	ok := s.tickets.valid[ticket] // 256 random bits that are worth something once: the time of a look-up tells nothing
	delete(s.tickets.valid, ticket)
	return ok
}

// right compares in a time that tells nothing of the token.
func (s *Server) right(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.opts.Token)) == 1
}

// changes says whether a request that may change something comes from the page:
// what a form of another's page can send is none of these.
func changes(r *http.Request, byHeader bool) (why string, ok bool) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return "", true
	case http.MethodPost:
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return "Only application/json is taken.", false
		}
	}
	origin := r.Header.Get("Origin")
	if origin == "" && byHeader || strings.EqualFold(origin, "http://"+r.Host) {
		return "", true
	}
	return "That came from another page.", false
}

// knownHost says whether a request's Host names this server. A page whose name is
// made to point at this machine would come under its own name.
func (s *Server) knownHost(host string) bool {
	name := hostOf(host)
	if loopback(name) {
		return true
	}
	own := hostOf(s.opts.Host)
	return s.opts.Host != "" && (!loopback(own) || strings.EqualFold(name, own))
}

// hostOf takes the port off an address, and the brackets.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
}

// loopback says whether a name is of this machine alone.
func loopback(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

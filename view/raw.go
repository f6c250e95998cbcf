package view

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/betongo/betongo/rgb"
)

var _ = register((*Server).rawRoutes)

const (
	mostText   = 64 << 10 // bytes of a text that are answered with
	mostBinary = 4 << 10  // of anything else
)

func (s *Server) rawRoutes() []route {
	return []route{
		{"GET", "/api/sample/{i}/bytes", s.showBytes},
		{"GET", "/api/sample/{i}/text", s.showText},
	}
}

// sampleNamed returns the sample that a request's path names.
func (s *Server) sampleNamed(r *http.Request) (int, error) {
	i, err := strconv.Atoi(r.PathValue("i"))
	if err != nil {
		return 0, badRequest("sample %q: expected a number", r.PathValue("i"))
	}
	if i < 0 || i >= s.ds.Len() {
		return 0, errorf(http.StatusNotFound, "no sample %d; there are %d", i, s.ds.Len())
	}
	return i, nil
}

// valueNamed returns the value that a request names, of any field.
func (s *Server) valueNamed(r *http.Request) (i, k int, v *value, err error) {
	if i, err = s.sampleNamed(r); err != nil {
		return 0, 0, nil, err
	}
	if k, err = s.fieldNamed(r, "values", allKinds...); err != nil {
		return 0, 0, nil, err
	}
	v, err = s.find(i, k)
	return i, k, v, err
}

// showBytes answers with a value's bytes as a file to keep: nothing that a
// browser would open by itself, whatever they are.
func (s *Server) showBytes(w http.ResponseWriter, r *http.Request) error {
	i, k, v, err := s.valueNamed(r)
	if err != nil {
		return err
	}
	c, done, err := s.reader(r.Context(), v)
	if err != nil {
		return err
	}
	defer done()
	head, err := v.head(sniffed)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", s.fileName(i, k, head)))
	http.ServeContent(w, r, "", time.Time{}, c)
	return nil
}

// fileName names a file for a value: of letters, digits and what is as harmless.
func (s *Server) fileName(i, k int, head []byte) string {
	name := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, s.names[k])
	ext := ".bin"
	switch {
	case s.kindOf(k) == kindJSON:
		ext = ".json"
	case pictureType(head) != "":
		ext = "." + strings.Replace(string(pictureType(head)), "jpeg", "jpg", 1)
	case soundType(head) != "":
		ext = map[string]string{"audio/wav": ".wav", "audio/ogg": ".ogg", "audio/flac": ".flac", "audio/mpeg": ".mp3"}[soundType(head)]
	case isText(head):
		ext = ".txt"
	}
	return fmt.Sprintf("sample-%d-%s%s", i, name, ext)
}

// pictureType names the format of a picture that begins with head, if it is
// surely one.
func pictureType(head []byte) rgb.Format {
	f := rgb.Sniff(head)
	if f == rgb.BMP && (len(head) < 14 || head[6]|head[7]|head[8]|head[9] != 0) {
		return "" // two letters are too little to tell
	}
	return f
}

// isText says whether bytes read as text, which may go on behind them.
func isText(b []byte) bool {
	_, ok := textOf(b, false)
	return ok && len(b) > 0
}

// textOf returns the text that bytes are. Unless they are all, they may be cut
// inside a character, which is left out.
func textOf(b []byte, all bool) (string, bool) {
	for n := 0; !all && n < utf8.UTFMax && n < len(b); n++ {
		if r := b[len(b)-1-n]; utf8.RuneStart(r) {
			if !utf8.FullRune(b[len(b)-1-n:]) {
				b = b[:len(b)-1-n]
			}
			break
		}
	}
	if !utf8.Valid(b) {
		return "", false
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' {
			return "", false
		}
	}
	return string(b), true
}

type textAnswer struct {
	Text *string `json:"text"` // null: it is no text
	Hex  string  `json:"hex"`  // "" where there is text
	Size int64   `json:"size"`
	Next *int64  `json:"next"`
}

// showText answers with a piece of a value's bytes, as text where they are text.
func (s *Server) showText(w http.ResponseWriter, r *http.Request) error {
	_, k, v, err := s.valueNamed(r)
	if err != nil {
		return err
	}
	c, done, err := s.reader(r.Context(), v)
	if err != nil {
		return err
	}
	defer done()
	off, err := number(r, "offset", 0, 0, c.size)
	if err != nil {
		return err
	}
	b := make([]byte, min(mostText, c.size-off))
	c.at = off
	for n := 0; n < len(b); {
		m, err := c.Read(b[n:])
		if err != nil {
			return v.flaw(err)
		}
		n += m
	}
	if s.kindOf(k) == kindJSON && off+int64(len(b)) == c.size && len(b) > 0 && b[len(b)-1] == 0 {
		b, c.size = b[:len(b)-1], c.size-1 // a file keeps a NUL behind the text
	}
	a := textAnswer{Size: c.size}
	if text, ok := textOf(b, off+int64(len(b)) == c.size); ok {
		a.Text, b = &text, b[:len(text)]
	} else {
		b = b[:min(len(b), mostBinary)]
		a.Hex = hex.EncodeToString(b)
	}
	if next := off + int64(len(b)); next < c.size && len(b) > 0 {
		a.Next = &next
	}
	return writeJSON(w, a)
}

// number reads a whole number of a request's query, from lo to hi.
func number(r *http.Request, name string, otherwise, lo, hi int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lo || n > hi {
		return 0, badRequest("%s=%s: expected a whole number from %d to %d", name, strconv.Quote(text), lo, hi)
	}
	return n, nil
}

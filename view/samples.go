package view

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

var _ = register((*Server).samplesRoutes)

func (s *Server) samplesRoutes() []route {
	return []route{{"GET", "/api/samples", s.listSamples}}
}

const (
	mostItems  = 200
	usualItems = 60
	mostPart   = 120 // characters that a caption has of a field
	mostParts  = 8   // fields that a caption is of
)

// atOnce is how many samples' values are asked for together of a dataset that is far
// away.
const atOnce = 32

// scanFor is how long a request looks for samples before it answers with what it
// has found.
const scanFor = 250 * time.Millisecond

// item is a sample in a gallery.
type item struct {
	Index   int            `json:"index"`
	Key     *string        `json:"key"`
	Label   any            `json:"label"`
	Class   *string        `json:"class"`
	Caption string         `json:"caption"`
	Fields  map[string]any `json:"fields"`
	Image   *itemImage     `json:"image"`
	Audio   *itemAudio     `json:"audio"`
	Error   string         `json:"error,omitempty"` // what is wrong with its metadata
}

type itemImage struct {
	Field  string `json:"field"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Mode   string `json:"mode"`
	Bytes  int64  `json:"bytes"`
}

type itemAudio struct {
	Field string `json:"field"`
	Bytes int64  `json:"bytes"`
}

type samplesAnswer struct {
	Total   *int    `json:"total"`
	Items   []item  `json:"items"`
	Cursor  *string `json:"cursor"`
	Scanned int     `json:"scanned"`
	Skipped int     `json:"skipped"` // that could not be looked into
	Done    bool    `json:"done"`
}

func (s *Server) listSamples(w http.ResponseWriter, r *http.Request) error {
	n := s.ds.Len()
	query := r.URL.Query()
	count, err := number(r, "count", usualItems, 1, mostItems)
	if err != nil {
		return err
	}
	clauses, err := parseQuery(query.Get("q"))
	if err != nil {
		return err
	}
	q, err := s.bind(clauses)
	if err != nil {
		return err
	}
	walk := walk{q: q, step: 1, most: int(count)}
	switch dir := query.Get("dir"); dir {
	case "", "asc":
	case "desc":
		walk.step = -1
	default:
		return badRequest("dir=%q: expected asc or desc", dir)
	}
	first := int64(0)
	if walk.step < 0 {
		first = int64(n) - 1
	}
	if first, err = number(r, "start", first, 0, int64(max(n, 1)-1)); err != nil {
		return err
	}
	if first, err = number(r, "cursor", first, 0, int64(max(n, 1)-1)); err != nil {
		return err
	}
	walk.next = int(first)
	if len(clauses) > 0 {
		done, err := s.busy(r.Context())
		if err != nil {
			return err
		}
		defer done()
	}
	a, err := s.walk(r.Context(), &walk)
	if err != nil {
		return err
	}
	switch {
	case len(clauses) == 0:
		a.Total, a.Cursor, a.Scanned = &n, nil, len(a.Items)
	case a.Done && !query.Has("cursor") && !query.Has("start"):
		found := len(a.Items)
		a.Total = &found
	}
	return writeJSON(w, a)
}

// walk is a way through the samples.
type walk struct {
	q    *search
	next int // the sample that is looked at next
	step int // 1 or -1
	most int // how many are wanted
}

// walk goes on until it has found enough, has come to the end, or has looked long
// enough.
func (s *Server) walk(ctx context.Context, w *walk) (*samplesAnswer, error) {
	a := &samplesAnswer{Items: []item{}}
	if w.step > 0 {
		w.next = max(w.next, w.q.lo)
	} else {
		w.next = min(w.next, w.q.hi-1)
	}
	until := time.Now().Add(scanFor)
	p := &probe{s: s}
	for size := 64; w.next >= w.q.lo && w.next < w.q.hi; size = min(2*size, 1<<13) {
		if len(a.Items) >= w.most || time.Now().After(until) {
			text := strconv.Itoa(w.next)
			a.Cursor = &text
			return a, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.stretch(w, p, size, until, a); err != nil {
			return nil, err
		}
	}
	a.Done = true
	return a, nil
}

// stretch looks at up to size samples, all of one file.
func (s *Server) stretch(w *walk, p *probe, size int, until time.Time, a *samplesAnswer) error {
	if len(w.q.list) == 0 { // all of them are shown
		size = w.most - len(a.Items)
	}
	p.f = s.fileOf(w.next)
	lo, hi := w.next, min(w.next+size, p.f.first+p.f.n, w.q.hi)
	if w.step < 0 {
		lo, hi = max(w.next-size+1, p.f.first, w.q.lo), w.next+1
	}
	rows, err := p.f.ds.Rows(lo-p.f.first, hi-lo, p.rows)
	if err != nil {
		return err
	}
	if !p.f.lends() {
		p.rows = rows[:0] // read, not borrowed: the next ones go there too
	}
	far, _ := p.f.ds.(loader.Distant)
	if far == nil || !far.Distant() {
		far = nil
	} else if hinter, ok := p.f.ds.(loader.RowHinter); ok && len(w.q.list) == 0 {
		hinter.WillNeedRows(span(lo-p.f.first, hi-p.f.first), true)
	}
	if hi == lo || len(rows)%(hi-lo) != 0 {
		return errorf(http.StatusInternalServerError, "%s: %d bytes of metadata for %d samples", p.f.name, len(rows), hi-lo)
	}
	width := len(rows) / (hi - lo)
	dear := w.q.cost() == costData
	for ; w.next >= lo && w.next < hi && len(a.Items) < w.most; w.next += w.step {
		if dear && time.Now().After(until) {
			return nil
		}
		if k := w.next - lo; far != nil && w.step > 0 && k%atOnce == 0 {
			if list, most := w.q.reads(); len(list) > 0 {
				p.announce(list, most, rows[k*width:], width, w.next-p.f.first, min(atOnce, hi-w.next))
			}
		}
		a.Scanned++
		p.index, p.sample = w.next, w.next-p.f.first
		p.row = rows[(w.next-lo)*width:][:width:width]
		clear(p.texts)
		ok, err := false, error(nil)
		if w.q.cost() == costRow {
			ok, err = w.q.holds(p)
		} else {
			err = guarded(func() (err error) {
				ok, err = w.q.holds(p)
				return err
			})
		}
		if err != nil {
			a.Skipped++
		}
		if ok {
			a.Items = append(a.Items, s.item(p))
		}
	}
	return nil
}

// span is lo to hi-1.
func span(lo, hi int) []int {
	list := make([]int, hi-lo)
	for i := range list {
		list[i] = lo + i
	}
	return list
}

// item is a sample in short. What can't be read of it is left out.
func (s *Server) item(p *probe) item {
	it := item{Index: p.index, Fields: map[string]any{}}
	var key string
	if guarded(func() (err error) { key, err = p.key(); return err }) == nil && key != "" {
		key = strings.ToValidUTF8(key, "\ufffd")
		it.Key = &key
	}
	var captions []string
	for k := range s.fields {
		d := &s.fields[k]
		switch {
		case k == s.label:
			label := integer(p.member(k))
			it.Label = wholeNumber(label)
			if name := s.className(label); name != "" {
				name = strings.ToValidUTF8(name, "\ufffd")
				it.Class = &name
			}
		case d.Type == fields.TypeInt:
			it.Fields[s.names[k]] = wholeNumber(integer(p.member(k)))
		case d.Type == fields.TypeFloat:
			it.Fields[s.names[k]] = realNumber(float(p.member(k)))
		case len(captions) == mostParts && s.kindOf(k) == kindJSON: // it may have to be unpacked
		default:
			text := ""
			err := guarded(func() (err error) {
				text, err = s.glance(&it, p, k)
				return err
			})
			if err != nil && it.Error == "" {
				it.Error = err.Error()
			}
			if text != "" && len(captions) < mostParts {
				captions = append(captions, text)
			}
		}
	}
	it.Caption = strings.Join(captions, " · ")
	return it
}

// glance adds what a value shows at a glance, and returns what stands in the
// caption.
func (s *Server) glance(it *item, p *probe, k int) (caption string, err error) {
	v, err := p.at(k)
	if err != nil {
		return "", err
	}
	kind := s.kind(v)
	switch {
	case kind == kindImage && it.Image == nil:
		it.Image = &itemImage{Field: s.names[k], Bytes: v.size()}
		it.Image.Width, it.Image.Height, it.Image.Mode, err = s.measured(v)
		return "", err
	case kind == kindAudio && it.Audio == nil:
		it.Audio = &itemAudio{Field: s.names[k], Bytes: v.size()}
	case kind == kindJSON, kind == kindBytes:
		head, err := v.head(4 * mostPart)
		if err != nil {
			return "", err
		}
		if end := strings.IndexByte(string(head), 0); end >= 0 && kind == kindJSON {
			head = head[:end]
		}
		text, ok := textOf(head, false)
		if !ok && kind == kindBytes {
			return "", nil
		}
		if kind == kindJSON {
			text = unescaped(text)
		}
		return shorten(strings.ToValidUTF8(text, "\ufffd"), mostPart), nil
	}
	return "", nil
}

// unescaped is JSON in which letters stand as such where they are spelled \u00e4, for
// people to read: it need be no JSON any more.
func unescaped(text string) string {
	if !strings.Contains(text, `\u`) {
		return text
	}
	var b strings.Builder
	for text != "" {
		at := strings.IndexByte(text, '\\')
		if at < 0 || at+1 == len(text) {
			break
		}
		b.WriteString(text[:at])
		text = text[at:]
		n, r := 2, spelled(text)
		switch second := spelled(text[min(6, len(text)):]); {
		case r < 0:
		case utf16.IsSurrogate(r) && second >= 0:
			n, r = 12, utf16.DecodeRune(r, second)
		default:
			n = 6
		}
		if r < ' ' || r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			b.WriteString(text[:n])
		} else {
			b.WriteRune(r)
		}
		text = text[n:]
	}
	b.WriteString(text)
	return b.String()
}

// spelled is the number of a \u00e4 that text begins with, -1 without one.
func spelled(text string) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// shorten cuts a text to n characters, and its white space to single spaces.
func shorten(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	for at := range text {
		if n == 0 {
			return text[:at] + "…"
		}
		n--
	}
	return text
}

package view_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// counting is a source that counts the bytes which are read.
type counting struct {
	ffcv.Source
	read atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.read.Add(int64(len(p)))
	return c.Source.ReadAt(p, off)
}

// TestFarLarge: of a file that is read, a value of many bytes is not brought into
// memory as a whole, whoever says how long it is; and none is for its page alone.
func TestFarLarge(t *testing.T) {
	h := newHuge(t, 200_000, 0)
	h.first = 300 << 20
	source := &counting{Source: h}
	f, err := ffcv.New(source, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, f, nil)
	s.refused("/api/sample/0/image?side=64", 422, "would have to be read")
	s.refused("/api/sample/0/image", 422, "would have to be read")
	s.get("/api/sample/0")
	s.get("/api/sample/0/text")
	s.get("/api/samples")
	r := s.request("/api/sample/0/bytes")
	r.Header.Set("Range", "bytes=1000-1999")
	if w := s.do(r); w.Code != 206 || w.Body.Len() != 1000 {
		t.Errorf("a part: %d, %d bytes", w.Code, w.Body.Len())
	}
	if n := source.read.Load(); n > 32<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

// TestStrangeNames: a field whose name is no text can be asked for by the name that
// the page knows it by, in every view.
func TestStrangeNames(t *testing.T) {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "picture", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}, 3, func(int) []any {
		return []any{onePicture(), int64(0)}
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[bytes.Index(b, []byte("picture")):], "p\xefcture")
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, f, nil)
	a := answer[struct{ Fields []struct{ Name string } }](s, "/api/dataset")
	const want = "p\ufffdcture"
	if a.Fields[0].Name != want {
		t.Fatalf("%q, want %q", a.Fields[0].Name, want)
	}
	name := "field=" + url.QueryEscape(want)
	s.get("/api/sample/1/image?" + name)
	s.get("/api/playground/image?sample=1&pipeline=%5B%5D&" + name)
	if got := answer[chartsTold](s, "/api/charts"); got.Images[0].Field != want || got.Fields[0].Name != want {
		t.Errorf("charts: %q", got.Images[0].Field)
	}
	if got := answer[pagesTold](s, "/api/pages"); got.Fields[0] != want {
		t.Errorf("pages: %q", got.Fields)
	}
	r := s.request("/api/loader")
	r.Method, r.Body = "POST", io.NopCloser(strings.NewReader(`{"action":"start","batch":2,"field":"`+want+`"}`))
	r.Header.Set("Content-Type", "application/json")
	if w := s.do(r); w.Code != 200 || !strings.Contains(w.Body.String(), `"running":true`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRoomIsGivenBack: values that can't be unpacked, and say that they are large, take
// no room for ever.
func TestRoomIsGivenBack(t *testing.T) {
	const size = 12345
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "note", Field: fields.LZ4{Of: fields.Bytes{}}}}, 1, func(int) []any { return []any{make([]byte, size)} }, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	row := b[ffcv.HeaderSize+ffcv.DescriptorSize:]
	at := bytes.Index(row[:100], binary.LittleEndian.AppendUint32(nil, size))
	if at < 0 {
		t.Fatal("the size isn't in the metadata")
	}
	binary.LittleEndian.PutUint32(row[at:], 200<<20)
	f, err := ffcv.New(ffcvtest.Lend(b), &ffcv.OpenOptions{Custom: map[string]fields.Field{"note": fields.LZ4{Of: fields.Bytes{}}}})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, f, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 6 { // there is room for three
		for _, what := range []string{"bytes", "text"} {
			if w := s.do(s.request("/api/sample/0/" + what).WithContext(ctx)); w.Code != 422 || ctx.Err() != nil {
				t.Fatalf("%s: %d %.200s", what, w.Code, w.Body)
			}
		}
	}
}

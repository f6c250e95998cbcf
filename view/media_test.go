package view_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	_ "image/jpeg"
	"image/png"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/view"
)

// sample is what the page reads of GET /api/sample/I.
type sample struct {
	Index      int
	File       struct{ Name string }
	Key        *string
	Prev, Next *int
	Label      any
	Class      *string
	Quarantine bool
	Fields     []struct {
		Name, Type, Kind, Hex, Checksum, Error string
		Metadata                               map[string]any
		Size                                   int64
		Page, Offset                           *int64
		Value                                  any
		Cut                                    bool
	}
	Neighbours []struct {
		Index int
		Key   *string
	}
	Pages []int64
}

func TestSample(t *testing.T) {
	path := richFile(t)
	f := ffcvtest.Map(t, path, nil)
	s := serve(t, f, &view.Options{Quarantine: []int{7}})
	got := answer[sample](s, "/api/sample/7")
	if got.Index != 7 || *got.Key != "folder/photo_007.jpg" || *got.Prev != 6 || *got.Next != 8 || *got.Class != "cat" || got.Label != 0.0 || !got.Quarantine || got.File.Name != f.Name() {
		t.Errorf("%+v", got)
	}
	kinds := map[string]string{}
	for k, field := range got.Fields {
		kinds[field.Name] = field.Kind
		if field.Error != "" || field.Checksum != "ok" {
			t.Errorf("%s: %s, %s", field.Name, field.Error, field.Checksum)
		}
		d := f.Fields()[k]
		row, err := f.Metadata(7)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%x", row[d.Offset:][:d.Size]); field.Hex != want {
			t.Errorf("%s: %s, want %s", field.Name, field.Hex, want)
		}
	}
	if want := map[string]string{"image": "image", "label": "label", "score": "number", "big": "number", "meta": "json", "note": "bytes", "clip": "audio", "tone": "audio",
		"emb": "array", "grid": "array", "mask": "image", "depth": "image", "tokens": "json", "raw": "image", "file": "image"}; fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", kinds, want)
	}
	stored, err := f.Image(7, 0)
	if err != nil {
		t.Fatal(err)
	}
	picture := got.Fields[0]
	if picture.Size != int64(len(stored.Data)) || picture.Metadata["width"] != float64(stored.Width) || picture.Metadata["mode"] != "jpg" {
		t.Errorf("%+v", picture)
	}
	if at, ok := f.Borrow(*picture.Offset, picture.Size); !ok || !bytes.Equal(at, stored.Data) || *picture.Page != *picture.Offset/ffcv.MinPageSize {
		t.Errorf("at %d, in page %d", *picture.Offset, *picture.Page)
	}
	if got.Fields[2].Value != "nan" || got.Fields[3].Value != "9007199254740999" || got.Fields[1].Value != 0.0 {
		t.Errorf("%v %v", got.Fields[2].Value, got.Fields[3].Value)
	}
	if text, ok := got.Fields[4].Value.(string); !ok || !strings.Contains(text, `"nan": NaN`) || strings.Contains(text, "\x00") || got.Fields[4].Cut {
		t.Errorf("%v", got.Fields[4])
	}
	var around []int
	for _, n := range got.Neighbours {
		around = append(around, n.Index)
	}
	if !slices.Equal(around, []int{2, 3, 4, 5, 6, 8, 9, 10, 11, 12}) {
		t.Errorf("%v", around)
	}
	first, last := answer[sample](s, "/api/sample/0"), answer[sample](s, fmt.Sprintf("/api/sample/%d", richSamples-1))
	if first.Prev != nil || len(first.Neighbours) != 5 || last.Next != nil || len(last.Neighbours) != 5 || last.Quarantine {
		t.Errorf("%+v\n%+v", first, last)
	}
	for path, status := range map[string]int{"/api/sample/48": 404, "/api/sample/-1": 404, "/api/sample/x": 400, "/api/sample/99999999999999999999": 400} {
		s.refused(path, status, "sample")
	}
}

// decoded is a picture that was answered with.
func decoded(t *testing.T, s *served, path, kind string) image.Image {
	t.Helper()
	w := s.do(s.request(path))
	if w.Code != 200 || w.Header().Get("Content-Type") != kind {
		t.Fatalf("%s: %d %s %.200s", path, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	img, _, err := image.Decode(w.Body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img
}

func TestPictures(t *testing.T) {
	f := ffcvtest.Map(t, richFile(t), nil)
	s := serve(t, f, nil)
	e, err := f.Image(3, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		query, kind string
		side        int // the longer one
	}{
		{"", "image/jpeg", max(e.Width, e.Height)},
		{"field=image&side=64", "image/jpeg", 64},
		{"field=image&side=1", "image/jpeg", 1},
		{"field=image&side=2048", "image/jpeg", max(e.Width, e.Height)},
		{"field=raw", "image/png", max(e.Width, e.Height)},
		{"field=raw&side=100", "image/jpeg", 100},
		{"field=file&side=0", "image/jpeg", max(e.Width, e.Height)},
		{"field=file&side=90", "image/jpeg", 90},
		{"field=mask", "image/png", 30},
		{"field=mask&side=10", "image/png", 10},
		{"field=depth", "image/png", 9},
		{"field=depth&side=5", "image/png", 5},
	} {
		for range 2 { // the second comes from what is kept
			box := decoded(t, s, "/api/sample/3/image?"+test.query, test.kind).Bounds()
			if max(box.Dx(), box.Dy()) != test.side {
				t.Errorf("%s: %v, want %d", test.query, box, test.side)
			}
		}
	}
	if got := s.get("/api/sample/3/image"); !bytes.Equal(got, e.Data) {
		t.Errorf("as stored: %d bytes, want %d", len(got), len(e.Data))
	}
	if got, ok := decoded(t, s, "/api/sample/3/image?field=depth", "image/png").(*image.Gray16); !ok || got.Gray16At(1, 0).Y != 1003 {
		t.Errorf("depth: %T", got)
	}
	// The small picture looks like the large one.
	small := decoded(t, s, "/api/sample/3/image?side=16", "image/jpeg")
	whole := decoded(t, s, "/api/sample/3/image?field=raw", "image/png")
	if a, b := mean(small), mean(whole); max(a-b, b-a) > 4 {
		t.Errorf("mean %v, of the whole %v", a, b)
	}
	for query, status := range map[string]int{"field=label": 404, "field=nowhere": 404, "side=-1": 400, "side=2049": 400, "side=x": 400, "field=note": 422, "field=emb": 404} {
		s.refused("/api/sample/3/image?"+query, status)
	}
}

// mean is the mean of all of a picture's channels.
func mean(img image.Image) float64 {
	sum, n := 0.0, 0.0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			sum, n = sum+float64(r+g+b)/257, n+3
		}
	}
	return sum / n
}

// TestDamagedPicture: the answer names file, field, sample and place, and the
// others can be seen as before.
func TestDamagedPicture(t *testing.T) {
	path := richFile(t)
	f := ffcvtest.Map(t, path, nil)
	at := *answer[sample](serve(t, f, nil), "/api/sample/5").Fields[0].Offset
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir() + "/damaged.beton"
	clear(b[at+2000 : at+4000])
	if err := os.WriteFile(damaged, b, 0o666); err != nil {
		t.Fatal(err)
	}
	s := serve(t, ffcvtest.Map(t, damaged, nil), nil)
	for _, query := range []string{"", "side=100"} {
		a := s.refused("/api/sample/5/image?"+query, 422, "damaged.beton", `"image"`, "sample 5", fmt.Sprint(at))
		if a["field"] != "image" || a["sample"] != 5.0 || a["offset"] != float64(at) || a["file"] != damaged {
			t.Errorf("%v", a)
		}
	}
	decoded(t, s, "/api/sample/4/image?side=100", "image/jpeg")
	got := answer[sample](s, "/api/sample/5")
	if got.Fields[0].Checksum != "bad" || !strings.Contains(got.Fields[0].Error, "checksum") || got.Fields[1].Checksum != "ok" {
		t.Errorf("%+v", got.Fields[:2])
	}
	if items := answer[found](s, "/api/samples").Items; len(items) != richSamples || items[5].Image == nil {
		t.Errorf("%d items", len(items))
	}
}

// TestCutShort: what a file no longer has is an error of the request, and the
// server goes on.
func TestCutShort(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	path := richFile(t)
	s := serve(t, ffcvtest.Map(t, path, nil), nil)
	last := answer[sample](s, "/api/sample/47")
	if err := os.Truncate(path, *last.Fields[0].Offset/4096*4096); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/sample/47/image?side=50", "/api/sample/47/image", "/api/sample/47/text?field=note", "/api/sample/47/array?field=emb"} {
		s.refused(path, 422, "cut short")
	}
	if got := answer[sample](s, "/api/sample/47"); !strings.Contains(got.Fields[0].Error, "cut short") {
		t.Errorf("%+v", got.Fields[0])
	}
	decoded(t, s, "/api/sample/0/image?field=raw&side=50", "image/jpeg") // whose size the metadata tell
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				t.Errorf("panic: %v", v)
			}
		}()
		s.do(s.request("/api/sample/47/bytes?field=file"))
		s.do(s.request("/api/sample/47/audio?field=tone"))
	}()
	s.get("/api/samples?start=40")
}

func TestSound(t *testing.T) {
	s := rich(t)
	w := s.do(s.request("/api/sample/9/audio?field=clip"))
	if w.Code != 200 || w.Header().Get("Content-Type") != "audio/wav" || w.Body.Len() != 44+160 || !bytes.HasPrefix(w.Body.Bytes(), []byte("RIFF\xc4\x00\x00\x00WAVEfmt ")) {
		t.Errorf("%d %s %q", w.Code, w.Header(), w.Body)
	}
	whole := s.get("/api/sample/9/audio?field=tone")
	if !bytes.Equal(whole, wav(309)) {
		t.Errorf("%d bytes", len(whole))
	}
	for _, test := range []struct {
		spans  string
		status int
		lo, hi int
	}{
		{"bytes=0-9", 206, 0, 10}, {"bytes=40-50", 206, 40, 51}, {"bytes=100-", 206, 100, 353}, {"bytes=-3", 206, 350, 353}, {"bytes=0-99999", 206, 0, 353}, {"bytes=353-", 416, 0, 0}, {"bytes=x", 416, 0, 0},
	} {
		for field, all := range map[string][]byte{"tone": whole, "clip": s.get("/api/sample/9/audio?field=clip")} {
			r := s.request("/api/sample/9/audio?field=" + field)
			r.Header.Set("Range", test.spans)
			w := s.do(r)
			lo, hi := min(test.lo, len(all)), min(test.hi, len(all))
			if field == "clip" && (test.status == 416 || test.lo > 204 || test.spans == "bytes=-3") {
				continue
			}
			if w.Code != test.status || w.Code == 206 && !bytes.Equal(w.Body.Bytes(), all[lo:hi]) {
				t.Errorf("%s of %s: %d, %d bytes; want %d, %d", test.spans, field, w.Code, w.Body.Len(), test.status, hi-lo)
			}
		}
	}
	s.refused("/api/sample/9/audio?field=note", 422, "no sound")
	s.refused("/api/sample/9/audio?field=image", 404)
	if w := s.do(s.request("/api/sample/9/audio")); w.Code != 422 && w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

func TestText(t *testing.T) {
	long := strings.Repeat("äöü€ ", 40_000)
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "b", Field: fields.Bytes{}}, {Name: "j", Field: fields.JSON{}}, {Name: "z", Field: fields.LZ4{Of: fields.Bytes{}}}}, 4, func(i int) []any {
		text := []string{long, "", "plain", string(bytes.Repeat([]byte{0, 1, 2, 255}, 5000))}[i]
		return []any{[]byte(text), fields.JSONText(`"` + strings.ToValidUTF8(strings.Map(printable, text), "?") + `"`), []byte(text)}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
	s := serve(t, ffcvtest.Map(t, path, nil), nil)
	type piece struct {
		Text *string
		Hex  string
		Size int64
		Next *int64
	}
	for field, want := range map[string]string{"b": long, "z": long, "j": `"` + long + `"`} {
		var got strings.Builder
		at, calls := int64(0), 0
		for ; ; calls++ {
			p := answer[piece](s, fmt.Sprintf("/api/sample/0/text?field=%s&offset=%d", field, at))
			if p.Text == nil || p.Hex != "" || len(*p.Text) > 64<<10 {
				t.Fatalf("%s at %d: %+v", field, at, p)
			}
			got.WriteString(*p.Text)
			if p.Next == nil {
				break
			}
			if *p.Next <= at {
				t.Fatalf("%s: from %d on to %d", field, at, *p.Next)
			}
			at = *p.Next
		}
		if got.String() != want || calls < 2 {
			t.Errorf("%s: %d bytes in %d calls, want %d", field, got.Len(), calls+1, len(want))
		}
	}
	if p := answer[piece](s, "/api/sample/1/text?field=b"); p.Text == nil || *p.Text != "" || p.Size != 0 || p.Next != nil {
		t.Errorf("empty: %+v", p)
	}
	if p := answer[piece](s, "/api/sample/3/text?field=b"); p.Text != nil || p.Hex[:8] != "000102ff" || p.Size != 20000 || p.Next == nil || *p.Next != int64(len(p.Hex)/2) {
		t.Errorf("binary: %.100s %v", p.Hex, p.Next)
	}
	for _, query := range []string{"offset=-1", "offset=9999999", "offset=x"} {
		s.refused("/api/sample/2/text?field=b&"+query, 400, "offset")
	}
	if got := answer[sample](s, "/api/sample/0").Fields[0]; !got.Cut || len(got.Value.(string)) > 16<<10 {
		t.Errorf("cut %v, %d bytes", got.Cut, len(got.Value.(string)))
	}
}

func printable(r rune) rune {
	if r < ' ' || r == '"' || r == '\\' {
		return -1
	}
	return r
}

// TestBytes: bytes come as a file to keep, whatever they are.
func TestBytes(t *testing.T) {
	f := ffcvtest.Map(t, richFile(t), nil)
	s := serve(t, f, nil)
	for field, ext := range map[string]string{"image": "jpg", "meta": "json", "note": "txt", "clip": "bin", "tone": "wav", "emb": "bin", "tokens": "json", "file": "jpg", "label": "bin"} {
		w := s.do(s.request("/api/sample/3/bytes?field=" + field))
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != "application/octet-stream" || h.Get("Content-Disposition") != fmt.Sprintf(`attachment; filename="sample-3-%s.%s"`, field, ext) {
			t.Errorf("%s: %d %s", field, w.Code, h)
		}
		checkHeaders(t, field, w)
	}
	want, err := f.BytesValue(3, f.FieldIndex("file"))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.get("/api/sample/3/bytes?field=file"); !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	if got := s.get("/api/sample/3/bytes?field=tokens"); !json.Valid(bytes.TrimRight(got, "\x00")) {
		t.Errorf("compressed JSON: %.60q", got)
	}
}

// TestGoldens asks everything of the files that FFCV made.
func TestGoldens(t *testing.T) {
	for _, name := range []string{"mixed", "mixed_shuffled", "mixed_w4", "json", "ndarray", "ndarray_bigendian", "ndarray_f16", "torch_tensor", "rgb_smart", "rgb_raw", "bytes_all_empty", "bytes_zero_first", "name_empty", "name_space", "one_sample", "rgb_tiny_odd_jpg", "u1_then_i8"} {
		for how, f := range ffcvtest.Golden(t, name) {
			t.Run(name+"/"+how, func(t *testing.T) {
				s := serve(t, f, nil)
				everything(s, 4, func(path string, status int, body []byte) {
					if status >= 500 || status == 422 && !bytes.Contains(body, []byte("no picture")) && !bytes.Contains(body, []byte("no sound")) {
						t.Errorf("%s: %d %s", path, status, body)
					}
				})
			})
		}
	}
}

// everything asks for the values of the first samples in all ways.
func everything(s *served, samples int, see func(path string, status int, body []byte)) {
	about := answer[struct {
		Samples int
		Fields  []struct{ Name string }
	}](s, "/api/dataset")
	for _, path := range []string{"/api/samples", "/api/samples?q=1", "/api/samples?q=bytes%3E10"} {
		w := s.do(s.request(path))
		see(path, w.Code, w.Body.Bytes())
	}
	for i := range min(about.Samples, samples) {
		paths := []string{fmt.Sprintf("/api/sample/%d", i)}
		for _, field := range about.Fields {
			for _, what := range []string{"image?side=8&", "image?", "audio?", "bytes?", "text?", "array?"} {
				paths = append(paths, fmt.Sprintf("/api/sample/%d/%sfield=%s", i, what, strings.ReplaceAll(field.Name, " ", "%20")))
			}
		}
		for _, path := range paths {
			w := s.do(s.request(path))
			see(path, w.Code, w.Body.Bytes())
		}
	}
}

// TestBroken asks everything of files of which bytes are wrong: an error may
// come, a panic may not.
func TestBroken(t *testing.T) {
	b, err := os.ReadFile(richFile(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := 24 + 1041*len(f.Fields())
	row, end := f.RowSize(), len(b)
	flip := func(at, n int, with byte, what string) {
		for k := range n {
			b[at+k] ^= with
		}
		asked(t, b, fmt.Sprintf("%s, byte %d", what, at))
		for k := range n {
			b[at+k] ^= with
		}
	}
	const few = 5
	for at := 0; at < row; at += few {
		flip(start+at, min(few, row-at), 0xff, "metadata")
	}
	table := int(f.Header().AllocTable)
	for _, at := range []int{16, 20, end - 9, end - 24, end - 100, table, table + 9, table - 30} {
		flip(at, 1, 0x55, "elsewhere")
	}
}

// asked asks everything of a file's bytes, if they can be opened.
func asked(t *testing.T, b []byte, what string) {
	t.Helper()
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		return
	}
	defer f.Close()
	server, err := view.New(f, nil)
	if err != nil {
		return
	}
	defer server.Close()
	everything(&served{t, server, server.Handler()}, 1, func(path string, status int, body []byte) {
		if status == 500 || status/100 == 2 && strings.Contains(path, "/text") && !json.Valid(body) {
			t.Errorf("%s: %s: %d %s", what, path, status, body)
		}
	})
}

// FuzzRoutes: no address makes the server panic or answer with an error of its
// own.
func FuzzRoutes(f *testing.F) {
	s := rich(f)
	for _, path := range []string{"/", "/api/samples?q=label:3&cursor=4&dir=desc", "/api/sample/3/image?field=mask&side=9", "/api/sample/3/text?field=note&offset=4", "/api/sample/3/array?field=grid&index=1",
		"/api/sample/47/bytes?field=raw", "/api/jobs/1", "/api/sample/1/audio?field=clip", "/api/pages?buckets=3&from=1&to=2", "/api/page/3", "/api/charts?count=3", "/api/ops",
		`/api/playground/image?sample=1&seed=3&pipeline=[{"op":"CenterCrop","args":{"Width":8,"Height":8}}]`} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 500 || !strings.HasPrefix(path, "/") {
			return
		}
		r, err := http.NewRequest("GET", "http://localhost"+path, nil)
		if err != nil {
			return
		}
		r.Header.Set("Authorization", "Bearer "+s.server.Token())
		w := s.do(r)
		if w.Code >= 500 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		checkHeaders(t, path, w)
	})
}

// TestConcurrent asks for everything at once.
func TestConcurrent(t *testing.T) {
	defer leak.Watch(t)()
	s := rich(t)
	var all sync.WaitGroup
	for w := range 8 {
		all.Add(1)
		go func() { // ends when it has asked for everything
			defer all.Done()
			for k := range 6 {
				i := (w*7 + k*5) % richSamples
				for _, path := range []string{"/api/samples?q=meta.ok=true&count=7", fmt.Sprintf("/api/sample/%d", i), fmt.Sprintf("/api/sample/%d/image?side=%d", i, 40+k),
					fmt.Sprintf("/api/sample/%d/image?field=raw&side=30", i), fmt.Sprintf("/api/sample/%d/array?field=emb", i), "/api/dataset", "/api/jobs"} {
					s.get(path)
				}
			}
		}()
	}
	all.Wait()
}

// TestLargePicture: a large picture is drawn small; one that would take too much
// memory is refused, with what helps, whoever says how large it is.
func TestLargePicture(t *testing.T) {
	const width, height = 16_000, 1_000
	b, err := rgb.EncodeJPEG(nil, rgb.Image{Width: width, Height: height, Pix: make([]byte, 3*width*height)}, 50)
	if err != nil {
		t.Fatal(err)
	}
	// A PNG that says it is of 40,000 x 40,000 pixels.
	var bomb bytes.Buffer
	if err := png.Encode(&bomb, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	head := bomb.Bytes()
	binary.BigEndian.PutUint32(head[16:], 40_000)
	binary.BigEndian.PutUint32(head[20:], 40_000)
	binary.BigEndian.PutUint32(head[29:], crc32.ChecksumIEEE(head[12:29]))
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "file", Field: fields.Bytes{}}}, 2, func(int) []any {
		return []any{b, head}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.New(ffcvtest.Lend(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	row, err := f.Metadata(1)
	if err != nil {
		t.Fatal(err)
	}
	row[1], row[2], row[3], row[4] = 0xff, 0xff, 0xff, 0xff
	s := serve(t, f, nil)
	if box := decoded(t, s, "/api/sample/0/image?side=320", "image/jpeg").Bounds(); box.Dx() != 320 || box.Dy() != 20 {
		t.Errorf("%v", box)
	}
	for _, path := range []string{"/api/sample/1/image?side=320", "/api/sample/1/image", "/api/sample/0/image?field=file&side=10", "/api/sample/0/image?field=file"} {
		if a := s.refused(path, 422); strings.Contains(path, "image?field=file") == false && (a["hint"] == nil || !strings.Contains(a["error"].(string), "more than")) {
			t.Errorf("%s: %v", path, a)
		}
	}
}

// TestJobs: a job's life, by a kind that no dataset has; the others have tests of
// their own.
func TestJobs(t *testing.T) {
	s := rich(t)
	if got := string(s.get("/api/jobs")); got != "[]\n" {
		t.Errorf("%q", got)
	}
	s.refused("/api/jobs/1", 404, "no job")
	post := func(method, path, body string) (int, map[string]any) {
		r := s.request(path)
		r.Method = method
		r.Header.Set("Content-Type", "application/json")
		r.Body = http.NoBody
		if body != "" {
			r.Body = reader{strings.NewReader(body)}
		}
		w := s.do(r)
		var a map[string]any
		json.Unmarshal(w.Body.Bytes(), &a)
		return w.Code, a
	}
	for _, body := range []string{"", "x", "[]", `{"kind":"nothing"}`, `{"kind":3}`} {
		if code, a := post("POST", "/api/jobs", body); code != 400 || a["error"] == "" {
			t.Errorf("%q: %d %v", body, code, a)
		}
	}
	code, a := post("POST", "/api/jobs", `{"kind":"verify"}`)
	if code != 200 || a["id"] != "1" {
		t.Fatalf("%d %v", code, a)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		j := answer[map[string]any](s, "/api/jobs/1")
		if j["state"] == "done" {
			if j["kind"] != "verify" || j["result"] == nil {
				t.Errorf("%v", j)
			}
			break
		}
		if j["state"] != "running" || time.Now().After(end) {
			t.Fatalf("%v", j)
		}
	}
	if list := answer[[]map[string]any](s, "/api/jobs"); len(list) != 1 || list[0]["result"] != nil {
		t.Errorf("%v", list)
	}
	if code, _ := post("DELETE", "/api/jobs/1", ""); code != 200 {
		t.Errorf("%d", code)
	}
}

type reader struct{ *strings.Reader }

func (reader) Close() error { return nil }

// TestNew refuses what it can't serve.
func TestNew(t *testing.T) {
	f := ffcvtest.Map(t, ffcvtest.Unpack(t, "u1_then_i8"), nil)
	if _, err := view.New(f, nil); !errors.Is(err, ffcv.ErrUnknownField) {
		t.Errorf("a field of unknown layout: %v", err)
	}
	if _, err := view.New(ffcvtest.Map(t, ffcvtest.Unpack(t, "json"), nil), &view.Options{Memory: -1}); err == nil {
		t.Error("negative memory")
	}
	s := rich(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := s.do(s.request("/api/samples?q=dog").WithContext(ctx)); w.Code == 200 && w.Body.Len() == 0 {
		t.Errorf("a browser that has gone: %d", w.Code)
	}
}

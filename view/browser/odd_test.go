package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// TestBrowserEmpty: no samples, and nothing to complain of.
func TestBrowserEmpty(t *testing.T) {
	t.Parallel()
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}
	path := create(t, filepath.Join(t.TempDir(), "empty.beton"), specs, 0, nil, nil)
	p := serve(t, path).open(t)
	if s := p.shown(); !strings.Contains(s, "no samples") {
		t.Errorf("an empty dataset: %.600s", s)
	}
	for name, hash := range hashes {
		if name == "sample" {
			continue
		}
		p.hash(hash)
		p.ready(name)
		p.fits(name)
	}
	p.allow("422 (Unprocessable Entity)")
	p.hash("#/loader")
	p.ready("loader")
	p.click("#loader-start")
	p.await("why not", `() => !document.querySelector("#error").hidden && document.querySelector("#error").innerText.includes("no samples")`)
}

// TestBrowserPlain: numbers alone, of a file without names, keys and checksums.
func TestBrowserPlain(t *testing.T) {
	t.Parallel()
	specs := []ffcv.FieldSpec{
		{Name: "a", Field: fields.Float{}}, {Name: "b", Field: fields.Int{}}, {Name: "c", Field: fields.Int{}},
		{Name: "d", Field: fields.NDArray{DType: array.Int64, Shape: []int{2}}},
	}
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -0.5, math.MaxFloat64, 5e-324}
	path := create(t, filepath.Join(t.TempDir(), "plain.beton"), specs, 500, func(i int) ffcv.Sample {
		return ffcv.Sample{Values: []any{odd[i%len(odd)], int64(math.MaxInt64 - i), int64(math.MinInt64 + i), must(array.Of([]int64{math.MaxInt64, int64(-i)}, 2))}}
	}, &ffcv.Options{Plain: true})
	p := serve(t, path).open(t)
	for name, hash := range hashes {
		p.hash(hash)
		p.ready(name)
		p.fits(name)
	}
	p.hash("#/sample/7")
	p.ready("sample")
	p.await("all digits", `() => ["9223372036854775800", "-9223372036854775801"].every(w => document.querySelector("main").textContent.includes(w))`)
	if s := p.text(`() => (` + field + `)("a").textContent`); !strings.Contains(strings.ToLower(s), "nan") {
		t.Errorf("a value that is no number: %q", s)
	}
	p.picture("plain sample")
	p.hash("#/?q=" + escape("a>1e300"))
	p.ready("gallery")
	if l := p.list(tiles); len(l) == 0 || l[0] != "1" {
		t.Errorf("a>1e300 finds %q", l)
	}
	p.hash("#/loader")
	p.ready("loader")
	p.click("#loader-start")
	p.await("figures", `() => document.querySelector(".verdict")?.innerText.match(/bound/)`)
}

// TestBrowserLong: texts and JSON that are long, deep, or no text at all.
func TestBrowserLong(t *testing.T) {
	t.Parallel()
	specs := []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}, {Name: "json", Field: fields.JSON{}}}
	many := make([]string, 60_000)
	for i := range many {
		many[i] = fmt.Sprintf(`"member %d":%d`, i, i)
	}
	texts := []struct {
		text string
		json string
	}{
		{strings.Repeat("0123456789abcde\n", 20_000), "{" + strings.Join(many, ",") + "}"},
		{"\x00\xff\xfe not UTF-8 \x80", strings.Repeat("[", 300) + strings.Repeat("]", 300)},
		{strings.Repeat("x", 200_000), `["` + strings.Repeat("y", 200_000) + `"]`},
		{"", `null`},
	}
	path := create(t, filepath.Join(t.TempDir(), "long.beton"), specs, len(texts), func(i int) ffcv.Sample {
		return ffcv.Sample{Values: []any{int64(i), []byte(texts[i].text), json.RawMessage(texts[i].json)}}
	}, nil)
	p := serve(t, path).open(t)
	p.fits("the gallery")
	for i := range texts {
		p.hash(fmt.Sprintf("#/sample/%d", i))
		p.ready("sample")
		p.await("text and JSON", `() => (`+field+`)("json").querySelector(".tree, pre, button") && !(`+field+`)("text").textContent.includes("…")`)
		p.fits(fmt.Sprintf("sample %d", i))
	}
	p.picture("sample with little")
	p.hash("#/sample/0")
	p.ready("sample")
	p.await("the text's beginning", `() => (`+field+`)("text").querySelector("pre").textContent.length > 60_000`)
	more := `() => [...(` + field + `)("text").querySelectorAll("button")].find(b => b.innerText === "More")`
	length := `() => (` + field + `)("text").querySelector("pre").textContent.length`
	for p.truth(`() => Boolean((` + more + `)())`) {
		n := p.number(length)
		p.do(`() => (` + more + `)()?.click()`)
		p.await("more of it", `(n) => (`+length+`)() > n`, n)
	}
	p.await("the end of it", `() => !(`+more+`)()`)
	if n := p.number(length); n != 320_000 {
		t.Errorf("all of the text is %v characters, want 320,000", n)
	}
	p.do(`() => [...(` + field + `)("json").querySelectorAll("button")].find(b => b.innerText.startsWith("Show all"))?.click()`)
	p.await("the JSON as a tree", `() => (`+field+`)("json").querySelector(".tree")?.textContent.includes("60,000 members")`)
	p.picture("sample with much")
}

// TestBrowserFiles: several files are one dataset.
func TestBrowserFiles(t *testing.T) {
	t.Parallel()
	specs := []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}}
	dir := t.TempDir()
	for k, n := range []int{30, 0, 50} {
		create(t, filepath.Join(dir, fmt.Sprintf("part-%d.beton", k)), specs, n, func(i int) ffcv.Sample {
			return ffcv.Sample{Key: fmt.Sprintf("%d/%d", k, i), Values: []any{int64(k), []byte(fmt.Sprintf("text %d of file %d", i, k))}}
		}, nil)
	}
	p := serve(t, filepath.Join(dir, "part-*.beton")).open(t)
	if s := p.shown(); !strings.Contains(s, "80 samples") || !strings.Contains(s, "3 files") {
		t.Errorf("three files: %.500s", s)
	}
	for name, hash := range hashes {
		p.hash(hash)
		p.ready(name)
	}
	p.hash("#/sample/30")
	p.ready("sample")
	if s := p.shown(); !strings.Contains(s, "part-2") || !strings.Contains(s, "2/0") {
		t.Errorf("the third file's first sample: %.800s", s)
	}
	p.await("its text", `() => document.querySelector("main").textContent.includes("text 0 of file 2")`)
	p.hash("#/verify")
	p.ready("verify")
	p.click("#start-verify")
	p.await("no flaw", `() => document.querySelector('[data-flaws="0"]')`)
}

// TestBrowserGray: pictures of one channel have charts of no others.
func TestBrowserGray(t *testing.T) {
	t.Parallel()
	gray := rgb.Raster{Width: 8, Height: 8, Channels: 1, Depth: 1, Pix: bytes.Repeat([]byte{51}, 64)}
	path := create(t, filepath.Join(t.TempDir(), "gray.beton"), []ffcv.FieldSpec{{Name: "mask", Field: fields.Image{}}}, 4, func(int) ffcv.Sample {
		return ffcv.Sample{Values: []any{gray}}
	}, nil)
	p := serve(t, path).open(t)
	p.hash("#/charts")
	p.ready("charts")
	if s := p.text(`() => document.querySelector('[data-chart="channels"]').innerText`); !strings.Contains(s, "gray") || !strings.Contains(s, "0.2000") || strings.Contains(s, "red") || strings.Contains(s, "blue") {
		t.Errorf("channels of one: %q", s)
	}
}

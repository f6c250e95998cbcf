package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tiles are the indices of the samples that are shown.
const tiles = `() => [...document.querySelectorAll(".tile[data-index]")].map(e => e.dataset.index)`

// loaded says whether all pictures that are to be seen are there.
const loaded = `() => {
	const seen = [...document.querySelectorAll(".tile img")].filter(e => e.getBoundingClientRect().top < innerHeight);
	return seen.length > 0 && seen.every(e => e.complete && e.naturalWidth > 0);
}`

func TestBrowserGallery(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	if u := p.text(`() => location.href`); strings.Contains(u, "token") {
		t.Errorf("the token stays in the address: %s", u)
	}
	p.await("pictures", loaded)
	p.picture("gallery")
	first := p.list(tiles)
	if len(first) == 0 || first[0] != "0" {
		t.Fatalf("the first page shows %q", first)
	}
	if s := p.shown(); !strings.Contains(s, "photographs") || !strings.Contains(s, "120") || !strings.Contains(s, "animal") {
		t.Errorf("neither name, number nor classes: %.500s", s)
	}
	p.click("#next")
	p.await("the second page", `(n) => document.querySelector(".tile")?.dataset.index === n`, fmt.Sprint(len(first)))
	p.ready("gallery")
	p.click("#previous")
	p.await("the first page again", `() => document.querySelector(".tile")?.dataset.index === "0"`)
}

func TestBrowserSearch(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	for _, test := range []struct {
		query string
		want  func(i int) bool
	}{
		{"index:10-12", func(i int) bool { return i >= 10 && i <= 12 }},
		{"label:1 index:0-60", nil},
		{"key:007/", func(i int) bool { return i == 7 }},
		{"meta.camera.iso=200 index:0-9", func(i int) bool { return i < 10 && i%4 == 1 }},
		{`weight>11.75`, func(i int) bool { return i > 117 }},
		{"class:animal index:0-30", nil},
	} {
		p.write("#search", test.query)
		p.do(`() => { document.querySelector("#view").dataset.ready = "false" }`)
		p.press("\r")
		p.ready("gallery")
		found := p.list(tiles)
		if len(found) == 0 {
			t.Errorf("%s: nothing found: %.300s", test.query, p.shown())
		}
		var want []string
		for i := range photoSamples {
			if test.want != nil && test.want(i) {
				want = append(want, fmt.Sprint(i))
			}
		}
		if test.want != nil && strings.Join(found, " ") != strings.Join(want, " ") {
			t.Errorf("%s: found %q, want %q", test.query, found, want)
		}
	}
	p.picture("search")
	p.allow("400 (Bad Request)")
	p.write("#search", "label:seven")
	p.press("\r")
	p.await("an error", `() => { const e = document.querySelector("#error"); return e && !e.hidden && e.innerText.includes("seven") }`)
	p.picture("search that is wrong")
	p.write("#search", "key:nowhere-at-all")
	p.press("\r")
	p.await("nothing", `() => document.querySelectorAll(".tile").length === 0 && document.querySelector('[data-view="gallery"][data-ready="true"]')`)
}

// TestBrowserMillion: the first page of a million samples is there in half a
// second, the last one as well.
func TestBrowserMillion(t *testing.T) {
	v := serve(t, millionFile(t))
	p := v.open(t) // lets the browser in, and warms what is once a browser's
	best := time.Hour
	for range 5 {
		p.do(`() => { window.before = true }`)
		begun := time.Now()
		p.do(`() => { location.reload() }`)
		p.await("the first page", `() => !window.before && document.querySelector('[data-view="gallery"][data-ready="true"]')`)
		best = min(best, time.Since(begun))
	}
	t.Logf("the first page of 1,000,000 samples: %v", best)
	if best > 500*time.Millisecond {
		t.Errorf("the first page of 1,000,000 samples takes %v, want 0.5 s at most", best)
	}
	p.await("pictures", loaded)
	p.picture("million")
	p.hash("#/?start=999990")
	p.ready("gallery")
	if got := p.list(tiles); len(got) != 10 || got[9] != "999999" {
		t.Errorf("the last page: %q", got)
	}
	p.hash("#/sample/777777")
	p.ready("sample")
}

// TestBrowserSearchReloaded: a later page of a search stays what it is when it is
// loaded anew, and its way back leads to what comes before.
func TestBrowserSearchReloaded(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.do(`() => localStorage.setItem("sheet", "large")`)
	p.hash("#/?q=" + "index%3A0-99")
	p.ready("gallery")
	for _, first := range []string{"30", "60"} {
		p.click("#next")
		p.await("the page from "+first, `(n) => document.querySelector(".tile")?.dataset.index === n`, first)
		p.ready("gallery")
	}
	p.run(chromedp.Reload())
	p.ready("gallery")
	if list := p.list(tiles); len(list) == 0 || list[0] != "60" {
		t.Errorf("loaded anew: %v", list)
	}
	p.click("#previous")
	p.await("the first page", `() => document.querySelector(".tile")?.dataset.index === "0" && document.body.textContent.includes("page 1")`)
	p.hash("#/?q=index%3A0-99&page=3")
	p.await("the first page of a page without a place", `() => document.body.textContent.includes("page 1 ")`)
}

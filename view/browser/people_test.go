package browser

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

func escape(text string) string { return url.QueryEscape(text) }

func distinct(list []string) int {
	seen := map[string]bool{}
	for _, s := range list {
		seen[s] = true
	}
	return len(seen)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hashes are the addresses of the views.
var hashes = map[string]string{
	"gallery": "#/", "sample": "#/sample/5", "charts": "#/charts", "pages": "#/pages", "verify": "#/verify", "playground": "#/playground", "loader": "#/loader",
}

// focused is what has the keyboard.
const focused = `() => { const e = document.activeElement; return e.dataset.index ?? e.id ?? e.tagName }`

// TestBrowserKeyboard: everything without a mouse.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.press(kb.ArrowRight)
	p.await("the first tile", `() => document.activeElement.dataset.index === "0"`)
	p.press(kb.ArrowRight, kb.ArrowRight)
	if f := p.text(focused); f != "2" {
		t.Errorf("after two arrows the focus is on %q, want 2", f)
	}
	if !p.truth(`() => { const s = getComputedStyle(document.activeElement); return document.activeElement.matches(":focus-visible") && (s.outlineStyle !== "none" || s.boxShadow !== "none") }`) {
		t.Error("the focus is not to be seen")
	}
	p.picture("keyboard")
	p.press(kb.ArrowDown)
	if f := p.text(focused); f == "2" || f == "" {
		t.Errorf("after an arrow down the focus is on %q", f)
	}
	p.press(kb.ArrowUp, kb.ArrowLeft)
	at := p.text(focused)
	p.press(kb.Enter)
	p.ready("sample")
	if h := p.text(`() => location.hash`); h != "#/sample/"+at {
		t.Errorf("Enter on %s opens %s", at, h)
	}
	i, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	p.press(kb.ArrowRight)
	p.await("the next sample", shows, i+1)
	p.press(kb.Escape)
	p.ready("gallery")
	p.press("n")
	p.await("the next page", `() => location.hash.includes("start=") && document.querySelector(".tile").dataset.index !== "0"`)
	p.press("p")
	p.await("the page before", `() => !location.hash.includes("start=") && document.querySelector(".tile").dataset.index === "0"`)
	for _, view := range []struct{ key, name string }{{"c", "charts"}, {"v", "verify"}, {"p", "pages"}, {"a", "playground"}, {"l", "loader"}, {"g", "gallery"}} {
		p.press(view.key)
		p.ready(view.name)
	}
	p.press("/")
	p.await("the search", `() => document.activeElement.id === "search"`)
	p.press("i", "n", "d", "e", "x", ":", "9", kb.Enter) // none of them is a command here
	p.await("what was found", `() => { const l = document.querySelectorAll(".tile"); return l.length === 1 && l[0].dataset.index === "9" }`)
	p.press(kb.Escape, "?")
	p.await("the keys", `() => document.querySelector("#help").open`)
	p.picture("help")
	p.press("g", kb.Escape)
	p.await("the keys are away", `() => !document.querySelector("#help").open`)
	// Tab reaches something in each view, and never gets stuck.
	for _, hash := range hashes {
		p.hash(hash)
		p.await(hash, `() => document.querySelector('[data-ready="true"]')`)
		p.do(`() => { document.activeElement.blur(); window.visited = new Set() }`)
		for range 25 {
			p.press(kb.Tab)
			p.do(`() => { window.visited.add(document.activeElement) }`)
		}
		if n := p.number(`() => window.visited.size`); n < 8 {
			t.Errorf("%s: Tab reaches %v things", hash, n)
		}
	}
}

// TestBrowserDark: as the system has it, till one says otherwise; that is kept.
func TestBrowserDark(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	p := v.blank(t)
	scheme := func(name string) {
		p.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
	}
	scheme("dark")
	p.visit(v.url)
	p.ready("gallery")
	theme := `() => document.documentElement.dataset.theme`
	light := `() => getComputedStyle(document.body).backgroundColor.match(/\d+(\.\d+)?/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3`
	if got, bright := p.text(theme), p.number(light); got != "dark" || bright > 80 {
		t.Errorf("a dark system: theme %q, brightness %v", got, bright)
	}
	p.await("pictures", loaded)
	for _, name := range []string{"sample", "charts", "pages", "playground", "verify", "loader", "gallery"} {
		p.hash(hashes[name])
		p.ready(name)
		if name == "playground" {
			p.await("16 pictures", seeds16)
		}
		p.picture("dark " + name)
	}
	scheme("light")
	p.await("the light theme", `() => document.documentElement.dataset.theme === "light"`)
	if bright := p.number(light); bright < 180 {
		t.Errorf("the light theme's brightness is %v", bright)
	}
	p.click("#theme")
	p.await("the dark theme", `() => document.documentElement.dataset.theme === "dark"`)
	p.do(`() => { window.before = true; location.reload() }`)
	p.await("the page again", `() => !window.before && document.querySelector('[data-view="gallery"][data-ready="true"]')`)
	if got := p.text(theme); got != "dark" {
		t.Errorf("after a reload the theme is %q, chosen was dark", got)
	}
	p.press("d")
	p.await("the light theme", `() => document.documentElement.dataset.theme === "light"`)
}

// TestBrowserNarrow: a telephone's width, and half of it again in letters' size.
func TestBrowserNarrow(t *testing.T) {
	t.Parallel()
	v := serve(t, photoFile(t))
	p := v.open(t)
	p.size(360, 740)
	for _, view := range []struct{ hash, name string }{
		{"#/", "gallery"}, {"#/?q=class:animal", "gallery"}, {"#/sample/5", "sample"}, {"#/charts", "charts"}, {"#/pages", "pages"},
		{"#/verify", "verify"}, {"#/playground", "playground"}, {"#/loader", "loader"},
	} {
		p.hash(view.hash)
		p.ready(view.name)
		switch view.name {
		case "gallery":
			p.await("pictures", loaded)
		case "playground":
			p.await("16 pictures", seeds16)
		case "sample":
			p.await("arrays", `() => (`+field+`)("heat").querySelector("canvas")`)
		}
		p.fits(view.hash + " at 360 pixels")
		p.picture("narrow " + strings.NewReplacer("#/", "", "?", " ").Replace(view.name))
	}
	p.size(1920, 1080)
	p.hash("#/")
	p.ready("gallery")
	p.fits("the gallery at 1920 pixels")
	p.await("pictures", loaded)
	p.picture("wide gallery")
}

// TestBrowserNames: what can be used has a name for those who can't see it.
func TestBrowserNames(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	for name, hash := range hashes {
		p.hash(hash)
		p.ready(name)
		nameless := p.list(`() => [...document.querySelectorAll("button, a[href], input, select, textarea, audio, canvas:not([aria-hidden=true]), [role=img], img")].filter(e => e.checkVisibility({ visibilityProperty: true })).filter(e => {
			const text = e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.title || e.innerText || e.placeholder || e.closest("label")?.innerText || (e.id && document.querySelector('label[for="' + CSS.escape(e.id) + '"]')?.innerText) || [...e.querySelectorAll("[aria-label], [alt]")].map(c => c.getAttribute("aria-label") || c.alt).join("");
			return e.matches("img") ? !e.hasAttribute("alt") : !text?.trim();
		}).map(e => e.outerHTML.slice(0, 200))`)
		if len(nameless) > 0 {
			t.Errorf("%s: %d without a name: %q", hash, len(nameless), nameless[:min(4, len(nameless))])
		}
		if ids := p.list(`() => { const seen = new Set(); return [...document.querySelectorAll("[id]")].map(e => e.id).filter(i => seen.has(i) || !seen.add(i)) }`); len(ids) > 0 {
			t.Errorf("%s: ids that are there twice: %q", hash, ids)
		}
		if got := p.list(`() => [document.documentElement.lang, String(document.querySelectorAll("h1").length), String(document.querySelectorAll("main").length)]`); strings.Join(got, " ") != "en 1 1" {
			t.Errorf("%s: language, first headings and mains: %q", hash, got)
		}
	}
}

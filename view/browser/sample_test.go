package browser

import (
	"strings"
	"testing"
)

// field is the section of a sample's page that shows a field.
const field = `(name) => document.querySelector('[data-field="' + CSS.escape(name) + '"]')`

// shows says whether a sample's page is there.
const shows = `(i) => location.hash === "#/sample/" + i && document.querySelector('[data-view="sample"][data-ready="true"] [data-neighbour="' + i + '"][aria-current]')`

func TestBrowserSample(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.click(`.tile[data-index="5"]`)
	p.ready("sample")
	p.await("its picture", `() => [...document.querySelectorAll("main img")].some(e => e.naturalWidth > 200)`)
	s := p.shown()
	for _, want := range []string{"005/", "0.5", "Note 5 of", "iso", "50mm", "9007199254740993", "offset", "200"} {
		if !strings.Contains(s, want) && !p.truth(`(w) => document.querySelector("main").textContent.includes(w)`, want) {
			t.Errorf("the page doesn't show %q: %.1500s", want, s)
		}
	}
	for _, name := range []string{"image", "label", "weight", "curve", "heat", "meta", "note", "sound"} {
		if !p.truth(`(name) => Boolean((`+field+`)(name))`, name) {
			t.Errorf("no field %q on the page", name)
		}
	}
	if s := p.text(`() => (` + field + `)("image").textContent`); !strings.Contains(s, "checksum ok") {
		t.Errorf("the picture's checksum: %q", s)
	}
	p.picture("sample")
	p.click("#next")
	p.await("the next one", shows, 6)
	p.click("#previous")
	p.await("the one before", shows, 5)
	if n := p.number(`() => document.querySelectorAll("[data-neighbour]").length`); n != 11 {
		t.Errorf("%v neighbours, want 5 before it, itself and 5 after it", n)
	}
	p.allow("There is no sample", "404")
	p.hash("#/sample/120")
	p.await("an error", `() => !document.querySelector("#error").hidden && document.querySelector("#error").innerText.includes("120")`)
}

// TestBrowserSound: it plays.
func TestBrowserSound(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/sample/2")
	p.ready("sample")
	p.await("the sound's length", `() => { const a = document.querySelector("audio"); return a && Math.abs(a.duration - 0.25) < 0.01 }`)
	p.await("sound that was played", `async () => { const a = document.querySelector("audio"); await a.play(); return a.currentTime > 0 || a.ended }`)
	if e := p.text(`() => document.querySelector("audio").error?.message ?? ""`); e != "" {
		t.Error(e)
	}
}

// TestBrowserArrays: a line for one dimension, a heat map for two, other slices of
// three.
func TestBrowserArrays(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/sample/3")
	p.ready("sample")
	p.await("a line", `() => (`+field+`)("curve").querySelector("svg, canvas")`)
	p.await("a heat map", `() => (`+field+`)("heat").querySelector("canvas")`)
	painted := `() => {
		const c = (` + field + `)("heat").querySelector("canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		return new Set(Array.from({ length: d.length / 4 }, (_, i) => d.slice(4 * i, 4 * i + 3).join())).size;
	}`
	if n := p.number(painted); n < 10 {
		t.Errorf("the heat map has %v colours", n)
	}
	if s := p.text(`() => (` + field + `)("heat").textContent`); !strings.Contains(s, "float32") && !strings.Contains(s, "f4") || !strings.Contains(s, "24") {
		t.Errorf("the array: %q", s)
	}
	p.do(`() => (` + field + `)("heat").scrollIntoView()`)
	p.picture("sample with arrays")
}

// TestBrowserDamaged: what is damaged is told where it is, everything else shows.
func TestBrowserDamaged(t *testing.T) {
	t.Parallel()
	v := serve(t, damagedFile(t))
	p := v.blank(t)
	p.allow("422 (Unprocessable Entity)")
	p.visit(v.url)
	p.ready("gallery")
	p.await("the damaged one among others", `() => [...document.querySelectorAll('.tile[data-index="7"]')].some(e => e.innerText.includes("damaged")) && document.querySelector('.tile[data-index="8"] img')?.naturalWidth > 0`)
	p.picture("gallery with a damaged picture")
	for _, sample := range []string{"3", "7"} {
		p.hash("#/sample/" + sample)
		p.ready("sample")
		p.await("its checksum", `() => (`+field+`)("image").textContent.includes("checksum wrong")`)
		if s := p.text(`() => (` + field + `)("note").textContent`); !strings.Contains(s, "checksum ok") {
			t.Errorf("sample %s: the other fields: %q", sample, s)
		}
	}
	p.picture("sample that is damaged")
	p.hash("#/verify")
	p.ready("verify")
	p.click("#start-verify")
	p.await("two flaws", `() => document.querySelector('[data-flaws]')?.dataset.flaws === "2"`)
	if got := p.list(`() => [...document.querySelectorAll("table.flaws tbody tr td:first-child")].map(e => e.textContent)`); strings.Join(got, " ") != "3 7" {
		t.Errorf("flaws in samples %q, want 3 and 7", got)
	}
	p.picture("verify")
	p.click(`table.flaws tbody a`)
	p.ready("sample")
	p.hash("#/charts")
	p.ready("charts")
	p.hash("#/playground?sample=7")
	p.ready("playground")
	p.await("why not", `() => document.querySelector("main").innerText.match(/not run|damaged|JPEG|picture/i)`)
	p.hash("#/playground?sample=8")
	p.await("16 pictures of a sound one", seeds16)
}

// TestBrowserTallWindow: what a tall and narrow window has left over stands below all
// of a sample, not between its parts.
func TestBrowserTallWindow(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.size(500, 2400)
	p.hash("#/sample/5")
	p.ready("sample")
	p.await("the picture", `() => document.querySelector(".mat img").naturalWidth > 0`)
	if h := p.number(`() => document.querySelector(".strip").getBoundingClientRect().height`); h > 150 {
		t.Errorf("the film strip is %v pixels high", h)
	}
	if gap := p.number(`() => document.querySelector(".facts").getBoundingClientRect().top - document.querySelector(".stage").getBoundingClientRect().bottom`); gap > 2 {
		t.Errorf("%v pixels between the picture and what is told of it", gap)
	}
}

package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
)

// seeds16 says whether all results are there.
const seeds16 = `() => {
	const all = [...document.querySelectorAll(".seed")], images = all.map(e => e.matches("img") ? e : e.querySelector("img"));
	return all.length === 16 && images.every(e => e?.complete && e.naturalWidth > 0) && !all.some(e => e.closest(".stale"));
}`

// pixels are digests of what the results show.
const pixels = `() => Promise.all([...document.querySelectorAll(".seed")].map(async e => {
	const img = e.matches("img") ? e : e.querySelector("img");
	const c = new OffscreenCanvas(img.naturalWidth, img.naturalHeight), g = c.getContext("2d");
	g.drawImage(img, 0, 0);
	const d = await crypto.subtle.digest("SHA-256", g.getImageData(0, 0, c.width, c.height).data);
	return img.naturalWidth + "x" + img.naturalHeight + " " + [...new Uint8Array(d)].slice(0, 8).join();
}))`

// steps is the pipeline that the page edits.
const steps = `() => JSON.parse(new URLSearchParams(location.hash.split("?")[1]).get("pipeline"))`

func TestBrowserPlayground(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	pipeline := `[{"op":"RandomResizedCrop","args":{"Width":96,"Height":80}},{"op":"HorizontalFlip"}]`
	p.hash("#/playground?sample=4&pipeline=" + escape(pipeline))
	p.ready("playground")
	p.await("16 pictures", seeds16)
	first := p.list(pixels)
	if n := distinct(first); n != 16 || !strings.HasPrefix(first[0], "96x80 ") {
		t.Errorf("%d different pictures of 16: %q", n, first)
	}
	p.picture("playground")
	code := map[string]string{"go": "RandomResizedCrop", "python": "RandomResizedCrop"}
	for name, want := range code {
		if s := p.text(`(n) => document.querySelector("#code-" + n).textContent`, name); !strings.Contains(s, want) || !strings.Contains(s, "96") || !strings.Contains(s, "Flip") {
			t.Errorf("%s: %q", name, s)
		}
	}
	t.Run("add", func(t *testing.T) {
		p.do(`() => { const s = document.querySelector("#add-op"); s.value = "VerticalFlip"; s.dispatchEvent(new Event("change")) }`)
		p.await("the operation in the code", `() => document.querySelector("#code-go").textContent.includes("VerticalFlip")`)
		p.await("other pictures, those of half of the seeds", `async (old) => (`+seeds16+`)() && (await (`+pixels+`)()).filter(s => !old.includes(s)).length >= 3`, first)
	})
	t.Run("edit", func(t *testing.T) {
		p.write("#param-0-Width", "48")
		p.await("narrower pictures", `async () => (`+seeds16+`)() && (await (`+pixels+`)()).every(s => s.startsWith("48x80 "))`)
		if s := p.text(`() => JSON.stringify((` + steps + `)())`); !strings.Contains(s, `"Width":48`) {
			t.Errorf("the address has %s", s)
		}
	})
	t.Run("error", func(t *testing.T) {
		p.allow("422 (Unprocessable Entity)")
		p.write("#param-0-Width", "-5")
		p.await("an error at its place", `() => { const e = document.querySelector('[data-at="0"] .flaw'); return e && !e.hidden && e.innerText.includes("-5") }`)
		p.write("#param-0-Width", "100000")
		p.await("an error at its setting", `() => document.querySelector('[data-at="0"] .flaw').innerText.includes("100000") && document.querySelector("#param-0-Width").getAttribute("aria-invalid") === "true"`)
		p.picture("playground with an error")
		p.write("#param-0-Width", "48")
		p.await("that it is mended", `() => document.querySelector('[data-at="0"] .flaw').hidden`)
		p.await("16 pictures", seeds16)
	})
	t.Run("copy", func(t *testing.T) {
		p.run(browser.GrantPermissions([]browser.PermissionType{browser.PermissionTypeClipboardReadWrite, browser.PermissionTypeClipboardSanitizedWrite}).WithBrowserContextID(p.profile))
		for _, name := range []string{"go", "python"} {
			p.click(`[data-copy="` + name + `"]`)
			p.await("the copy", `(n) => document.querySelector('[data-copy="' + n + '"]').textContent === "Copied"`, name)
			if got, want := p.text(`() => navigator.clipboard.readText()`), p.text(`(n) => document.querySelector("#code-" + n).textContent`, name); got != want || want == "" {
				t.Errorf("%s: copied %q, want %q", name, got, want)
			}
		}
	})
	t.Run("seeds", func(t *testing.T) {
		before := p.list(pixels)
		p.press("r")
		p.await("other seeds", `(old) => document.querySelector("#seed").value !== "0"`)
		p.await("16 pictures", seeds16)
		if n := distinct(append(p.list(pixels), before...)); n != 32 {
			t.Errorf("%d different pictures under 32 seeds", n)
		}
		p.write("#seed", "0")
		p.press("\r")
		p.await("the first ones", `async (old) => (`+seeds16+`)() && JSON.stringify(await (`+pixels+`)()) === old`, jsonOf(t, before))
	})
	t.Run("batch", func(t *testing.T) {
		p.hash("#/playground?sample=4&pipeline=" + escape(`[{"op":"CenterCrop","args":{"Width":64,"Height":64}},{"op":"ImageMixup","args":{"Alpha":0.5}}]`))
		p.ready("playground")
		p.await("16 pictures", seeds16)
		p.picture("playground with a batch operation")
	})
	t.Run("float", func(t *testing.T) {
		p.hash("#/playground?sample=4&pipeline=" + escape(`[{"op":"CenterCrop","args":{"Width":64,"Height":64}},{"op":"Normalize","args":{"Mean":[120,120,120],"Std":[60,60,60]}}]`))
		p.ready("playground")
		p.await("16 pictures", seeds16)
		if s := p.text(`() => document.querySelector(".outcome").innerText`); !strings.Contains(s, "f4") && !strings.Contains(s, "float32") {
			t.Errorf("the outcome is %q", s)
		}
	})
}

package browser

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestBrowserHostile: a dataset that was made to do harm shows as text.
func TestBrowserHostile(t *testing.T) {
	t.Parallel()
	v := serve(t, hostileFile(t))
	p := v.blank(t)
	p.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(`window.hits = 0; window.hit = () => { window.hits++ }; document.addEventListener("securitypolicyviolation", e => { (window.violations ??= []).push(e.violatedDirective + " " + e.blockedURI + " " + e.sample) })`).Do(ctx)
		return err
	}))
	p.visit(v.url)
	p.ready("gallery")
	sound := func(what string) {
		t.Helper()
		if n := p.number(`() => window.hits`); n != 0 {
			t.Fatalf("%s: a script of the dataset ran %v times", what, n)
		}
		if l := p.list(`() => window.violations ?? []`); len(l) > 0 {
			t.Errorf("%s: against the policy: %q", what, l)
		}
		strange := p.list(`() => [...document.querySelectorAll("script:not([src]), iframe, object, embed, base, meta[http-equiv], link[href^=http], link[href^='//'], img[src*=elsewhere], a[href^=javascript], [onclick], [onerror], [onload], [onfocus], [style]")].map(e => e.outerHTML.slice(0, 200)).filter(h => !/style="/.test(h) || /on(click|error|load|focus)=/.test(h.split(">")[0]))`)
		if len(strange) > 0 {
			t.Errorf("%s: the page has %q", what, strange[:min(3, len(strange))])
		}
		p.fits(what)
	}
	p.await("pictures", loaded)
	if s := p.shown(); !strings.Contains(s, "onerror=hit()") || !strings.Contains(s, "<script>hit()</script>") {
		t.Errorf("names don't show as they are: %.800s", s)
	}
	sound("gallery")
	p.picture("hostile gallery")
	for i, h := range hostile {
		p.hash(fmt.Sprintf("#/sample/%d", i))
		p.ready("sample")
		p.await("its texts", `() => [...document.querySelectorAll("[data-field]")].length === 5 && document.querySelector(".json .tree, .json pre")`)
		want := keyOf(h)
		if len(want) > 100 {
			want = want[:90]
		}
		if want = strings.ToValidUTF8(want, ""); !p.truth(`(w) => document.querySelector("main").textContent.includes(w) || document.querySelector("main").textContent.includes(JSON.stringify(w).slice(1, -1))`, want) {
			t.Errorf("sample %d doesn't show %q: %.1500s", i, want, p.shown())
		}
		sound(fmt.Sprintf("sample %d", i))
		if i == 1 || i == 12 {
			p.picture(fmt.Sprintf("hostile sample %d", i))
		}
	}
	for hash, name := range map[string]string{"#/charts": "charts", "#/pages": "pages", "#/playground": "playground", "#/verify": "verify", "#/loader": "loader"} {
		p.hash(hash)
		p.ready(name)
		sound(name)
		p.picture("hostile " + name)
	}
	p.allow("400 (Bad Request)")
	for _, h := range hostile {
		if len(h) > 5000 { // no query is so long
			continue
		}
		p.hash("#/?q=" + escape(`class:"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(h)+`"`))
		p.ready("gallery")
		sound("a search for " + h)
		p.hash("#/?q=" + escape(h))
		p.ready("gallery")
		sound("a search for the word " + h)
	}
	p.allow("404 (Not Found)", "422 (Unprocessable")
	for _, hash := range []string{
		"#/sample/<img src=x onerror=hit()>", "#/<script>hit()</script>", "#/__proto__", "#/constructor", "#/sample/__proto__", "#/sample/1e3", "#/sample/-1",
		"#/playground?pipeline=" + escape(`[{"op":"<img src=x onerror=hit()>"}]`), "#/playground?pipeline=%5B%5D&sample=999999999", "#/playground?pipeline=nonsense&seed=-1",
		"#/playground?pipeline=" + escape(`[{"op":"__proto__","args":{"__proto__":1}}]`), "#/pages?page=<b>&from=9999999&to=-1", "#/pages?from=0&to=1", "#/?start=99999999", "#/?start=-5", "#/?q=x&cursor=nonsense&page=3", "#/%",
	} {
		p.hash(hash)
		p.await("a view for "+hash, `() => document.querySelector('[data-view][data-ready="true"]')`)
		sound(hash)
	}
}

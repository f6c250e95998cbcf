package browser

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

func TestBrowserCharts(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/charts")
	p.ready("charts")
	for _, names := range [][]string{{"labels"}, {"width", "widths"}, {"height", "heights"}, {"aspect"}, {"bytes"}, {"channels"}, {"fields"}} {
		n := p.number(`(names) => names.map(n => document.querySelectorAll('[data-chart="' + n + '"]').length).reduce((a, b) => a + b)`, names)
		if n != 1 {
			t.Errorf("%v charts called %q, want 1", n, names)
		}
	}
	if s := p.text(`() => document.querySelector('[data-chart="labels"]').innerText`); !strings.Contains(s, "animal") || !strings.Contains(s, "sunset") {
		t.Errorf("labels: %q", s)
	}
	if s := p.text(`() => document.querySelector('[data-chart="channels"]').innerText`); !strings.Contains(s, "red") {
		t.Errorf("channels: %q", s)
	}
	p.picture("charts")
	p.click(`[data-chart="labels"] a`)
	p.ready("gallery")
	if q := p.text(`() => document.querySelector("#search").value`); !strings.Contains(q, "class:") {
		t.Errorf("a click on a label searches for %q", q)
	}
}

// TestBrowserSurvey: the charts of a large file are of some samples, till all are
// asked for; that can be stopped.
func TestBrowserSurvey(t *testing.T) {
	t.Parallel()
	p := serve(t, millionFile(t)).open(t)
	p.hash("#/charts")
	p.ready("charts")
	if s := p.shown(); !strings.Contains(s, "2,000") || !strings.Contains(s, "1,000,000") {
		t.Errorf("of how many: %.500s", s)
	}
	p.click("#start-survey")
	p.click("#stop-survey")
	p.await("the end of it", `() => document.querySelector("#start-survey")`)
	if s := p.text(`() => document.querySelector('[data-job="survey"]').innerText`); !strings.Contains(s, "stopped") && !strings.Contains(s, "done") {
		t.Errorf("after the stop: %q", s)
	}
	p.hash("#/pages")
	p.ready("pages")
	p.picture("page map of a million")
}

func TestBrowserPages(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/pages")
	p.ready("pages")
	painted := `() => {
		const c = document.querySelector("#pagemap"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		let n = 0;
		for (let i = 3; i < d.length; i += 4) n += d[i] > 0;
		return n;
	}`
	if n := p.number(painted); n < 100 {
		t.Errorf("the map has %v painted pixels", n)
	}
	p.do(`() => document.querySelector("#pagemap").focus()`)
	p.press("\r")
	p.await("a page", `() => document.querySelector("[data-page] table tbody tr")`)
	if s := p.text(`() => document.querySelector("[data-page]").innerText`); !strings.Contains(s, "image") {
		t.Errorf("a page's values: %.400s", s)
	}
	p.picture("page map")
	p.do(`() => document.querySelector('[data-mode="fill"]').click()`)
	p.picture("page map by fill")
	p.click("[data-page] table tbody a")
	p.ready("sample")
}

// TestBrowserVerify: a sound file has no flaw.
func TestBrowserVerify(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/verify")
	p.ready("verify")
	p.click("#start-verify")
	p.await("no flaw", `() => document.querySelector('[data-flaws="0"]')`)
	p.hash("#/")
	p.ready("gallery")
	p.hash("#/verify") // it is remembered
	p.ready("verify")
	p.await("no flaw, still", `() => document.querySelector('[data-flaws="0"]')`)
}

// TestBrowserLoader: one that runs in the viewer.
func TestBrowserLoader(t *testing.T) {
	t.Parallel()
	p := serve(t, photoFile(t)).open(t)
	p.hash("#/loader")
	p.ready("loader")
	if s := p.shown(); !strings.Contains(s, "--loader") {
		t.Errorf("without a loader: %.600s", s)
	}
	p.write("#own-batch", "16")
	p.click("#loader-start")
	p.await("figures", `() => document.querySelector(".verdict")?.innerText.match(/bound/) && document.querySelector('[data-chart="throughput"] svg')`)
	p.picture("loader")
	p.click("#loader-stop")
	p.await("its end", `() => document.querySelector("main").innerText.includes("stopped")`)
	p.allow("422 (Unprocessable Entity)", "400 (Bad Request)")
	p.do(`() => { document.querySelector("#own-batch").max = ""; document.querySelector("#own-batch").value = "1000000" }`)
	p.click("#loader-start")
	p.await("an error", `() => !document.querySelector("#error").hidden && document.querySelector("#error").innerText.includes("1000000")`)
}

// TestBrowserLoaderFile: one of another process, by the file that it writes.
func TestBrowserLoaderFile(t *testing.T) {
	t.Parallel()
	data, file := photoFile(t), filepath.Join(t.TempDir(), "stats.json")
	p := serve(t, data, "--loader", file).open(t)
	p.hash("#/loader")
	p.ready("loader")
	p.await("word that it isn't there yet", `() => document.querySelector("main").innerText.match(/stats_file/)`)
	l, err := loader.New(ffcvtest.Map(t, data, nil), &loader.Options{
		BatchSize: 8, StatsFile: file, OnError: loader.Skip,
		Outputs: []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 64, Height: 64}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // the training; ends with ctx, waited for by ended
		for epoch := 0; ; epoch++ {
			for b, err := range l.Epoch(ctx, epoch) {
				if err != nil {
					ended <- err
					return
				}
				time.Sleep(2 * time.Millisecond)
				b.Release()
			}
		}
	}()
	p.await("its figures", `() => document.querySelector("main").innerText.includes("running") && document.querySelector(".verdict")?.innerText.match(/bound/)`)
	p.await("its history", `() => document.querySelector('[data-chart="throughput"] svg')`)
	p.picture("loader elsewhere")
	cancel()
	if err := <-ended; ctx.Err() == nil {
		t.Error(err)
	}
	p.await("its end", `() => document.querySelector("main").innerText.includes("stopped")`)
}

package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	js "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long anything on a page may take, on a machine that is busy.
const patience = 20 * time.Second

// shared are the browser and the program, which all tests use.
var shared struct {
	sync.Once
	err     error           // why there are none
	absent  bool            // err is that there is no browser
	browser context.Context // of the browser's first tab, which tests leave alone
	program string
	end     []func() // in reverse order
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, end := range slices.Backward(shared.end) {
		end()
	}
	os.Exit(code)
}

// need starts the browser and builds the program, for the first test that needs
// them. It skips the test where there is no browser.
func need(t *testing.T) {
	t.Helper()
	shared.Do(func() { shared.err = start() })
	switch {
	case shared.err == nil:
	case shared.absent && os.Getenv("BETONGO_BROWSER") != "required":
		t.Skip(shared.err)
	default:
		t.Fatal(shared.err)
	}
}

func start() error {
	name, err := findChromium()
	if err != nil {
		shared.absent = true
		return err
	}
	dir, err := os.MkdirTemp("", "betongo-browser-")
	if err != nil {
		return err
	}
	shared.end = append(shared.end, func() { os.RemoveAll(dir) })
	if shared.program, err = buildProgram(dir); err != nil {
		return err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(name), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.NoSandbox,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("mute-audio", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WindowSize(1280, 800), chromedp.WSURLReadTimeout(time.Minute))
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	var end context.CancelFunc
	// What this version of the protocol's package doesn't know of a later browser's is no matter.
	shared.browser, end = chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithLogf(func(string, ...any) {}))
	shared.end = append(shared.end, endAlloc, end)
	if err := chromedp.Run(shared.browser); err != nil {
		return fmt.Errorf("%s doesn't start: %w", name, err)
	}
	return nil
}

// findChromium returns the browser's path.
func findChromium() (string, error) {
	if name := os.Getenv("BETONGO_CHROMIUM"); name != "" {
		found, err := exec.LookPath(name)
		if err != nil {
			err = fmt.Errorf("no browser: BETONGO_CHROMIUM: %w", err)
		}
		return found, err
	}
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if runtime.GOOS == "darwin" {
		names = append(names, "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium")
	}
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("no browser: none of %s is there, and BETONGO_CHROMIUM names none", strings.Join(names, ", "))
}

// buildProgram builds ffcv, of the module above; $BETONGO_FFCV is one that is built.
func buildProgram(dir string) (string, error) {
	if name := os.Getenv("BETONGO_FFCV"); name != "" {
		return filepath.Abs(name)
	}
	name := filepath.Join(dir, "ffcv")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", name, "./cmd/ffcv")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/ffcv: %w\n%s", err, out)
	}
	return name, nil
}

// viewer is a running "ffcv view".
type viewer struct {
	url    string // with the token
	origin string // http://127.0.0.1:PORT
	token  string
}

// serve runs "ffcv view" over files, until the test ends; then it must end well.
func serve(t *testing.T, args ...string) *viewer {
	t.Helper()
	need(t)
	cmd := exec.Command(shared.program, append([]string{"view", "--listen", "127.0.0.1:0", "--no-open", "--json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cmd, &stderr) })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("ffcv view %q: its first line: %v\n%s", args, err, stderr.String())
	}
	var first struct{ URL string }
	if err := json.Unmarshal(line, &first); err != nil {
		t.Fatalf("ffcv view: its first line is %q: %v", line, err)
	}
	u, err := url.Parse(first.URL)
	if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" || len(u.Query().Get("token")) < 32 {
		t.Fatalf("ffcv view: its address is %q: %v", first.URL, err)
	}
	return &viewer{url: first.URL, origin: "http://" + u.Host, token: u.Query().Get("token")}
}

// stop interrupts the program, as a person does, and wants it to end well.
func stop(t *testing.T, cmd *exec.Cmd, stderr *bytes.Buffer) {
	if runtime.GOOS == "windows" {
		cmd.Process.Kill()
		cmd.Wait()
		return
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("ffcv view, interrupted: %v\n%s", err, stderr.String())
	}
}

// tab is a page of the browser that a test drives. What the browser complains of
// meanwhile is a failure of the test, but for what allow lets pass.
type tab struct {
	t       *testing.T
	ctx     context.Context
	profile cdp.BrowserContextID
	origin  string // of all requests

	mu         sync.Mutex
	complaints []string
	allowed    []string
}

// open opens a viewer in a tab of its own, with a profile's cookies of its own, and
// waits for its first view.
func (v *viewer) open(t *testing.T) *tab {
	t.Helper()
	p := v.blank(t)
	p.visit(v.url)
	p.ready("gallery")
	return p
}

// blank is an empty tab.
func (v *viewer) blank(t *testing.T) *tab {
	t.Helper()
	ctx, profile, end := newWindow(t)
	p := &tab{t: t, ctx: ctx, profile: profile, origin: v.origin}
	chromedp.ListenTarget(ctx, p.hear)
	t.Cleanup(func() {
		if t.Failed() {
			p.picture("failed " + t.Name())
		}
		end()
		p.settle()
	})
	p.run(log.Enable(), audits.Enable(), network.Enable(), emulation.SetFocusEmulationEnabled(true), emulation.SetDeviceMetricsOverride(1280, 800, 1, false))
	return p
}

// newWindow opens a window with cookies of its own.
func newWindow(t *testing.T) (context.Context, cdp.BrowserContextID, func()) {
	t.Helper()
	ctx := cdp.WithExecutor(shared.browser, chromedp.FromContext(shared.browser).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	tab, end := chromedp.NewContext(shared.browser, chromedp.WithTargetID(id))
	return tab, profile, func() {
		end()
		if err := target.DisposeBrowserContext(profile).Do(ctx); err != nil {
			t.Error(err)
		}
	}
}

// hear notes what a browser tells that a sound page never makes it tell.
func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *js.EventExceptionThrown:
		p.complain("exception: " + e.ExceptionDetails.Error())
	case *js.EventConsoleAPICalled:
		if e.Type == js.APITypeError || e.Type == js.APITypeWarning || e.Type == js.APITypeAssert {
			text := "console: "
			for _, a := range e.Args {
				text += string(a.Value) + a.Description + " "
			}
			p.complain(text)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.complain(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *audits.EventIssueAdded:
		if e.Issue.Details != nil && e.Issue.Details.ContentSecurityPolicyIssueDetails != nil {
			d := e.Issue.Details.ContentSecurityPolicyIssueDetails
			p.complain(fmt.Sprintf("policy: %s %s", d.ViolatedDirective, d.BlockedURL))
		}
	case *page.EventJavascriptDialogOpening:
		p.complain("dialog: " + e.Message)
		go chromedp.Run(p.ctx, page.HandleJavaScriptDialog(false)) // ends with the tab
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, p.origin+"/") && !strings.HasPrefix(u, "blob:"+p.origin) && !strings.HasPrefix(u, "data:") {
			p.complain("request to elsewhere: " + u)
		}
	}
}

func (p *tab) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, text)
}

// allow lets complaints pass that have some text in them.
func (p *tab) allow(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, parts...)
}

// settle tells the test of what was complained of.
func (p *tab) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		ok := false
		for _, a := range p.allowed {
			ok = ok || strings.Contains(c, a)
		}
		if !ok {
			p.t.Errorf("the browser tells: %s", c)
		}
	}
}

// run does something in the tab.
func (p *tab) run(actions ...chromedp.Action) {
	p.t.Helper()
	// The first Run starts the tab, which lives as long as the context that it is
	// given: there must be no shorter one then.
	if c := chromedp.FromContext(p.ctx); c.Target == nil {
		if err := chromedp.Run(p.ctx); err != nil {
			p.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// visit goes to an address.
func (p *tab) visit(address string) {
	p.t.Helper()
	p.run(chromedp.Navigate(address))
}

// hash goes to a view by the address's hash, also to the one that is shown.
func (p *tab) hash(hash string) {
	p.t.Helper()
	p.do(`(hash) => { document.querySelector("#view").dataset.ready = "false"; if (location.hash === hash) window.dispatchEvent(new HashChangeEvent("hashchange")); else location.hash = hash }`, hash)
}

// eval runs a function of JavaScript in the page with arguments, and reads its
// result into to.
func (p *tab) eval(to any, function string, args ...any) error {
	b, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var text string
	err = chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("(async () => JSON.stringify((await (%s)(...%s)) ?? null))()", function, b), &text,
		func(p *js.EvaluateParams) *js.EvaluateParams { return p.WithAwaitPromise(true).WithUserGesture(true) }))
	if err != nil || to == nil {
		return err
	}
	return json.Unmarshal([]byte(text), to)
}

// do is eval without a result.
func (p *tab) do(function string, args ...any) {
	p.t.Helper()
	if err := p.eval(nil, function, args...); err != nil {
		p.t.Fatalf("%s: %v", function, err)
	}
}

// text, number, truth: eval of a result of that type.
func (p *tab) text(function string, args ...any) (s string) {
	p.t.Helper()
	return got[string](p, function, args)
}
func (p *tab) number(function string, args ...any) (n float64) {
	p.t.Helper()
	return got[float64](p, function, args)
}
func (p *tab) truth(function string, args ...any) (b bool) {
	p.t.Helper()
	return got[bool](p, function, args)
}
func (p *tab) list(function string, args ...any) (l []string) {
	p.t.Helper()
	return got[[]string](p, function, args)
}

func got[T any](p *tab, function string, args []any) (v T) {
	p.t.Helper()
	if err := p.eval(&v, function, args...); err != nil {
		p.t.Fatalf("%s: %v", function, err)
	}
	return v
}

// await waits until a function of JavaScript returns something true.
func (p *tab) await(what, function string, args ...any) {
	p.t.Helper()
	var last error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		ok := false
		// While the page is being replaced there is nothing to ask.
		if last = p.eval(&ok, "async (...a) => Boolean(await ("+function+")(...a))", args...); last == nil && ok {
			return
		}
		if errors.Is(last, context.Canceled) {
			break
		}
	}
	p.t.Fatalf("waited for %s; %v\nthe page shows: %.1200s", what, last, p.shown())
}

// shown is the page's text, what it complains of first.
func (p *tab) shown() (s string) {
	if err := p.eval(&s, `() => [location.href, ...["#error", "#view", "body"].map(s => document.querySelector(s)?.innerText)].join("\n")`); err != nil {
		return err.Error()
	}
	return s
}

// ready waits until a view shows its data.
func (p *tab) ready(view string) {
	p.t.Helper()
	p.await("view "+view, `(v) => document.querySelector('[data-view="'+v+'"][data-ready="true"]')`, view)
}

// click clicks on an element as a person's mouse does.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// write types into an element, in the place of what is there.
func (p *tab) write(selector, text string) {
	p.t.Helper()
	p.do(`(s) => { const e = document.querySelector(s); e.focus(); e.select() }`, selector)
	p.press(strings.Split(text, "")...)
}

// press presses keys, one after another, wherever the focus is.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		for _, e := range typed(key) {
			p.run(e)
		}
	}
}

// typed are a key's events. A key goes down as one event with its text, so that a
// page that takes it for a command keeps it from being written.
func typed(key string) (list []*input.DispatchKeyEventParams) {
	for _, e := range kb.Encode([]rune(key)[0]) {
		switch {
		case e.Type == input.KeyChar && len(list) > 0:
			down := list[len(list)-1]
			down.Type, down.Text, down.UnmodifiedText = input.KeyDown, e.Text, e.UnmodifiedText
		default:
			list = append(list, e)
		}
	}
	return list
}

// size gives the page so many pixels.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	p.run(emulation.SetDeviceMetricsOverride(width, height, 1, false))
}

// fits wants the page to be no wider than its window.
func (p *tab) fits(what string) {
	p.t.Helper()
	wide := p.list(`() => {
		const most = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= most) return [];
		return [document.documentElement.scrollWidth + " of " + most, ...[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > most + 1 && e.getClientRects().length)
			.slice(0, 5).map(e => e.tagName + "#" + e.id + "." + e.className)];
	}`)
	if len(wide) > 0 {
		p.t.Errorf("%s scrolls sideways: %q", what, wide)
	}
}

// artefacts is the folder that pictures go to.
var artefacts = sync.OnceValues(func() (string, error) {
	dir := os.Getenv("BETONGO_ARTEFACTS")
	if dir == "" {
		return "", nil
	}
	return dir, os.MkdirAll(dir, 0o777)
})

// picture keeps a picture of what is to be seen.
func (p *tab) picture(name string) {
	dir, err := artefacts()
	if err != nil {
		p.t.Error(err)
		return
	}
	if dir == "" {
		dir = p.t.TempDir()
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var b []byte
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&b)); err != nil {
		p.t.Errorf("a picture of %s: %v", name, err)
		return
	}
	path := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-").Replace(name)+".png")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		p.t.Error(err)
	}
	p.t.Logf("%s: %s", name, path)
}

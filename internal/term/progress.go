package term

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainEvery is how often a progress that does not go to a terminal prints a
// line: often enough to see that a job lives, rarely enough for a log.
const plainEvery = 5 * time.Second

// Progress shows how far a job is: a bar with rate and time left on a terminal,
// and elsewhere nothing, or under --progress=plain a line every few seconds. It is
// safe for concurrent use. A nil *Progress shows nothing.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	prog  string
	unit  string
	bar   *progressbar.ProgressBar // nil: plain lines
	total int64
	start time.Time
	last  time.Time
	now   func() time.Time
}

// NewProgress begins a progress of total steps (-1 when unknown) on w; unit is
// the plural of what is counted, such as "images". It is nil where w is to show
// none: under --quiet, --json and --progress=off, and where nobody looks.
func NewProgress(w io.Writer, prog, unit string, total int64) *Progress {
	mode := modeOf(w)
	w = under(w)
	if mode == progressAuto && !lively(w) || mode == progressOff {
		return nil
	}
	p := &Progress{w: w, prog: prog, unit: unit, total: total, now: time.Now}
	p.start = p.now()
	p.last = p.start
	if mode == progressAuto {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription(prog),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionFullWidth(),
			// No goroutine of the bar's own, which nobody could wait for, while the
			// total is unknown.
			progressbar.OptionSetSpinnerChangeInterval(0),
		)
	}
	return p
}

// Set says that done steps of the total are behind; a total of -1 is unknown.
func (p *Progress) Set(done, total int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		if total != p.total {
			p.bar.ChangeMax64(total)
		}
		p.total = total
		// What the bar cannot show (a terminal that went away) is not the
		// job's failure.
		_ = p.bar.Set64(done)
		return
	}
	p.total = total
	if now := p.now(); now.Sub(p.last) >= plainEvery {
		p.last = now
		fmt.Fprintln(p.w, p.plain(done, now.Sub(p.start)))
	}
}

// plain is one line of a progress without a terminal.
func (p *Progress) plain(done int64, spent time.Duration) string {
	rate := float64(done) / spent.Seconds()
	if p.total <= 0 {
		return fmt.Sprintf("%s: %s %s, %s/s", p.prog, FormatCount(done), p.unit, FormatCount(int64(rate)))
	}
	s := fmt.Sprintf("%s: %s of %s %s (%d %%), %s/s", p.prog, FormatCount(done), FormatCount(p.total), p.unit,
		100*done/p.total, FormatCount(int64(rate)))
	if rate > 0 {
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second))
		s += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return s
}

// Clear takes the bar off the terminal, so that other lines can follow. The
// next Set draws it again.
func (p *Progress) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// IsTerminal says whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := under(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// lively says whether w is a terminal that can do more than show lines, which
// $TERM=dumb denies.
func lively(w io.Writer) bool { return os.Getenv("TERM") != "dumb" && IsTerminal(w) }

// width is how many columns help may take: what the terminal has, 100 at most, and
// 80 where there is none.
func width(w io.Writer) int {
	if f, ok := under(w).(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return min(max(n, 40), 100)
		}
	}
	return 80
}

package term

import (
	"io"
	"os"
	"runtime"

	"github.com/alecthomas/kong"
)

// Talk are the flags that every command has, of how much it tells; they are
// embedded in its grammar. Parse sees to them.
type Talk struct {
	Quiet    bool             `short:"q" group:"Common" help:"Print results, warnings and errors only: no progress, notes and hints."`
	Progress string           `default:"auto" enum:"auto,plain,off" env:"BETONGO_PROGRESS" group:"Common" placeholder:"auto|plain|off" help:"How progress is shown: a bar on a terminal and nothing elsewhere (auto, the default), a line every few seconds (plain, for logs), or not at all (off). --quiet and --json turn it off too. $$BETONGO_PROGRESS is the default where it is set."`
	Version  kong.VersionFlag `group:"Common" help:"Print the version and exit."`
}

type progressMode int

const (
	progressAuto progressMode = iota
	progressPlain
	progressOff
)

// modeOf is how w shows progress.
func modeOf(w io.Writer) progressMode {
	if s, ok := w.(*safeWriter); ok {
		return s.progress
	}
	return progressAuto
}

func isQuiet(w io.Writer) bool {
	s, ok := w.(*safeWriter)
	return ok && s.quiet
}

// talk tells a Safe writer what the flags of a command line say.
func talk(w io.Writer, k *kong.Context) {
	s, ok := w.(*safeWriter)
	if !ok {
		return
	}
	json := false
	for _, f := range k.Flags() {
		v, ok := k.FlagValue(f).(bool)
		switch {
		case f.Name == "quiet" && ok:
			s.quiet = v
		case f.Name == "json" && ok:
			json = v
		case f.Name == "progress":
			switch k.FlagValue(f) {
			case "plain":
				s.progress = progressPlain
			case "off":
				s.progress = progressOff
			}
		}
	}
	if s.quiet || json {
		s.progress = progressOff
	}
}

// style is a look of text on a terminal, by its number.
type style string

const (
	bold   style = "1"
	red    style = "1;31"
	yellow style = "1;33"
	cyan   style = "1;36"
)

func (s style) paint(text string) string {
	if s == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// colours says whether w may get colours: it is a terminal that knows them, and
// the user has not asked for none (https://no-color.org).
func colours(w io.Writer) bool {
	switch {
	case os.Getenv("NO_COLOR") != "", !lively(w):
		return false
	case runtime.GOOS == "windows": // old consoles would show the numbers
		return os.Getenv("WT_SESSION") != "" || os.Getenv("TERM") != ""
	}
	return os.Getenv("TERM") != ""
}

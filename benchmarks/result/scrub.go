package result

import (
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// absolute is a path from a root, ~ or a drive on, where a word begins. What
// follows "://" is a URL's; one slash alone is none.
var absolute = regexp.MustCompile(`(^|[\s"'` + "`" + `=(,;:\[{<>|])((?:~|[A-Za-z]:)?[/\\](?:[^/\s"'` + "`" + `,;:|<>(){}\[\]]+[/\\]?)+|file://[^\s"']*)`)

// Scrub returns text with every absolute path made its last element behind
// "…/", and this machine's name and that of its user made HOST and USER.
func Scrub(text string) string {
	text = absolute.ReplaceAllStringFunc(text, func(word string) string {
		at := absolute.FindStringSubmatchIndex(word)
		path := strings.TrimRight(strings.ReplaceAll(word[at[4]:at[5]], `\`, "/"), "/")
		return word[:at[4]] + "…/" + path[strings.LastIndex(path, "/")+1:]
	})
	for name, made := range identity() {
		text = replaceWord(text, name, made)
	}
	return text
}

// identity returns what may name this machine or its user. Names that are
// everybody's tell nothing, and stay.
var identity = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	if host, err := os.Hostname(); err == nil {
		names[host] = "HOST"
		short, _, _ := strings.Cut(host, ".")
		names[short] = "HOST"
	}
	if home, err := os.UserHomeDir(); err == nil {
		names[filepath.Base(home)] = "USER"
	}
	if u, err := user.Current(); err == nil {
		names[u.Username] = "USER"
	}
	maps.DeleteFunc(names, func(name, _ string) bool {
		return len(name) < 3 || slices.Contains([]string{"root", "user", "localhost", "linux", "ubuntu", "debian", "runner", "home"}, name)
	})
	return names
})

// replaceWord replaces name where no letter or digit is beside it.
func replaceWord(text, name, made string) string {
	if !strings.Contains(text, name) {
		return text
	}
	word, err := regexp.Compile(`(^|[^\pL\pN])` + regexp.QuoteMeta(name) + `($|[^\pL\pN])`)
	if err != nil {
		return text
	}
	for range 2 { // words beside each other share what is between them
		text = word.ReplaceAllString(text, "${1}"+made+"${2}")
	}
	return text
}

// scrubbed returns a copy with every text scrubbed, and times in UTC.
func (f *File) scrubbed() *File {
	c := *f
	c.Started = f.Started.UTC().Truncate(1e9)
	c.Machine.Processor, c.Photos.Made = Scrub(f.Machine.Processor), Scrub(f.Photos.Made)
	c.Command = append([]string{}, f.Command...)
	for i, word := range c.Command {
		c.Command[i] = Scrub(word)
	}
	c.Versions = map[string]string{}
	for system, text := range f.Versions {
		c.Versions[system] = Scrub(text)
	}
	c.Skipped = append([]Skip{}, f.Skipped...) // "[]", no "null"
	for i := range c.Skipped {
		c.Skipped[i].Reason = Scrub(c.Skipped[i].Reason)
	}
	c.Runs = append([]Run{}, f.Runs...)
	for i := range c.Runs {
		c.Runs[i].Note, c.Runs[i].Error = Scrub(c.Runs[i].Note), Scrub(c.Runs[i].Error)
	}
	return &c
}

// Here describes the machine that the program runs on.
func Here() Machine {
	m := Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.NumCPU(), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.Processor = entry(string(b), "model name")
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = kilobytes(entry(string(b), "MemTotal"))
	}
	return m
}

// entry returns the value of the first "key: value" of a text.
func entry(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kilobytes reads "123 kB" as bytes; 0 if it is something else.
func kilobytes(text string) (n int64) {
	digits, unit, _ := strings.Cut(text, " ")
	if unit != "kB" || len(digits) > 15 {
		return 0
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0
		}
		n = 10*n + int64(d-'0')
	}
	return n * 1024
}

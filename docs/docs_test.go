// Package docs_test runs what README.md and the documents of this folder tell
// people to type, as it stands there.
//
// A block of commands is one fenced as sh (or console, with what comes out), or an indented one that begins with a
// program. Comments of HTML in front of a block, which readers don't see, say
// what a reader would have by then, and what can't be run here:
//
//	<!-- before: COMMANDS -->          run first, in the block's folder
//	<!-- not run: WHY -->              the next block is only checked for flags that don't exist
//	<!-- without TEXT: WHY -->         lines of the next block with TEXT are left out
//
// All blocks of a document run in one folder, one after the other. It has the
// photographs of testdata as PHOTOS and photos, and nothing else; /shared and
// /scratch are folders in it, s3://bucket is a server's (TestS3Commands), and
// https://example.com serves the folder. $CLONE is the clone, and $BUCKET where the
// bucket's objects lie as files. Lines for other stores are left out.
package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/testdata/photos"
)

// block is a block of commands of a document.
type block struct {
	line    int
	before  string   // to be run first
	lines   []string // what people type
	notRun  string   // why not
	without []string // what makes a line be left out
}

func (b *block) far() bool { return strings.Contains(b.before+strings.Join(b.lines, "\n"), "s3://") }

// programs begin an indented block of commands.
var programs = []string{"ffcv", "ffcvwrite", "ffcvconvert", "ffcvbeam", "go", "git", "pip", "python", "python3", "export", "$", "docker", "kubectl", "sbatch", "apt-get", "valgrind", "perf"}

var comment = regexp.MustCompile(`(?s)<!-- (before|not run|without ([^:]+)):\s*(.*?)\s*-->`)

// blocks returns a document's blocks of commands.
func blocks(text string) (list []block, err error) {
	lines := strings.Split(text, "\n")
	var b block
	end := func(at int, typed []string) {
		b.line, b.lines = at, typed
		list = append(list, b)
		b = block{}
	}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "<!--"):
			at, whole := i, line
			for !strings.Contains(lines[i], "-->") {
				if i++; i == len(lines) {
					return nil, fmt.Errorf("line %d: a comment without an end", at+1)
				}
				whole += "\n" + lines[i]
			}
			m := comment.FindStringSubmatch(whole)
			switch {
			case m == nil: // for other tests, or for nobody
			case m[1] == "before":
				b.before = m[3]
			case m[1] == "not run":
				b.notRun = m[3]
			default:
				b.without = append(b.without, m[2])
			}
		case strings.HasPrefix(line, "```"):
			at, typed := i+1, []string(nil)
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
				typed = append(typed, lines[i])
			}
			if i == len(lines) {
				return nil, fmt.Errorf("line %d: a block without an end", at)
			}
			if language := strings.TrimPrefix(line, "```"); language == "sh" || language == "console" {
				end(at, typed)
			} else if language == "" && slices.Contains(programs, first(typed)) {
				return nil, fmt.Errorf("line %d: a block of commands: say so, with ```sh", at)
			}
			b = block{}
		case strings.HasPrefix(line, "    ") && (i == 0 || lines[i-1] == "" || strings.HasSuffix(lines[i-1], "-->")):
			at, typed := i+1, []string(nil)
			for ; i < len(lines) && strings.HasPrefix(lines[i], "    "); i++ {
				typed = append(typed, strings.TrimPrefix(lines[i], "    "))
			}
			if slices.Contains(programs, first(typed)) {
				end(at, typed)
			}
			b = block{}
			i--
		case line != "" && (b.before != "" || b.notRun != "" || b.without != nil):
			return nil, fmt.Errorf("line %d: a comment on a block of commands, and then none", i+1)
		}
	}
	return list, nil
}

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	word, _, _ := strings.Cut(lines[0], " ")
	return word
}

// script returns what is run of a block: of what a terminal showed, only what was
// typed.
func (b *block) script(far bool) string {
	shown := slices.ContainsFunc(b.lines, func(l string) bool { return strings.HasPrefix(l, "$ ") })
	var out strings.Builder
	out.WriteString(b.before + "\n")
	for _, l := range b.lines {
		typed, isTyped := strings.CutPrefix(l, "$ ")
		left := slices.ContainsFunc(b.without, func(s string) bool { return strings.Contains(l, s) })
		elsewhere := strings.Contains(l, "gs://") || strings.Contains(l, "azblob://") || !far && strings.Contains(l, "s3://")
		if shown && !isTyped || left || elsewhere {
			continue
		}
		out.WriteString(typed + "\n")
	}
	return out.String()
}

// documents are the files that are looked at, from the module's root.
func documents(t *testing.T) map[string][]block {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "*/README.md", "*/*/README.md"} {
		list, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, list...)
	}
	all := map[string][]block{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root(t), name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := blocks(string(text))
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		if len(list) > 0 {
			all[filepath.ToSlash(rel)] = list
		}
	}
	if len(all["README.md"]) < 5 || len(all["docs/remote.md"]) < 3 {
		t.Fatalf("blocks of commands are found in %d documents, too few of them: %d in the README", len(all), len(all["README.md"]))
	}
	return all
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// install puts the commands into a folder, as the README says it.
var install = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "betongo-docs-")
	if err != nil {
		return "", err
	}
	made = dir
	cmd := exec.Command("go", "install", "./cmd/...")
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	return dir, nil
})

var made string // install's folder, if there is one

func installed(t *testing.T) string {
	t.Helper()
	bin, err := install()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestMain(m *testing.M) {
	code := m.Run()
	if made != "" {
		os.RemoveAll(made)
	}
	os.Exit(code)
}

// shell runs a script in a folder.
type shell struct {
	dir  string
	env  []string
	root string
	swap *strings.Replacer
}

// newShell makes the folder of a document; swap are texts of its scripts and what
// stands for them here.
func newShell(t *testing.T, env []string, swap ...string) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir(), root: root(t)}
	for _, to := range []string{"PHOTOS", "photos"} {
		if err := os.CopyFS(filepath.Join(s.dir, to), photos.FS); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"shared", "scratch"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(s.dir, "shared", "photos"), photos.FS); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.FileServer(http.Dir(s.dir)))
	t.Cleanup(web.Close)
	s.swap = strings.NewReplacer(append(swap, "/shared/", s.dir+"/shared/", "/scratch/", s.dir+"/scratch/", "https://example.com", web.URL)...)
	bin := installed(t)
	s.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GOBIN="+bin, "NO_COLOR=1", "CLONE="+s.root, "TMPDIR="+s.dir)
	s.env = append(s.env, env...)
	return s
}

// clone matches what is typed in the folder of a clone.
var clone = regexp.MustCompile(`(?m)^(go (run|install|test|build|vet) [^#\n]*).*$`)

func (s *shell) run(t *testing.T, what, script string) {
	t.Helper()
	script = clone.ReplaceAllString(script, "(cd '"+s.root+"' && $1)")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu")
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Stdin = strings.NewReader(s.swap.Replace(script))
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", what, err, script, out.String())
	}
}

// try runs those of the documents' blocks for which it is meant.
func try(t *testing.T, far bool) {
	if runtime.GOOS == "windows" {
		t.Skip("what people type is for a shell of POSIX")
	}
	if testing.Short() {
		t.Skip("under -short nothing is run, only checked")
	}
	_, _, noHDF5 := hdf5.Version()
	ran := 0
	for doc, list := range documents(t) {
		isFar := slices.ContainsFunc(list, func(b block) bool { return b.far() && b.notRun == "" })
		if far && !isFar {
			continue
		}
		ran++
		t.Run(doc, func(t *testing.T) {
			if !far {
				t.Parallel()
			}
			var s *shell
			if far {
				server := s3test.Start(t)
				s = newShell(t, append(server.Env, "BUCKET="+server.Folder), "s3://bucket", "s3://"+server.Bucket, "http://127.0.0.1:9000", server.URL, "eu-west-1", "us-east-1", "https://minio.example.com", server.URL)
			} else {
				s = newShell(t, nil)
			}
			for _, b := range list {
				what := fmt.Sprintf("%s:%d", doc, b.line)
				switch {
				case b.notRun != "":
					t.Logf("%s is not run: %s", what, b.notRun)
				case b.far() && !far:
				case strings.Contains(b.script(far), ".h5") && noHDF5 != nil:
					t.Skipf("%s and what follows it: %v", what, noHDF5)
				default:
					s.run(t, what, b.script(far))
				}
			}
		})
	}
	t.Logf("%d documents", ran)
}

// TestCommands runs what needs nothing but the disk.
func TestCommands(t *testing.T) { try(t, false) }

// TestS3Commands runs the documents in which there are URLs of S3, with a server.
func TestS3Commands(t *testing.T) { try(t, true) }

var flag = regexp.MustCompile(`(?:^| )(--[a-z][a-z0-9-]+)`)

// TestFlags: every flag of a command in the documents is one of its verb's, also
// where the block can't be run.
func TestFlags(t *testing.T) {
	bin := installed(t)
	help := map[string]string{}
	for doc, list := range documents(t) {
		for _, b := range list {
			for i, l := range b.lines {
				l = strings.TrimPrefix(l, "$ ")
				l, _, _ = strings.Cut(l, "  #")
				words := strings.Fields(l)
				if len(words) == 0 || !slices.Contains([]string{"ffcv", "ffcvwrite", "ffcvconvert"}, words[0]) {
					continue
				}
				verb := words[:min(len(words), 3)] // as in ffcvwrite plan folder
				key := strings.Join(verb, " ")
				if _, ok := help[key]; !ok {
					out, err := exec.Command(filepath.Join(bin, verb[0]), append(slices.Clone(verb[1:]), "--help")...).CombinedOutput()
					var exit *exec.ExitError
					if err != nil && !errors.As(err, &exit) {
						t.Fatal(err)
					}
					help[key] = string(out)
				}
				for _, f := range flag.FindAllStringSubmatch(l, -1) {
					if !strings.Contains(help[key], f[1]) {
						t.Errorf("%s:%d: %s has no flag %s", doc, b.line+1+i, key, f[1])
					}
				}
			}
		}
	}
	if len(help) < 20 {
		t.Errorf("%d different commands were found, too few", len(help))
	}
}

// TestBlocks: how documents are read.
func TestBlocks(t *testing.T) {
	text := "# A\n\nText\n\n<!-- before: touch x\ntouch y -->\n<!-- without z: why -->\n\n    ffcv info x\n    ffcv info z\n\n" +
		"```sh\nls  # all\n```\n\n```\nffcvish output\n```\n\n    Not a program\n\n<!-- not run: a cluster -->\n```sh\nkubectl x\n```\n\n    $ ffcv info x\n    the output\n"
	list, err := blocks(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range list {
		got = append(got, fmt.Sprintf("%d %q %q", b.line, b.script(false), b.notRun))
	}
	want := []string{`9 "touch x\ntouch y\nffcv info x\n" ""`, `12 "\nls  # all\n" ""`, `23 "\nkubectl x\n" "a cluster"`, `27 "\nffcv info x\n" ""`}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, bad := range []string{"```sh\nls\n", "<!-- before: x\n", "<!-- not run: x -->\nText", "```\nffcv info x\n```\n"} {
		if list, err := blocks(bad); err == nil {
			t.Errorf("%q: %+v", bad, list)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks: what documents of this project link to in it is there, down to the
// heading.
func TestLinks(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "*/README.md", "*/*/README.md"} {
		list, err := filepath.Glob(filepath.Join(root(t), filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, list...)
	}
	anchors := map[string][]string{}
	count := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, ":") {
				continue // elsewhere
			}
			count++
			to := name
			if path != "" {
				to = filepath.Join(filepath.Dir(name), filepath.FromSlash(path))
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if anchor == "" || filepath.Ext(to) != ".md" {
				continue
			}
			if _, ok := anchors[to]; !ok {
				text, err := os.ReadFile(to)
				if err != nil {
					t.Fatal(err)
				}
				for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
					anchors[to] = append(anchors[to], anchorOf(h[1]))
				}
			}
			if !slices.Contains(anchors[to], anchor) {
				t.Errorf("%s links to %s, which has no such heading: there are %q", name, m[1], anchors[to])
			}
		}
	}
	if count < 100 {
		t.Errorf("%d links were found, too few", count)
	}
}

// anchorOf is what GitHub makes of a heading: small letters, digits, hyphens and
// underscores, with blanks as hyphens.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

package term_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/term"
)

func splitWords(text string) []string { return strings.Fields(text) }

type talker struct {
	term.Talk
	Pack struct {
		Dir    []string `arg:"" help:"Folders to pack: of any kind."`
		Output string   `short:"o" required:"" placeholder:"FILE" help:"What to write."`
		Mode   string   `enum:"jpg,raw" default:"jpg" placeholder:"jpg|raw" group:"Images" help:"How images are stored, in a help that is so long that it needs more than a line of eighty columns."`
		Level  int      `help:"A level."`
		JSON   bool     `name:"json" help:"Print JSON."`
		Region string   `group:"Object stores" placeholder:"NAME" help:"Where."`
		Secret bool     `hidden:"" help:"Not shown."`
	} `cmd:"" group:"Make" help:"Pack folders."`
	List struct{} `cmd:"" group:"Look" help:"List."`
	Old  struct{} `cmd:"" hidden:""`
}

var pages = &term.Pages{
	Overview: "prog does things.\n\nBegin:\n  prog pack a -o b\n",
	Manuals: map[string]term.Manual{
		"":     {Text: "One paragraph.\n\n  kept as it is"},
		"pack": {Text: "Reads folders.", Exit: map[int]string{1: "no room"}, Examples: []term.Example{{"prog pack a -o b", "the usual"}}},
	},
	Advise: func(args []string) string {
		if args[0] == "zip" {
			return "'prog pack' does that"
		}
		return ""
	},
}

const packHelp = `Usage: prog pack DIR… -o FILE [flags]

Pack folders.

Reads folders.

Arguments:
  DIR…  Folders to pack: of any kind.

Flags:
  -o, --output=FILE  What to write.
      --level=INT    A level.
      --json         Print JSON.

Images:
      --mode=jpg|raw  How images are stored, in a help that is so long that it
                      needs more than a line of eighty columns.

Object stores:
      --region=NAME  Where.

Common:
`

func TestHelp(t *testing.T) {
	for _, tt := range []struct {
		args      string
		code      int
		out, errs []string // in them
	}{
		{"pack --help", 0, []string{packHelp, "  -q, --quiet    Print results,", "\nExit codes:\n  0  done\n  1  no room\n  2  wrong usage", "\nExamples:\n  # the usual\n  prog pack a -o b\n"}, nil},
		{"help pack", 0, []string{packHelp}, nil},
		{"help", 0, []string{"Usage: prog COMMAND … [flags]\n", "\nOne paragraph.\n\n  kept as it is\n", "\nMake:\n  pack  Pack folders.\n\nLook:\n  list  List.\n"}, nil},
		{"", 2, nil, []string{"prog does things.\n\nBegin:\n  prog pack a -o b\n"}},
		{"zip a", 2, nil, []string{"hint: 'prog pack' does that\n"}},
		{"pack -o b", 2, nil, []string{"error: pack: missing DIR…: Folders to pack\n", "or begin with: prog pack a -o b\n"}},
		{"pack a -o b --mode rwa", 2, nil, []string{`error: --mode: "rwa"; expected one of jpg, raw; did you mean raw?`}},
		{"pack a -o b --level high", 2, nil, []string{`error: --level: "high"; expected a whole number`}},
		{"pak a", 2, nil, []string{`did you mean "pack"?`}},
	} {
		var out, errs bytes.Buffer
		k, code := term.Parse("prog", strings.Repeat("prog does ", 8)+"things.", new(talker), strings.Fields(tt.args), &out, &errs, pages)
		if k != nil || code != tt.code {
			t.Errorf("%q: code %d, want %d", tt.args, code, tt.code)
		}
		for i, list := range [][]string{tt.out, tt.errs} {
			got := []string{out.String(), errs.String()}[i]
			if len(list) == 0 && got != "" {
				t.Errorf("%q: printed where nothing is expected: %s", tt.args, got)
			}
			for _, want := range list {
				if !strings.Contains(got, want) {
					t.Errorf("%q: got\n%s\nwant in it\n%s", tt.args, got, want)
				}
			}
		}
		if strings.Contains(out.String(), "Not shown") || strings.Contains(out.String(), "  old") || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%q: what is hidden, or a colour, is printed:\n%s", tt.args, &out)
		}
	}
}

// TestTalk checks what the flags of all commands do to what is told.
func TestTalk(t *testing.T) {
	for _, tt := range []struct {
		args     string
		said     string // of a note and a warning
		progress bool
	}{
		{"pack a -o b", "prog: note: n\nprog: warning: w\n", false},
		{"pack a -o b --progress=plain", "prog: note: n\nprog: warning: w\n", true},
		{"pack a -o b --progress=plain --quiet", "prog: warning: w\n", false},
		{"pack a -o b --progress=plain --json", "prog: note: n\nprog: warning: w\n", false},
		{"-q pack a -o b", "prog: warning: w\n", false},
	} {
		var out, errs bytes.Buffer
		stderr := term.Safe(&errs)
		if k, _ := term.Parse("prog", "", new(talker), strings.Fields(tt.args), &out, stderr); k == nil {
			t.Fatalf("%q: %s", tt.args, &errs)
		}
		term.Say(stderr, "prog", "note", "n")
		term.Say(stderr, "prog", "warning", "w")
		if p := term.NewProgress(stderr, "prog", "things", 10); (p != nil) != tt.progress || errs.String() != tt.said {
			t.Errorf("%q: progress %v, said %q; want %v, %q", tt.args, p != nil, errs.String(), tt.progress, tt.said)
		}
	}
}

func TestAdvised(t *testing.T) {
	var out bytes.Buffer
	k, _ := term.Parse("prog", "", new(talker), []string{"pack", "a", "-o", "b"}, &out, &out, pages)
	if k == nil {
		t.Fatal(&out)
	}
	wrong := term.Usagef("--mode: with --level")
	if got, want := term.Hint(pages.Advised(k, fmt.Errorf("pack: %w", wrong))), "run 'prog pack --help' for what it takes, or begin with: prog pack a -o b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, err := range []error{nil, errors.New("x"), term.WithHint(wrong, "h")} {
		if got := pages.Advised(k, err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

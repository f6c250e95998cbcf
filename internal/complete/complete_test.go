package complete_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/internal/complete"
)

type grammar struct {
	Quiet bool `short:"q" help:"Print less."`
	Read  struct {
		File   string   `arg:"" complete:"beton"`
		Output string   `short:"o" aliases:"out" placeholder:"FILE" help:"What to write. More of it."`
		Fields []string `complete:"field" placeholder:"NAME,…"`
		Order  string   `enum:"up,down" default:"up"`
		Mode   string   `placeholder:"jpg|raw|SIZE"`
		Dir    string   `placeholder:"DIR"`
		Count  int      `placeholder:"N"`
		Tag    []string `sep:"none" help:"A tag; the flag repeats."`
		Secret bool     `hidden:""`
	} `cmd:"" help:"Read a file."`
	Many struct {
		Folder struct {
			Dirs []string `arg:"" complete:"dir"`
		} `cmd:""`
		File struct{} `cmd:""`
	} `cmd:"" help:"Read many."`
	Hidden struct{} `cmd:"" hidden:""`
}

func app(t *testing.T) *kong.Application {
	k, err := kong.New(new(grammar), kong.Name("prog"))
	if err != nil {
		t.Fatal(err)
	}
	return k.Model
}

var values = complete.Values{"field": func(l complete.Line) []complete.Candidate {
	if !slices.Equal(l.Args, []string{"a.beton"}) {
		return nil
	}
	return []complete.Candidate{{Value: "image"}, {Value: "label", Help: "int"}, {Value: "a b"}, {Value: "of: colon"}}
}}

func TestAt(t *testing.T) {
	for _, tt := range []struct {
		line  string // its words, the last is at the cursor
		want  string
		files complete.Files
	}{
		{"", "read many", complete.NoFiles},
		{"r", "read", complete.NoFiles},
		{"x", "", complete.NoFiles},
		{"-q r", "read", complete.NoFiles},
		{"many ", "folder file", complete.NoFiles},
		{"many fo", "folder", complete.NoFiles},
		{"many folder ", "", complete.Folders},
		{"many folder a b ", "", complete.Folders},
		{"read ", "", complete.Betons},
		{"read a.beton ", "", complete.NoFiles},
		{"read a.beton -", "--count --dir --fields --help --mode --order --output --quiet --tag", complete.NoFiles},
		{"read a.beton --o", "--order --output", complete.NoFiles},
		{"read --output x --order=up a.beton --o", "", complete.NoFiles},
		{"read --out x --o", "--order", complete.NoFiles},
		{"read --tag x --t", "--tag", complete.NoFiles},
		{"read -o ", "", complete.AnyFiles},
		{"read --out ", "", complete.AnyFiles},
		{"read --output=x", "", complete.AnyFiles},
		{"read --dir ", "", complete.Folders},
		{"read --order ", "up down", complete.NoFiles},
		{"read --order=d", "--order=down", complete.NoFiles},
		{"read --mode ", "jpg raw", complete.NoFiles},
		{"read --count ", "", complete.NoFiles},
		{"read --count=", "", complete.NoFiles},
		{"read --quiet=", "", complete.NoFiles},
		{"read --nope=", "", complete.NoFiles},
		{"read --nope ", "", complete.Betons},
		{"read --fields ", "", complete.NoFiles}, // of no file
		{"read a.beton --fields i", "image", complete.NoFiles},
		{"read a.beton --fields=image,l", "--fields=image,label", complete.NoFiles},
		{"read a.beton --fields image,i", "", complete.NoFiles},
		{"read -- -", "", complete.Betons},
		{"read - ", "", complete.NoFiles},
		{"nope ", "", complete.NoFiles},
	} {
		words := strings.Split(tt.line, " ")
		list, files := complete.At(app(t), values, words[:len(words)-1], words[len(words)-1])
		var got []string
		for _, c := range list {
			got = append(got, c.Value)
		}
		if strings.Join(got, " ") != tt.want || files != tt.files {
			t.Errorf("%q: got %q, files %v; want %q, %v", tt.line, got, files, tt.want, tt.files)
		}
	}
}

// TestAnswer checks what the shells are told.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"bash", "prog re"}, "-\tre\nread\tRead a file\n"},
		{[]string{"bash", "prog read --order=d"}, "-\td\ndown\t\n"},
		{[]string{"bash", "prog  'read' --order="}, "-\t\nup\t\ndown\t\n"},
		{[]string{"bash", `prog read a.beton --fields a`}, "-\ta\na\\ b\t\n"},
		{[]string{"bash", `prog read a.beton --fields "a`}, "-\ta\na b\t\n"},
		{[]string{"bash", `prog read a.beton --fields of:`}, "-\t\n\\ colon\t\n"},
		{[]string{"bash", `prog read my\ f`}, "*.beton *.json\tmy f\n"},
		{[]string{"bash", `prog read "a\"\x" -o '\x`}, "files\t\\x\n"},
		{[]string{"bash", "prog"}, "-\tprog\n"},
		{[]string{"bash", ""}, "-\t\nread\tRead a file\nmany\tRead many\n"},
		{[]string{"zsh", "read", "--order=d"}, "-\td\ndown\t\n"},
		{[]string{"zsh", "read", "a.beton", "--outp"}, "-\t--outp\n--output\tWhat to write\n"},
		{[]string{"zsh", "read", "--dir=x"}, "folders\tx\n"},
		{[]string{"fish", "read", "--order=d"}, "-\t--order=d\n--order=down\t\n"},
		{[]string{"fish"}, "-\t\nread\tRead a file\nmany\tRead many\n"},
	} {
		var b bytes.Buffer
		if err := complete.Answer(&b, app(t), values, tt.args); err != nil || b.String() != tt.want {
			t.Errorf("%q: got %q, %v; want %q", tt.args, b.String(), err, tt.want)
		}
	}
	if err := complete.Answer(&bytes.Buffer{}, app(t), nil, nil); err == nil {
		t.Error("no arguments: no error")
	}
}

func TestScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := complete.Script(shell, "prog")
		if err != nil || strings.Contains(text, "PROG") || strings.Contains(text, "ASK") || !strings.Contains(text, complete.Ask+" "+shell) {
			t.Errorf("%s: %v\n%s", shell, err, text)
		}
	}
	if text, err := complete.Script("tcsh", "prog"); err == nil || text != "" {
		t.Errorf("tcsh: %q, %v", text, err)
	}
}

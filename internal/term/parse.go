package term

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// Parse reads a command line into cli, a pointer to kong's grammar. Flags may
// stand before or after arguments. It returns kong's context, or nil and the
// exit code when the command is over: after --help and --version (printed on
// stdout), and after wrong usage (told on stderr). cli may hold a
// kong.VersionFlag, whose text is "prog " and Version, or Talk, which Parse has
// stderr obey if that is a Safe writer. Among the options may be a *Pages.
func Parse(prog, description string, cli any, args []string, stdout, stderr io.Writer, opts ...kong.Option) (*kong.Context, int) {
	over := false
	pages := pagesOf(opts)
	parser := grammar(prog, description, cli, append(opts, kong.Writers(stdout, stderr), kong.Exit(func(int) { over = true })))
	switch {
	case len(args) == 0 && pages.Overview != "":
		overview(stderr, pages.Overview)
		return nil, ExitUsage
	case len(args) > 0 && args[0] == "help" && len(parser.Model.Children) > 0:
		args = append(append([]string{}, args[1:]...), "--help")
	}
	k, err := parser.Parse(args)
	if over {
		return nil, ExitDone
	}
	if err != nil {
		return nil, Fail(stderr, prog, Usage(WithHint(plainer(err), pages.hint(prog, args, err))))
	}
	talk(stderr, k)
	talk(stdout, k)
	return k, ExitDone
}

// Model is the grammar that cli, a pointer, has.
func Model(prog, description string, cli any, opts ...kong.Option) *kong.Application {
	return grammar(prog, description, cli, opts).Model
}

func grammar(prog, description string, cli any, opts []kong.Option) *kong.Kong {
	pages := pagesOf(opts)
	all := append([]kong.Option{
		kong.Name(prog),
		kong.Description(description),
		kong.Vars{"version": prog + " " + Version()},
		kong.Help(pages.print),
	}, opts...)
	parser, err := kong.New(cli, all...)
	if err != nil {
		panic(prog + ": command-line grammar: " + err.Error())
	}
	if f := parser.Model.HelpFlag; f != nil {
		f.Help, f.OrigHelp, f.Group = "Print this and exit.", "Print this and exit.", &kong.Group{Key: common, Title: common}
	}
	return parser
}

// Pages are what a program says of itself: a kong.Option for Parse.
type Pages struct {
	Overview string            // printed where there are no arguments: a screen of what one can do
	Manuals  map[string]Manual // of commands by their path, such as "plan folder"; "" is the program
	// Advise returns advice for a command line that is wrong, or "". It is asked
	// before the grammar's own.
	Advise func(args []string) string
}

// Apply is part of kong.Option.
func (*Pages) Apply(*kong.Kong) error { return nil }

func pagesOf(opts []kong.Option) *Pages {
	for _, o := range opts {
		if p, ok := o.(*Pages); ok {
			return p
		}
	}
	return &Pages{}
}

// hint is what helps with a command line that is wrong: the help of the command
// that it names, and how that is typed.
func (p *Pages) hint(prog string, args []string, err error) string {
	if p.Advise != nil {
		if hint := p.Advise(args); hint != "" {
			return hint
		}
	}
	name := ""
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		name = parse.Context.Selected().Path()
	}
	return p.commandHint(prog, name)
}

// Advised adds to an error of wrong usage that has no hint the one that Parse
// would give for the command of k.
func (p *Pages) Advised(k *kong.Context, err error) error {
	var u *usageError
	if !errors.As(err, &u) || Hint(err) != "" {
		return err
	}
	path := ""
	if s := k.Selected(); s != nil {
		path = s.Path()
	}
	return WithHint(err, p.commandHint(k.Model.Name, path))
}

func (p *Pages) commandHint(prog, name string) string {
	hint := "run '" + strings.TrimSpace(prog+" "+name) + " --help' for what it takes"
	if m := p.Manuals[name]; name != "" && len(m.Examples) > 0 {
		hint += ", or begin with: " + m.Examples[0].Command
	}
	return hint
}

// What the parser says of a value.
var (
	ofEnum   = regexp.MustCompile(`^(--[^ ]+|<[^ ]+>) must be one of (.*) but got "(.*)"$`)
	ofNumber = regexp.MustCompile(`^(--[^ ]+|<[^ ]+>): expected a valid \d+ bit (int|uint|float) but got (.*)$`)
)

// plainer is an error of the parser in the words of the help, where a file is
// FILE.
func plainer(err error) error {
	if m := ofEnum.FindStringSubmatch(err.Error()); m != nil {
		names := strings.Split(strings.ReplaceAll(m[2], `"`, ""), ",")
		text := fmt.Sprintf("%s: %q; expected one of %s", m[1], m[3], strings.Join(names, ", "))
		if near := Near(m[3], names); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		return replaced{err, text}
	}
	if m := ofNumber.FindStringSubmatch(err.Error()); m != nil {
		what := map[string]string{"int": "a whole number", "uint": "a whole number, 0 or more", "float": "a number"}[m[2]]
		return replaced{err, fmt.Sprintf("%s: %s; expected %s", m[1], m[3], what)}
	}
	name, ok := strings.CutPrefix(err.Error(), `expected "<`)
	var parse *kong.ParseError
	if !ok || !errors.As(err, &parse) || parse.Context == nil || parse.Context.Selected() == nil {
		return err
	}
	name, _, _ = strings.Cut(name, ">")
	node := parse.Context.Selected()
	for _, arg := range node.Positional {
		if arg.Name == name {
			what, _, _ := strings.Cut(strings.TrimSuffix(FirstSentence(arg.Help), "."), ":")
			return fmt.Errorf("%s: missing %s: %s", node.Path(), argument(arg), what)
		}
	}
	return err
}

// replaced is an error with another text.
type replaced struct {
	error
	text string
}

func (r replaced) Error() string { return r.text }
func (r replaced) Unwrap() error { return r.error }

// FirstSentence is a text up to the first full stop with a space behind it.
func FirstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

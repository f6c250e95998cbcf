package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/advice"
	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

const prog = "ffcv"

const description = "Look into .beton files, the datasets of FFCV; check them, mend them, make files out of them, and measure how fast they load."

// grammar is the command line.
type grammar struct {
	term.Talk
	Info   infoCommand   `cmd:"" group:"Look" help:"Print the header, the fields and the sections of a file, or of several."`
	Dump   dumpCommand   `cmd:"" group:"Look" help:"Print the samples of a file."`
	Stats  statsCommand  `cmd:"" group:"Look" help:"Tell what a file holds: pixels' mean and deviation, classes, sizes, what comes twice, what is broken."`
	Sample sampleCommand `cmd:"" group:"Look" help:"Write the values of a sample as files that a person can open."`
	View   viewCommand   `cmd:"" group:"Look" help:"Show a file, or several as one, in a browser: a gallery with search, samples, charts, the map of its pages, what augmentation does."`
	Diff   diffCommand   `cmd:"" group:"Look" help:"Compare what two files hold."`

	Verify verifyCommand `cmd:"" group:"Check and mend" help:"Read all of a file, or of several, and print every flaw."`
	Seal   sealCommand   `cmd:"" group:"Check and mend" help:"Add checksums of all samples to a file, and checkpoints of JPEGs."`
	Marks  marksCommand  `cmd:"" group:"Check and mend" help:"Make checkpoints of a file's JPEGs and put them beside it."`
	Repair repairCommand `cmd:"" group:"Check and mend" help:"Finish or take back a sealing that was stopped; list the damaged samples of a file, or write the others into a new one."`

	Merge  mergeCommand  `cmd:"" group:"Make files out of files" help:"Write the samples of several files into one; pages are copied as they are."`
	Subset subsetCommand `cmd:"" group:"Make files out of files" help:"Write some samples of a file into a new one."`
	Split  splitCommand  `cmd:"" group:"Make files out of files" help:"Divide the samples of a file among new ones."`
	Remap  remapCommand  `cmd:"" group:"Make files out of files" help:"Write a file with labels and classes renamed; its pages are copied as they are."`
	Add    addCommand    `cmd:"" group:"Make files out of files" help:"Write a file with a field more."`
	Append appendCommand `cmd:"" group:"Make files out of files" help:"Write a file with more samples; its pages are copied as they are."`
	Export exportCommand `cmd:"" group:"Make files out of files" help:"Write the samples of a file as another system's dataset: class folders, tar shards, Parquet, MDS."`

	Bench  benchCommand  `cmd:"" group:"Load and measure" help:"Load the batches of a file, or of several as one, and print how fast it went."`
	Epoch  epochCommand  `cmd:"" group:"Load and measure" help:"Load an epoch, or go on with one, and print what each batch holds."`
	Replay replayCommand `cmd:"" group:"Load and measure" help:"Load one sample as it is in an epoch and print what was drawn for it."`
	Demo   demoCommand   `cmd:"" group:"Load and measure" help:"Pack photographs, load augmented batches from them and show some."`

	Completion completionCommand `cmd:"" group:"Shell" help:"Print a script that has the shell complete command lines."`
}

// env is what a verb runs in.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
	raw            io.Writer      // standard output as it is, for bytes that are no text
	after          []func() error // run when the verb has ended, the last one first
}

// later has a function run when the verb has ended.
func (e *env) later(do func() error) { e.after = append(e.after, do) }

// end runs what was put off.
func (e *env) end() error {
	var errs []error
	for _, do := range slices.Backward(e.after) {
		errs = append(errs, do())
	}
	return errors.Join(errs...)
}

// run is the program: it returns the exit code. When ctx is done the verbs
// stop early, with an error.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	raw := stdout
	stdout, stderr = term.Safe(stdout), term.Safe(stderr)
	if len(args) > 0 && args[0] == complete.Ask {
		return term.Fail(stderr, prog, answer(stdout, args[1:]))
	}
	var g grammar
	pages := manual()
	k, code := term.Parse(prog, description, &g, args, stdout, stderr, pages)
	if k == nil {
		return code
	}
	e := &env{ctx: ctx, stdout: stdout, stderr: stderr, raw: raw}
	err := mmap.Guard(func() error { return k.Run(e) })
	if after := e.end(); err == nil {
		err = after
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return term.Fail(stderr, prog, pages.Advised(k, advice.Of(err)))
}

// fileFlags name the file that a verb reads.
type fileFlags struct {
	File string `arg:"" complete:"beton" help:"The .beton file, or its URL."`
	customFlags
}

// customFlags describe custom fields.
type customFlags struct {
	storeflag.Flags
	Custom []string `sep:"none" placeholder:"NAME=DTYPE" help:"The NumPy dtype of a custom field's metadata, such as flag=|u1 or 'box=(4,)<f4' or 'a=<u4,|u1' (packed); the flag repeats."`

	custom map[string]fields.Field
	memory int64 // of the cache, for files that are not to be mapped
	direct bool  // past the system's cache

	opts  *store.Options // made by store
	meter store.Meter    // of what they open
}

// Validate is kong's hook.
func (f *customFlags) Validate() error {
	f.custom = make(map[string]fields.Field)
	for _, text := range f.Custom {
		name, dtype, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--custom: %q; expected NAME=DTYPE", text)
		}
		field := fields.Opaque{DType: dtype}
		if _, err := field.Args(); err != nil {
			return fmt.Errorf("--custom %s: %w", name, err)
		}
		if _, twice := f.custom[name]; twice {
			return fmt.Errorf("--custom %s: given twice", name)
		}
		f.custom[name] = field
	}
	return nil
}

// openWhole opens the file if all of its fields can be read.
func (f *fileFlags) openWhole(e *env) (*ffcv.File, error) { return f.customFlags.openWhole(e, f.File) }

// store returns how files are reached, wherever they are.
func (f *customFlags) store(e *env) (*store.Options, error) {
	if f.opts != nil {
		return f.opts, nil
	}
	opts, done, err := f.Flags.Options(&ffcv.OpenOptions{Custom: f.custom, Memory: f.memory, Direct: f.direct})
	if err != nil {
		return nil, err
	}
	e.later(done)
	opts.Meter = &f.meter
	f.opts = opts
	return opts, nil
}

// open opens a file. Its custom fields may be of unknown layout.
func (f *customFlags) open(e *env, path string) (*ffcv.File, error) {
	opts, err := f.store(e)
	if err != nil {
		return nil, err
	}
	file, err := store.OpenFile(e.ctx, path, opts)
	return file, err
}

func (f *customFlags) openWhole(e *env, path string) (*ffcv.File, error) {
	file, err := f.open(e, path)
	if err != nil {
		return nil, err
	}
	for _, d := range file.Fields() {
		if d.Field == nil {
			file.Close()
			return nil, term.WithHint(
				fmt.Errorf("%s: field %q is a custom one that no registered type describes", store.Name(path), d.Name),
				fmt.Sprintf("say what its metadata is with --custom '%s=DTYPE', DTYPE a NumPy dtype such as |u1 or <i8", d.Name))
		}
	}
	return file, nil
}

// suggestVerify points from one flaw to the command that finds them all.
func suggestVerify(err error, path string) error {
	var flaw *ffcv.FormatError
	if err == nil || term.Hint(err) != "" || !errors.As(err, &flaw) {
		return err
	}
	return term.WithHint(err, fmt.Sprintf("'ffcv verify %s' lists every flaw", store.Name(path)))
}

// onlyLocal refuses a URL where only a file of the system's will do.
func onlyLocal(flag, path, instead string) error {
	if !store.IsURL(path) {
		return nil
	}
	return term.WithHint(term.Usagef("%s: %s is an object, which can't be changed in its place", flag, store.Name(path)), instead)
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
)

type epochCommand struct {
	filesFlags
	memoryFlags
	orderFlags  `group:"Order"`
	policyFlags `group:"Samples that are no good"`
	loadFlags
	Epoch       *int   `placeholder:"N" help:"The epoch, from 0. Without it the one of --state, else 0."`
	Rank        int    `default:"0" placeholder:"R" help:"Which of --world ranks this is, from 0."`
	World       int    `default:"1" placeholder:"W" help:"How many ranks share the epoch (default 1)."`
	ExactlyOnce bool   `help:"No sample comes twice where ranks don't divide the epoch: last batches are shorter instead."`
	StopAfter   int    `default:"0" placeholder:"K" help:"Stop after so many batches."`
	State       string `complete:"file" placeholder:"FILE" help:"Go on from the state in this file, if there is one, and write it there when this stops, however it does."`
	SaveEvery   int    `default:"0" placeholder:"K" help:"Write --state after every K batches as well."`
	JSON        bool   `name:"json" help:"Print JSON on standard output. It is an object a line for each batch: its samples, and the SHA-256 of each field's bytes."`
}

// Validate is kong's hook.
func (c *epochCommand) Validate() error {
	for _, v := range []struct {
		name         string
		value, least int
	}{
		{"world", c.World, 1}, {"stop-after", c.StopAfter, 0},
		{"save-every", c.SaveEvery, 0},
	} {
		if v.value < v.least {
			return fmt.Errorf("--%s: %d; expected %d or more", v.name, v.value, v.least)
		}
	}
	if c.Rank < 0 || c.Rank >= c.World {
		return fmt.Errorf("--rank: %d; expected 0 to %d", c.Rank, c.World-1)
	}
	if c.Epoch != nil && *c.Epoch < 0 {
		return fmt.Errorf("--epoch: %d; epochs count from 0", *c.Epoch)
	}
	if store.IsURL(c.State) {
		return fmt.Errorf("--state: %s: expected a file of the local disk", store.Name(c.State))
	}
	if c.State != "" {
		if info, err := os.Stat(filepath.Dir(c.State)); err != nil || !info.IsDir() {
			return fmt.Errorf("--state: %s: there is no folder %s to write it in", c.State, filepath.Dir(c.State))
		}
	}
	if c.SaveEvery > 0 && c.State == "" {
		return errors.New("--save-every: only with --state")
	}
	if err := errors.Join(c.loadFlags.check(), c.memoryFlags.set(&c.customFlags), c.orderFlags.check(), c.policyFlags.check()); err != nil {
		return err
	}
	return c.filesFlags.Validate()
}

// epochBatch is a line of the verb; it is a contract with other programs.
type epochBatch struct {
	Epoch  int               `json:"epoch"`
	Batch  int               `json:"batch"`
	IDs    []int             `json:"ids"`
	SHA256 map[string]string `json:"sha256"`
}

// Run is kong's hook.
func (c *epochCommand) Run(e *env) error {
	ds, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer ds.Close()
	l, epoch, err := c.loader(ds, e.stderr)
	if err != nil {
		return suggestVerifyIts(err)
	}
	defer l.Close()
	begun, err := c.run(e.ctx, l, epoch, e.stdout)
	if s := skipped(l, epoch); s != nil {
		term.Say(e.stderr, prog, "warning", strings.Join(append([]string{"skipped " + s.String()}, s.errors()...), "\n"))
	}
	if c.State != "" && begun {
		if saved := saveState(l, c.State); err == nil {
			err = saved
		} else if saved != nil {
			term.Say(e.stderr, prog, "warning", saved.Error())
		}
	}
	return c.suggest(err)
}

// loader makes the loader, from the state if there is one, and says which epoch
// it is to load. What else there is to say goes to notes.
func (c *epochCommand) loader(ds loader.Dataset, notes io.Writer) (*loader.Loader, int, error) {
	warn := func(msg string) { term.Say(notes, prog, "warning", msg) }
	outputs, err := pipeline(ds, c.Pipeline, c.shape())
	if err != nil {
		return nil, 0, err
	}
	order, err := c.order(ds)
	if err != nil {
		return nil, 0, err
	}
	opts := &loader.Options{
		BatchSize: c.Batch, Workers: c.Workers, Order: order, Seed: c.Seed, DropLast: c.DropLast,
		Rank: c.Rank, WorldSize: c.World, ExactlyOnce: c.ExactlyOnce, Outputs: outputs, Warn: warn,
	}
	if err := c.policyFlags.set(opts); err != nil {
		return nil, 0, err
	}
	epoch := 0
	if c.Epoch != nil {
		epoch = *c.Epoch
	}
	if c.State == "" {
		l, err := loader.New(ds, opts)
		return l, epoch, err
	}
	state, err := loader.ReadState(c.State)
	if errors.Is(err, fs.ErrNotExist) {
		l, err := loader.New(ds, opts)
		return l, epoch, err
	}
	if err != nil {
		return nil, 0, err
	}
	if c.Epoch == nil {
		epoch = state.Epoch
	}
	if epoch != state.Epoch && state.Consumed < state.Length {
		return nil, 0, term.WithHint(
			fmt.Errorf("%s is of epoch %d, of which %d of %d samples are done; --epoch is %d", c.State, state.Epoch, state.Consumed, state.Length, epoch),
			"finish that epoch first, or remove the file")
	}
	if epoch == state.Epoch && state.Consumed == state.Length {
		term.Say(notes, prog, "note", fmt.Sprintf("%s: epoch %d is done, --epoch %d begins the next", c.State, epoch, epoch+1))
	}
	l, err := loader.Resume(ds, opts, state)
	return l, epoch, err
}

// run loads the epoch and prints its batches. Where it fails before the first
// it has not begun, and there is no state to keep.
func (c *epochCommand) run(ctx context.Context, l *loader.Loader, epoch int, w io.Writer) (begun bool, err error) {
	n := 0
	for b, err := range l.Epoch(ctx, epoch) {
		if err != nil {
			return n > 0, err
		}
		err = c.print(w, epoch, b)
		b.Release()
		if err != nil {
			return true, err
		}
		if n++; n == c.StopAfter {
			break
		}
		if c.SaveEvery > 0 && n%c.SaveEvery == 0 {
			if err := saveState(l, c.State); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

func saveState(l *loader.Loader, path string) error {
	s, err := l.State()
	if err != nil {
		return err
	}
	return s.Save(path)
}

// print writes a batch's line at once, so that it is whole when the program is
// killed.
func (c *epochCommand) print(w io.Writer, epoch int, b *loader.Batch) error {
	if !c.JSON {
		_, err := fmt.Fprintf(w, "epoch %d, batch %d: %d samples\n", epoch, b.Index(), b.Len())
		return err
	}
	line := epochBatch{Epoch: epoch, Batch: b.Index(), IDs: b.Samples(), SHA256: make(map[string]string)}
	for _, o := range b.Outputs() {
		sum := sha256.Sum256(o.Data)
		line.SHA256[o.Name] = hex.EncodeToString(sum[:])
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// PlanVersion is the version of the plans that this package writes, and the one
// that it reads: a worker that does not know all of a plan would build another
// file.
const PlanVersion = 1

const (
	// maxShards bounds how many shards a plan has.
	maxShards = 1 << 20
	// maxPlan is how many bytes a plan may have, which is what store.ReadFile reads.
	maxPlan = 64 << 20
)

// Plan says how one dataset is built in parts that know nothing of each other,
// its shards: from what and how (Recipe), and which samples are in which. It is
// written once, and never changes. It is safe for concurrent use.
type Plan struct {
	Recipe  Recipe
	Program string // version of this module that made the plan, "" unknown
	Samples int    // of the source; those that fail and are skipped are among them
	Classes []string
	Traits  []source.Trait // by which the source is known again, wherever it lies
	Folder  string         // of the shards: relative to the plan's, or whole, or a URL
	Shards  []Shard

	place string // where it was read from or written to, "" nowhere
	raw   []byte // the JSON
	hash  string // of raw
}

// Shard is a run of the samples in the order in which the recipe writes them.
type Shard struct {
	Lo, Hi int // without Hi
	// Files is a sum over the names and sizes of the files that the samples are
	// made from, with their number and bytes; "" where there are none.
	Files string
}

// PlanOptions are the choices of NewPlan. Nil and the zero value of every member
// are the defaults.
type PlanOptions struct {
	// Folder is where the shards shall lie: a path, or the URL of a prefix. "" is
	// a folder beside the plan, of its name with .shards behind it.
	Folder string

	// Open says how the source is reached.
	Open OpenOptions
}

// planJSON is a plan as it is written.
type planJSON struct {
	Version int         `json:"betongo_plan"`
	Program string      `json:"program,omitempty"`
	Recipe  Recipe      `json:"recipe"`
	Samples int         `json:"samples"`
	Classes []string    `json:"classes,omitempty"`
	Traits  []traitJSON `json:"source"`
	Folder  string      `json:"folder"`
	Shards  []shardJSON `json:"shards"`
}

type traitJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type shardJSON struct {
	Lo    int    `json:"lo"`
	Hi    int    `json:"hi"`
	Files string `json:"files,omitempty"`
}

// NewPlan opens the source of a recipe, looks at every file of it, and divides its
// samples, in the order in which the recipe writes them, into shards of equal
// size but for one. There may be more shards than samples. Relative paths of the
// recipe are relative to the process's folder.
func NewPlan(ctx context.Context, r Recipe, shards int, opts *PlanOptions) (*Plan, error) {
	if opts == nil {
		opts = &PlanOptions{}
	}
	if shards < 1 || shards > maxShards {
		return nil, optionError("shards", "%d; expected 1 to %d", shards, maxShards)
	}
	src, err := r.Open(ctx, &opts.Open)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	p := &Plan{Recipe: r, Program: version(), Samples: src.Len(), Classes: src.Classes, Folder: opts.Folder, Shards: make([]Shard, shards)}
	p.Recipe, _ = r.fix(src.Classes) // labels are fixed from now on
	if p.Traits, err = src.Traits(ctx); err != nil {
		return nil, err
	}
	order := p.order()
	for i := range p.Shards {
		s := &p.Shards[i]
		s.Lo, s.Hi = share(p.Samples, i, shards), share(p.Samples, i+1, shards)
		if s.Files, err = src.files(ctx, order, s.Lo, s.Hi); err != nil {
			return nil, err
		}
	}
	return p, p.seal()
}

// share is n*i/of, which is at most n.
func share(n, i, of int) int {
	hi, lo := bits.Mul64(uint64(n), uint64(i))
	q, _ := bits.Div64(hi, lo, uint64(of))
	return int(q)
}

// Len returns the number of shards.
func (p *Plan) Len() int { return len(p.Shards) }

// Place returns where the plan was read from or written to, "" for nowhere.
func (p *Plan) Place() string { return p.place }

// Hash returns the SHA-256 of the plan as it is written, by which receipts name it.
func (p *Plan) Hash() string { return p.hash }

// Marshal returns the plan as it is written, and as ParsePlan reads it. The bytes
// are the plan's own.
func (p *Plan) Marshal() []byte { return p.raw }

// seal makes the JSON, and its hash.
func (p *Plan) seal() error {
	j := planJSON{Version: PlanVersion, Program: p.Program, Recipe: p.Recipe, Samples: p.Samples, Folder: p.Folder, Classes: p.Classes}
	if _, ok := p.Recipe.fixed(); ok {
		j.Classes = nil // they are in the recipe
	}
	for _, t := range p.Traits {
		j.Traits = append(j.Traits, traitJSON(t))
	}
	for _, s := range p.Shards {
		j.Shards = append(j.Shards, shardJSON(s))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(j)
	p.set(b.Bytes())
	return err
}

func (p *Plan) set(raw []byte) {
	sum := sha256.Sum256(raw)
	p.raw, p.hash = raw, hex.EncodeToString(sum[:])
}

// Write writes the plan to a path or URL, where it lies from now on: relative
// paths in it become relative to that place, so that a plan may be moved together
// with its source. Where something is already the error is fs.ErrExist, unless
// overwrite is set.
func (p *Plan) Write(ctx context.Context, path string, overwrite bool, st *store.Options) error {
	if p.place != "" {
		return fmt.Errorf("plan %s: it lies at %s already", store.Name(path), store.Name(p.place))
	}
	dir := store.Dir(path)
	q := *p
	var err error
	if q.Recipe, err = p.Recipe.at(func(name string) (string, error) { return rebase(dir, name) }); err != nil {
		return err
	}
	if q.Folder == "" {
		q.Folder = strings.TrimSuffix(store.Base(path), ".json") + ".shards"
	} else if q.Folder, err = rebase(dir, q.Folder); err != nil {
		return err
	}
	if err := q.seal(); err != nil {
		return err
	}
	if n := len(q.raw); n > maxPlan {
		return fmt.Errorf("plan %s: %d bytes for %d shards; a plan may have %d: fewer shards make it smaller", store.Name(path), n, len(q.Shards), maxPlan)
	}
	if err := store.WriteFile(ctx, path, q.raw, overwrite, st); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	q.place = path
	*p = q
	return nil
}

// ReadPlan reads a plan from a path or URL, and checks all of it.
func ReadPlan(ctx context.Context, path string, st *store.Options) (*Plan, error) {
	b, err := store.ReadFile(ctx, path, st)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	p, err := ParsePlan(b, path)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", store.Name(path), err)
	}
	return p, nil
}

// ParsePlan reads a plan that lies, or is to be taken as lying, at place.
func ParsePlan(b []byte, place string) (*Plan, error) {
	var head struct {
		Version *int `json:"betongo_plan"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	switch {
	case head.Version == nil:
		return nil, errors.New(`no "betongo_plan" in it; expected what 'ffcvwrite plan' wrote`)
	case *head.Version != PlanVersion:
		return nil, fmt.Errorf("version %d; this program reads version %d", *head.Version, PlanVersion)
	}
	var j planJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows at byte %d", dec.InputOffset())
	}
	p := &Plan{Recipe: j.Recipe, Program: j.Program, Samples: j.Samples, Classes: j.Classes, Folder: j.Folder, place: place}
	if classes, ok := p.Recipe.fixed(); ok {
		p.Classes = classes
	}
	for _, t := range j.Traits {
		p.Traits = append(p.Traits, source.Trait(t))
	}
	for _, s := range j.Shards {
		p.Shards = append(p.Shards, Shard(s))
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.set(bytes.Clone(b))
	return p, nil
}

// check checks a plan that was read.
func (p *Plan) check() error {
	if err := p.Recipe.Check(); err != nil {
		return err
	}
	if n := len(p.Shards); n < 1 || n > maxShards {
		return fmt.Errorf("%d shards; expected 1 to %d", n, maxShards)
	}
	at := 0
	for i, s := range p.Shards {
		if s.Lo != at || s.Hi < s.Lo {
			return fmt.Errorf("shard %d has samples %d to %d; expected them to begin with sample %d", i, s.Lo, s.Hi, at)
		}
		at = s.Hi
	}
	if at != p.Samples {
		return fmt.Errorf("shards of %d samples; the source has %d", at, p.Samples)
	}
	if p.Folder == "" {
		return errors.New("no folder of the shards")
	}
	return nil
}

// shardsDir is where the shards lie.
func (p *Plan) shardsDir() (string, error) {
	if p.place == "" && !store.IsURL(p.Folder) && !filepath.IsAbs(p.Folder) {
		return "", errors.New("plan: it was not written yet, so its shards have no place")
	}
	return store.Join(store.Dir(p.place), p.Folder), nil
}

// shardName is the name of a shard in their folder, without its extension.
func (p *Plan) shardName(i int) string {
	return fmt.Sprintf("%05d-of-%05d", i, len(p.Shards))
}

// recipe returns the recipe with the paths as the process needs them.
func (p *Plan) recipe() (Recipe, error) {
	if p.place == "" {
		return p.Recipe, nil
	}
	dir := store.Dir(p.place)
	return p.Recipe.at(func(name string) (string, error) { return store.Join(dir, name), nil })
}

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/source"
)

// EstimateOptions are the choices of Estimate. Nil and the zero value of every
// member are the defaults.
type EstimateOptions struct {
	// Samples is how many samples are looked at; 0 is 200. More make it more exact,
	// and take longer.
	Samples int

	// Seed is where the choice of samples comes from.
	Seed uint64

	// Workers is how many samples the build will encode at the same time; 0 is one a
	// processor.
	Workers int

	// Cores is how many processors load the dataset in training; 0 is those of this
	// machine. They are taken to be as fast as this machine's.
	Cores int

	// Disk is how many bytes there is room for; 0 is any number.
	Disk int64

	// PerSecond is how many images a second the training takes; 0: as many as can be
	// had.
	PerSecond float64

	// Temp is the folder in which the samples are written, and removed again; "" is
	// os.TempDir. It takes some hundred megabytes of large photographs.
	Temp string

	// Open says how the source is reached, as for Recipe.Open.
	Open OpenOptions

	// Progress is told before each way to store images is tried.
	Progress func(done, all int, what string)
}

// Estimate is what building and loading a dataset will take, for several ways to
// store its images.
type Estimate struct {
	Samples int           `json:"samples"` // of the source
	Sampled int           `json:"sampled"` // that were looked at
	Failed  []source.Skip `json:"failed"`  // of them, those that cannot be packed
	Workers int           `json:"workers"`
	Cores   int           `json:"cores"`
	Disk    int64         `json:"disk_bytes"`        // 0 any number
	Demand  float64       `json:"images_per_second"` // 0 any number
	Choices []Choice      `json:"choices"`           // what the recipe asks for first
	Suits   int           `json:"suits"`             // the number of the choice that suits best, -1 none
	Why     string        `json:"why"`
}

// Choice is one way to store images.
type Choice struct {
	Name  string `json:"name"`
	Image Image  `json:"image"`
	Asked bool   `json:"asked"` // it is the recipe's own

	Bytes        int64   `json:"bytes"`         // of the file
	BuildCPU     float64 `json:"build_cpu_s"`   // processor time of the build, seconds
	BuildSeconds float64 `json:"build_seconds"` // with Workers, on this machine
	LoadCPU      float64 `json:"load_cpu_ms"`   // processor time a sample for a random resized crop of 224x224, milliseconds
	EpochCPU     float64 `json:"epoch_cpu_s"`   // the same of all samples, seconds
	PerSecond    float64 `json:"per_second"`    // samples that Cores load in a second

	Fits bool `json:"fits"` // on the disk
	Fast bool `json:"fast"` // enough for the demand

	// Problem says why samples cannot be stored so, "" where they can; there are no
	// numbers then.
	Problem string `json:"problem,omitempty"`
}

// choices returns the ways that are compared: the recipe's own first, then five of
// which one is often right, without that one. A dataset without images has one.
func (r *Recipe) choices(images bool) []Choice {
	asked := Choice{Name: "as asked", Image: r.Image, Asked: true}
	if !images {
		return []Choice{asked}
	}
	m := r.stored()
	asked.Name += ": " + m.text()
	base := m
	base.Reencode, base.SmartThreshold, base.Quality, base.CompressProbability = "", 0, 0, 0
	list := []Choice{asked}
	for _, c := range []struct {
		mode string
		most int
	}{{"jpg", 0}, {"jpg", 500}, {"proportion", 500}, {"jpg", 256}, {"raw", 256}} {
		other := base
		other.Mode, other.MaxResolution = c.mode, c.most
		if other != m.plain() {
			list = append(list, Choice{Name: other.text(), Image: other})
		}
	}
	return list
}

// plain returns the same with zeros for what is the default.
func (m Image) plain() Image {
	if m.Quality == 90 {
		m.Quality = 0
	}
	if m.Reencode == "auto" {
		m.Reencode = ""
	}
	if m.Mode != "proportion" || m.CompressProbability == 0.5 {
		m.CompressProbability = 0
	}
	return m
}

// text describes how images are stored, in a few words.
func (m Image) text() string {
	mode := m.Mode
	switch {
	case mode == "" && !m.asked():
		return "as it is stored"
	case mode == "":
		mode = "jpg or raw as each is"
	}
	if mode == "proportion" {
		p := m.CompressProbability
		if p == 0 {
			p = 0.5
		}
		mode = fmt.Sprintf("%g jpg, the rest raw", p)
	}
	quality := m.Quality
	if quality == 0 {
		quality = 90
	}
	switch {
	case m.MaxResolution > 0:
		mode += fmt.Sprintf(", at most %d pixels", m.MaxResolution)
	case mode == "jpg" && m.Reencode != "always":
		return mode + ", JPEGs as they are"
	}
	if m.Mode != "raw" {
		mode += fmt.Sprintf(", quality %d", quality)
	}
	return mode
}

// way is how a share of the samples is stored.
type way struct {
	image Image
	share float64
}

// ways returns those of a choice: of proportion both, since the dice of a few
// samples would say little of all.
func (c *Choice) ways() []way {
	if c.Image.Mode != "proportion" {
		return []way{{c.Image, 1}}
	}
	p := c.Image.CompressProbability
	if p == 0 {
		p = 0.5
	}
	jpg, raw := c.Image, c.Image
	jpg.Mode, raw.Mode = "jpg", "raw"
	return []way{{jpg, p}, {raw, 1 - p}}
}

// Estimate looks at some samples of the recipe's source, spread over all of it: it
// packs them in each of the ways into a file for the while, and loads that. What it
// tells of time is processor time of this machine as it is now.
func (r *Recipe) Estimate(ctx context.Context, opts *EstimateOptions) (e *Estimate, err error) {
	o := EstimateOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Samples <= 0 {
		o.Samples = 200
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Cores <= 0 {
		o.Cores = runtime.NumCPU()
	}
	err = mmap.Guard(func() error {
		e, err = r.estimate(ctx, &o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (r *Recipe) estimate(ctx context.Context, o *EstimateOptions) (*Estimate, error) {
	s, err := r.Open(ctx, &o.Open)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.Len() == 0 {
		return nil, errors.New("estimate: no samples")
	}
	dir, err := os.MkdirTemp(o.Temp, "betongo-estimate-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pop, err := s.population(ctx, o.Samples, o.Seed)
	if err != nil {
		return nil, err
	}
	e := &Estimate{Samples: s.Len(), Sampled: len(pop.chosen), Failed: []source.Skip{}, Workers: o.Workers, Cores: o.Cores, Disk: o.Disk, Demand: o.PerSecond}
	e.Choices = r.choices(s.hasImages())
	t := &trial{recipe: r, source: s, pop: pop, opts: o, dir: dir, done: map[Image]*outcome{}}
	for i := range e.Choices {
		if o.Progress != nil {
			o.Progress(i, len(e.Choices), e.Choices[i].Name)
		}
		if err := t.choice(ctx, &e.Choices[i]); err != nil {
			return nil, err
		}
	}
	e.Failed = append(e.Failed, t.failed...)
	e.decide()
	return e, nil
}

// hasImages says whether there is a field of photographs.
func (s *Source) hasImages() bool {
	for _, f := range s.Fields {
		if photographs(f.Field) {
			return true
		}
	}
	return false
}

// photographs says whether a field stores photographs.
func photographs(f fields.Field) bool { return f.TypeID() == fields.TypeRGBImage }

// decide finds the choice that suits best.
func (e *Estimate) decide() {
	e.Suits = -1
	for i := range e.Choices {
		c := &e.Choices[i]
		c.Fits = c.Problem == "" && (e.Disk <= 0 || c.Bytes <= e.Disk)
		c.Fast = e.Demand <= 0 || c.PerSecond >= e.Demand
	}
	better := func(i, j int) bool { // whether choice i is better than j, of those that fit
		if j < 0 {
			return true
		}
		a, b := &e.Choices[i], &e.Choices[j]
		if e.Demand > 0 && a.Fast != b.Fast {
			return a.Fast
		}
		if e.Demand > 0 && a.Fast {
			return false // they stand in the order of what they keep of the images
		}
		return a.LoadCPU < b.LoadCPU
	}
	for i := range e.Choices {
		if e.Choices[i].Fits && better(i, e.Suits) {
			e.Suits = i
		}
	}
	switch {
	case e.Suits < 0:
		e.Why = "none fits on the disk"
	case e.Demand > 0 && !e.Choices[e.Suits].Fast:
		e.Why = fmt.Sprintf("none is quick enough for %.0f images a second with %d processors; of those that fit it takes the least time to load", e.Demand, e.Cores)
	case e.Demand > 0:
		e.Why = fmt.Sprintf("it fits, loads %.0f images a second, and keeps most of the images", e.Demand)
	default:
		e.Why = "of those that fit it takes the least time to load"
	}
}

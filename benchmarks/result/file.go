package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"

	"github.com/betongo/betongo/internal/aside"
)

// most bytes of a file are read: some hundred thousand runs.
const most = 64 << 20

// Load reads and checks a file that Save wrote.
func Load(name string) (*File, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, fmt.Errorf("%s: more than the %d bytes that a file of results can have", name, most)
	}
	f, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Parse reads and checks the bytes of a file that Save wrote.
func Parse(b []byte) (*File, error) {
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	if head.Schema == nil {
		return nil, errors.New(`results: no "schema": this is no file of the benchmarks' results`)
	}
	if *head.Schema != Schema {
		return nil, fmt.Errorf("results: schema %d; this program reads %d", *head.Schema, Schema)
	}
	f := new(File)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	return f, f.Check()
}

// Save writes the file, whole or not at all, over what is there: scrubbed (see
// Scrub), with the schema set, after Check. f itself stays as it is.
func Save(name string, f *File) (err error) {
	b, err := f.Bytes()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w, err := aside.Create(name, true)
	if err != nil {
		return err
	}
	defer w.Abort() // nothing once committed
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Commit()
}

// Bytes returns what Save writes: the same for equal files.
func (f *File) Bytes() ([]byte, error) {
	c := f.scrubbed()
	c.Schema = Schema
	if err := c.Check(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	return append(b, '\n'), nil
}

var (
	workName   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	systemName = regexp.MustCompile(`^[\pL\pN][\pL\pN .,+()_-]*$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// Check says what is wrong with the file, if anything is.
func (f *File) Check() error {
	switch {
	case f.Schema != Schema:
		return fmt.Errorf("results: schema %d, want %d", f.Schema, Schema)
	case f.Started.IsZero():
		return errors.New("results: no time at which they were started")
	case !commitName.MatchString(f.Commit):
		return fmt.Errorf("results: commit %q is not 7 to 40 hexadecimal digits", f.Commit)
	case f.Machine.System == "" || f.Machine.Processors < 1 || f.Machine.Memory < 0:
		return fmt.Errorf("results: machine %+v has no system, no processors or less than no memory", f.Machine)
	case f.Photos.Count < 0 || f.Photos.Bytes < 0:
		return fmt.Errorf("results: %d photographs of %d bytes", f.Photos.Count, f.Photos.Bytes)
	}
	for i, s := range f.Skipped {
		if !systemName.MatchString(s.System) || s.Reason == "" || s.Work != "" && !workName.MatchString(s.Work) {
			return fmt.Errorf("results: skipped %d: %+v: want a system and a reason", i, s)
		}
	}
	type place struct {
		work, system string
		round        int
	}
	seen := map[place]int{}
	for i, r := range f.Runs {
		if err := r.check(); err != nil {
			return fmt.Errorf("results: run %d: %w", i, err)
		}
		p := place{r.Work, r.System, r.Round}
		if before, ok := seen[p]; ok {
			return fmt.Errorf("results: runs %d and %d are both %s by %s in round %d", before, i, r.Work, r.System, r.Round)
		}
		seen[p] = i
	}
	return nil
}

func (r *Run) check() error {
	switch {
	case !workName.MatchString(r.Work):
		return fmt.Errorf("work %q: want small letters, digits and hyphens", r.Work)
	case !systemName.MatchString(r.System):
		return fmt.Errorf("%s: system %q: want letters, digits, spaces and .,+()_-", r.Work, r.System)
	case r.Round < 1:
		return fmt.Errorf("%s by %s: round %d; the first is 1", r.Work, r.System, r.Round)
	case r.Samples < 0 || r.PeakMemory < 0 || r.FileSize < 0:
		return fmt.Errorf("%s by %s: less than nothing in %+v", r.Work, r.System, *r)
	}
	for name, v := range map[string]float64{"cpu_s": r.CPU, "wall_s": r.Wall, "first_batch_s": r.FirstBatch,
		"p50_s": r.P50, "p99_s": r.P99, "load": r.Load} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return fmt.Errorf("%s by %s: %s is %v", r.Work, r.System, name, v)
		}
	}
	switch {
	case r.Error != "":
	case (r.CPU > 0 || r.Wall > 0) && r.Samples == 0:
		return fmt.Errorf("%s by %s: %v s of CPU over no samples", r.Work, r.System, r.CPU)
	case r.P99 < r.P50 && r.P99 > 0:
		return fmt.Errorf("%s by %s: p99 of %v s is less than p50 of %v s", r.Work, r.System, r.P99, r.P50)
	case r.CPU == 0 && r.Wall == 0 && r.FirstBatch == 0 && r.PeakMemory == 0 && r.FileSize == 0 && r.P50 == 0:
		return fmt.Errorf("%s by %s: no figure and no error", r.Work, r.System)
	}
	return nil
}

package tools

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// packRequest asks for a dataset of a recipe, whose paths are whole or URLs.
type packRequest struct {
	Do        string          `json:"do"`
	Recipe    build.Recipe    `json:"recipe"`
	Out       string          `json:"out"`
	Workers   int             `json:"workers"`
	Overwrite bool            `json:"overwrite"`
	Resume    bool            `json:"resume"`
	Restart   bool            `json:"restart"`
	Staging   string          `json:"staging"`
	Storage   json.RawMessage `json:"storage"`
}

// packAnswer says what was done.
type packAnswer struct {
	Samples int          `json:"samples"`
	Resumed int          `json:"resumed"`
	Skipped []skip       `json:"skipped"`  // at most mostListed, as of LeftOut
	LeftOut []skip       `json:"left_out"` // counted by Without
	Failed  int          `json:"failed"`   // how many were skipped
	Without int          `json:"without"`
	Classes []string     `json:"classes"` // null: none are named
	Fields  []string     `json:"fields"`
	Bytes   int64        `json:"bytes"`
	Data    int64        `json:"data"`
	Pages   int64        `json:"pages"`
	Images  *imageCounts `json:"images"`
}

type skip struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// mostListed is how many of a list are told; more would not fit a frame.
const mostListed = 10_000

// imageCounts is a fields.ImageStats.
type imageCounts struct {
	Kept               int64 `json:"kept"`
	Encoded            int64 `json:"encoded"`
	Raw                int64 `json:"raw"`
	Resized            int64 `json:"resized"`
	Oriented           int64 `json:"oriented"`
	OrientationIgnored int64 `json:"orientation_ignored"`
	Damaged            int64 `json:"damaged"`
	Stripped           int64 `json:"stripped"`
	StrippedBytes      int64 `json:"stripped_bytes"`
	Pixels             int64 `json:"pixels"`
}

// pack writes a dataset, and tells meanwhile how far it is.
func (s *stores) pack(ctx context.Context, c *engine.Call) error {
	var q packRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	if q.Workers < 0 || q.Out == "" {
		return engine.Optionf("pack: workers is %d, out %q; want 0 or more, and a path or URL", q.Workers, q.Out)
	}
	return s.with(q.Storage, func(r *reach) error {
		a, err := q.write(ctx, c, r)
		if err != nil {
			return err
		}
		return c.Answer(a, nil)
	})
}

// write opens the source and writes the dataset.
func (q *packRequest) write(ctx context.Context, c *engine.Call, r *reach) (*packAnswer, error) {
	opts, release, err := r.store()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := check(&q.Recipe); err != nil {
		return nil, err
	}
	// Before a long listing.
	if err := build.CheckTarget(ctx, q.Out, q.Overwrite, q.Resume, opts); err != nil {
		return nil, err
	}
	images := &fields.ImageStats{}
	src, err := q.Recipe.Open(ctx, &build.OpenOptions{Store: opts, Images: images})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	a := &packAnswer{Skipped: []skip{}, LeftOut: skips(src.LeftOut), Without: len(src.LeftOut), Classes: src.Classes}
	for _, f := range src.Fields {
		a.Fields = append(a.Fields, f.Name)
	}
	n := src.Len()
	t := &teller{call: c}
	stats, err := q.Recipe.Write(ctx, src, q.Out, &build.WriteOptions{
		Workers: q.Workers, Overwrite: q.Overwrite, Resume: q.Resume, Restart: q.Restart, Store: opts, Staging: q.Staging,
		Resumed: func(r ffcv.Resumed) { a.Resumed = r.Samples },
		Skipped: func(s source.Skip) {
			if a.Failed++; a.Failed <= mostListed {
				a.Skipped = append(a.Skipped, skip(s))
			}
		},
		Progress:  func(p ffcv.Progress) { t.progress(p.Done, n) },
		Warn:      func(msg string) { t.call.Tell("warning", msg) },
		Uploading: func(bytes int64) { t.call.Tell("uploading", bytes) },
	})
	if err != nil {
		return nil, err
	}
	t.end(n)
	a.Samples, a.Bytes, a.Data, a.Pages = stats.Samples, stats.Bytes, stats.Data, stats.Pages
	a.Images = counts(images)
	return a, nil
}

// check finds what can be seen to be wrong with a recipe, and what this program
// can't read.
func check(r *build.Recipe) error {
	if r.HDF5 != nil && build.OpenHDF5 == nil {
		return &ffcv.UnsupportedError{File: store.Name(r.HDF5.File),
			What: "the programs of the Python package load no libraries of the system, which HDF5 needs; ffcvwrite hdf5 makes a .beton of it, and h5py reads it for DatasetWriter.from_indexed_dataset"}
	}
	return r.Check()
}

// store makes the options of a store; release is called when nothing is read or
// written any more.
func (r *reach) store() (opts *store.Options, release func() error, err error) {
	opts = &store.Options{Remote: r.q.options()}
	release = func() error { return nil }
	if r.q.Cache != "" {
		opts.Remote.Cache, release, err = r.of.caches.get(r.q.Cache, r.q.CacheSize)
	}
	return opts, release, err
}

func skips(list []source.Skip) []skip {
	list = list[:min(len(list), mostListed)]
	out := make([]skip, len(list)) // an empty list, not null, in JSON
	for i, s := range list {
		out[i] = skip(s)
	}
	return out
}

// counts are what the image fields did; nil where there were no images.
func counts(s *fields.ImageStats) *imageCounts {
	if s.Images() == 0 {
		return nil
	}
	return &imageCounts{
		Kept: s.Kept.Load(), Encoded: s.Encoded.Load(), Raw: s.Raw.Load(), Resized: s.Resized.Load(),
		Oriented: s.Oriented.Load(), OrientationIgnored: s.OrientationIgnored.Load(), Damaged: s.Damaged.Load(),
		Stripped: s.Stripped.Load(), StrippedBytes: s.StrippedBytes.Load(), Pixels: s.Pixels.Load(),
	}
}

// often is how long a client waits for news.
const often = 50 * time.Millisecond

// teller tells a client how far it is. It is safe for concurrent use.
type teller struct {
	call *engine.Call

	mu   sync.Mutex
	last time.Time
}

// progress tells how many of how many are done, if the last news are a while ago.
// What can't be sent is of a client that is gone, whose context ends the rest.
func (t *teller) progress(done, all int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); now.Sub(t.last) >= often {
		t.last = now
		t.call.Tell("progress", []int{done, all})
	}
}

// end tells that all is done.
func (t *teller) end(all int) { t.call.Tell("progress", []int{all, all}) }

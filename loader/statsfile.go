package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
)

const (
	snapshotFormat  = "betongo-loader-stats"
	snapshotVersion = 1
	// MaxSnapshot is how many bytes a Snapshot has at most.
	MaxSnapshot = 1 << 20
	// statsEvery is how often a file of statistics is written while epochs run.
	statsEvery = time.Second
)

// Snapshot is what Options.StatsFile holds: a loader's figures at a time. It
// tells nothing of the machine, the process, or the dataset's place.
type Snapshot struct {
	Format  string        `json:"format"`  // "betongo-loader-stats"
	Version int           `json:"version"` // 1; a later one adds to it
	Time    time.Time     `json:"time"`    // when it was taken, in UTC
	Every   time.Duration `json:"every"`   // about how long after it the next one follows while an epoch runs, in ns
	Batches int           `json:"batches"` // of a whole epoch, as Loader.Len
	Samples int           `json:"samples"` // of a whole epoch, as Loader.Samples
	Epoch   Figures       `json:"epoch"`   // as Loader.Stats
	Total   Figures       `json:"total"`   // as Loader.Totals
}

// Figures are Stats with what they say.
type Figures struct {
	Bound   Bound  `json:"bound"`
	Verdict string `json:"verdict"`
	Stats
}

func figuresOf(s Stats) Figures { return Figures{s.Bound(), s.Verdict(), s} }

// Snapshot takes the loader's figures as they are, as for Options.StatsFile. Safe for
// concurrent use.
func (l *Loader) Snapshot() *Snapshot {
	return &Snapshot{
		Format: snapshotFormat, Version: snapshotVersion, Time: time.Now().UTC(), Every: statsEvery,
		Batches: l.Len(), Samples: l.Samples(), Epoch: figuresOf(l.Stats()), Total: figuresOf(l.Totals()),
	}
}

// ParseSnapshot reads a snapshot's JSON, which may come from anyone: it is of this
// format and no longer than MaxSnapshot, its figures are what they are.
func ParseSnapshot(b []byte) (*Snapshot, error) {
	if len(b) > MaxSnapshot {
		return nil, fmt.Errorf("loader: statistics: %d bytes, want %d at most", len(b), MaxSnapshot)
	}
	s := new(Snapshot)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("loader: statistics: %w", err)
	}
	if s.Format != snapshotFormat {
		return nil, fmt.Errorf("loader: statistics: the format is %.40q, want %q", s.Format, snapshotFormat)
	}
	if s.Version < snapshotVersion {
		return nil, fmt.Errorf("loader: statistics: version %d, want %d or later", s.Version, snapshotVersion)
	}
	return s, nil
}

// ReadSnapshot reads a file that a loader writes, see Options.StatsFile, whether
// or not it is at it. Without a file there the error is fs.ErrNotExist.
func ReadSnapshot(path string) (*Snapshot, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loader: statistics: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxSnapshot+1))
	if err != nil {
		return nil, fmt.Errorf("loader: statistics: %w", err)
	}
	return ParseSnapshot(b)
}

// statsFile is Options.StatsFile of a loader; nil for none.
type statsFile struct {
	path   string
	loader *Loader
	every  time.Duration

	mu sync.Mutex // one writer at a time, so that no older snapshot follows a later one
}

// setStatsFile makes the file, or says why it can't be.
func (l *Loader) setStatsFile(path string) error {
	if path == "" {
		return nil
	}
	if err := mayReplace(path); err != nil {
		return fmt.Errorf("loader: StatsFile: %w", err)
	}
	s := &statsFile{path: path, loader: l, every: statsEvery}
	if err := s.write(); err != nil {
		return fmt.Errorf("loader: StatsFile: %w", err)
	}
	removeStale(path)
	l.statsFile = s
	return nil
}

// mayReplace refuses to replace what is no file of statistics.
func mayReplace(path string) error {
	f, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	start := []byte(`{"format":"` + snapshotFormat + `"`)
	b, err := io.ReadAll(io.LimitReader(f, int64(len(start))))
	if err == nil && len(b) > 0 && !bytes.Equal(b, start) {
		err = &fs.PathError{Op: "replace", Path: path, Err: errors.New("it is there and holds no loader's statistics")}
	}
	return err
}

// begin starts to write the file for an epoch. end, which the epoch's goroutine
// calls when the account is closed, ends that, waits for it and writes the file
// once more; a failure of that goes to Options.Warn.
func (s *statsFile) begin() (end func()) {
	if s == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() { // till end, which waits for it
		defer close(done)
		tick := time.NewTicker(s.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.write() // the last one's error is told
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		if err := s.write(); err != nil {
			s.loader.plan.tell("loader: the statistics were not written: %v", err)
		}
	}
}

// write puts the figures in the file's place, as a whole. It isn't synced: what
// is lost with the machine is not worth a consumer's waiting for the disk.
func (s *statsFile) write() (err error) {
	defer guard(s.path, &err) // a Cacher is the program's
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s.loader.Snapshot())
	if err != nil {
		return err
	}
	target, err := aside.Resolve(s.path)
	if err != nil {
		return err
	}
	if err := aside.Check(target, true, false); err != nil {
		return err
	}
	part, err := aside.Beside(target, func(name string) error { return writeNew(name, append(b, '\n')) })
	if err != nil {
		return err
	}
	if err := os.Rename(part, target); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return nil
}

// writeNew writes a file that isn't there yet; a failure leaves none.
func writeNew(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

package loader

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
)

// maxState is how many bytes ReadState reads at most.
const maxState = 1 << 20

// ReadState reads a state that Save has written. Without a file there the error
// is fs.ErrNotExist.
func ReadState(path string) (*State, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loader: state: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return nil, fmt.Errorf("loader: state: %w", err)
	}
	if len(b) > maxState {
		return nil, fmt.Errorf("loader: state: %s has more than %d bytes", path, maxState)
	}
	s := new(State)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("loader: state: %s: %w", path, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("loader: %s: %w", path, err)
	}
	return s, nil
}

// staleState is the age from which a file that Save wrote beside its target is
// nobody's: several ranks may save to one target, but none takes as long.
const staleState = time.Hour

// Save writes the state to a file, as a whole or not at all: it is written
// beside it, as path.partial-…, and renamed. What an earlier Save to that path left
// there when it was killed is removed if it is older than an hour.
func (s *State) Save(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("loader: state: %w", err)
		}
	}()
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := aside.WriteFile(path, append(b, '\n'), true); err != nil {
		return err
	}
	removeStale(path)
	return nil
}

const partialState = ".partial-" // and a number in base 36, behind the target's name

// removeStale removes what Saves to path have left beside it. What can't be
// removed stays: the next one tries again.
func removeStale(path string) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return
	}
	defer dir.Close()
	start := filepath.Base(path) + partialState
	for err == nil {
		var list []os.DirEntry
		list, err = dir.ReadDir(256)
		for _, e := range list {
			number, ok := strings.CutPrefix(e.Name(), start)
			if _, bad := strconv.ParseUint(number, 36, 64); !ok || bad != nil || !e.Type().IsRegular() {
				continue
			}
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleState {
				os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
			}
		}
	}
}

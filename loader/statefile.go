package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
)

// maxState is how many bytes ReadState reads at most.
const maxState = 1 << 20

// ReadState reads a state that Save has written. Without a file there the error
// is fs.ErrNotExist.
func ReadState(path string) (*State, error) {
	f, err := os.Open(path)
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

// Save writes the state to a file, as a whole or not at all: it is written
// beside it and renamed.
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
	partial := path + ".partial-" + strconv.FormatUint(rand.Uint64(), 36)
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(partial, path)
	}
	if err != nil {
		os.Remove(partial)
	}
	return err
}

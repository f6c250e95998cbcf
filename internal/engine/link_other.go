//go:build !unix

package engine

import (
	"errors"
	"os"
)

// Systems that pass no files over sockets are not served: Serve says so.

func rightsSpace(int) int { return 0 }

func rightsOf([]int) []byte { return nil }

func received([]byte) ([]*os.File, error) { return nil, errors.New("no files can be received") }

func closedByPeer(error) bool { return false }

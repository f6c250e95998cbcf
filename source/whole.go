package source

import (
	"context"
	"fmt"
)

// readWhole returns the bytes of an object, all of them: one that has more than
// most is an error, and is not read.
func readWhole(ctx context.Context, s Store, name string, most int64) ([]byte, error) {
	b, err := s.Read(ctx, name, most+1)
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: more than the %d bytes that it may have", shown(name), most)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

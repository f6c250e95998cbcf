package main

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/ffcv"
)

var _ = register(
	work{name: "open", times: 4000, prepare: openFile, begin: func(p place) (func() error, error) {
		return func() error {
			f, err := ffcv.Open(p.file("open.beton"), nil)
			if err != nil {
				return err
			}
			return f.Close()
		}, nil
	}},
	work{name: "verify", times: 2, prepare: openFile, begin: func(p place) (func() error, error) {
		f, err := ffcv.Open(p.file("open.beton"), nil)
		return func() error { return f.Verify(context.Background(), nil) }, err
	}},
	work{name: "random-access", times: 2000, prepare: openFile, begin: func(p place) (func() error, error) {
		f, err := ffcv.Open(p.file("open.beton"), nil)
		i := 0
		return func() error {
			for range 16 {
				i = (i + 7) % f.Len()
				if v, err := f.Value(i, 0); err != nil || v == nil {
					return fmt.Errorf("sample %d: %v, %w", i, v, err)
				}
			}
			return nil
		}, err
	}},
)

func openFile(p place) error {
	s, err := photoSamples(p, 10)
	if err != nil {
		return err
	}
	return write(p.file("open.beton"), photoSpecs(), s)
}

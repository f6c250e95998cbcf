package peer

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
)

// rowLen is how many numbers a row has.
const rowLen = 32

// writeArrays writes the rows that systems make their stores of: x.npy, f4[n, 32], and y.npy, i8[n].
func (b *Bench) writeArrays() error {
	dir := b.path("arrays")
	if _, err := os.Stat(filepath.Join(dir, "y.npy")); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	x, y := make([]byte, 4*rowLen*b.Rows), make([]byte, 8*b.Rows)
	for i := 0; i < len(x); i += 4 {
		binary.LittleEndian.PutUint32(x[i:], math.Float32bits(float32(rng.NormFloat64())))
	}
	for i := 0; i < len(y); i += 8 {
		binary.LittleEndian.PutUint64(y[i:], uint64(rng.IntN(1000)))
	}
	return errors.Join(
		save(filepath.Join(dir, "x.npy"), array.Float32, []int{b.Rows, rowLen}, x),
		save(filepath.Join(dir, "y.npy"), array.Int64, []int{b.Rows}, y)) // last: it tells that both are there
}

func save(path string, of array.DType, shape []int, data []byte) error {
	a, err := array.New(array.Spec{DType: of, Shape: shape}, data)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(npy.Write(f, a), f.Close())
}

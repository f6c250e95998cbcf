// Package photo makes a folder of photographs for benchmarks: crops of real
// ones, of the sizes and qualities that ImageNet's have (most are 500x375,
// 375x500 or 500x333), a class for each that they were cut from. The same
// sources and seed give the same files, whatever the number of processors.
package photo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/rgb"
)

// widest is to what larger sources are shrunk first.
const widest = 2600

// most is how many pixels a source has at most.
const most = 100_000_000

// Make writes n photographs, DIR/class_KKK/img_NNNNNN.jpg, from sources, the paths of JPEGs. The folder
// must not exist; progress, if it is not nil, is told how many there are, by one goroutine at a time.
func Make(ctx context.Context, dir string, n int, sources []string, seed uint64, progress func(done int)) error {
	if len(sources) == 0 {
		return errors.New("photographs: nothing to make them from")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	plan := make([][]int, len(sources)) // the photographs of each
	for i := range n {
		k := draws(seed, i).IntN(len(sources))
		plan[k] = append(plan[k], i)
	}
	made := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	told := make(chan struct{})
	go func() { // ends when made is closed, below
		defer close(told)
		done := 0
		for k := range made {
			if done += k; progress != nil {
				progress(done)
			}
		}
	}()
	for k, list := range plan {
		if len(list) == 0 {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := cut(filepath.Join(dir, fmt.Sprintf("class_%03d", k)), sources[k], list, seed)
			made <- len(list)
			return err
		})
	}
	err := group.Wait()
	close(made)
	<-told
	return err
}

// draws returns the generator of a photograph. Its first draw is the source.
func draws(seed uint64, i int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(i))) }

// cut makes all photographs of a source.
func cut(dir, source string, list []int, seed uint64) error {
	picture, err := open(source)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	var scratch rgb.Scratch
	for _, i := range list {
		rng := draws(seed, i)
		rng.Uint64() // the source's
		small := crop(picture, rng)
		quality := []int{90, 95, 96}[rng.IntN(3)]
		data, err := scratch.EncodeJPEG(nil, small, quality)
		if err != nil {
			return fmt.Errorf("photograph %d of %s: %w", i, source, err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("img_%06d.jpg", i)), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// open reads a source, shrunk to widest.
func open(source string) (image.Image, error) {
	f, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, _, err := image.DecodeConfig(f)
	if err != nil {
		return nil, err
	}
	if c.Width*c.Height > most {
		return nil, fmt.Errorf("%dx%d pixels; %d are the most", c.Width, c.Height, most)
	}
	picture, err := imaging.Open(source)
	if err == nil && c.Width > widest {
		picture = imaging.Resize(picture, widest, 0, imaging.Lanczos)
	}
	return picture, err
}

// crop draws a photograph's size and place.
func crop(picture image.Image, rng *rand.Rand) rgb.Image {
	w, h := 200+rng.IntN(701), 200+rng.IntN(701)
	switch r := rng.Float64(); {
	case r < 0.55:
		w, h = 500, 375
	case r < 0.75:
		w, h = 375, 500
	case r < 0.9:
		w, h = 500, 333
	}
	whole := picture.Bounds().Size()
	scale := 1.0
	if room := min(float64(whole.X)/float64(w), float64(whole.Y)/float64(h), 3); room > 1 {
		scale += rng.Float64() * (room - 1)
	}
	cw, ch := min(int(float64(w)*scale), whole.X), min(int(float64(h)*scale), whole.Y)
	x, y := rng.IntN(whole.X-cw+1), rng.IntN(whole.Y-ch+1)
	part := imaging.Crop(picture, image.Rect(x, y, x+cw, y+ch).Add(picture.Bounds().Min))
	small := imaging.Resize(part, w, h, imaging.CatmullRom)
	out := rgb.Image{Width: w, Height: h, Pix: make([]byte, 0, 3*w*h)}
	for i := 0; i < len(small.Pix); i += 4 {
		out.Pix = append(out.Pix, small.Pix[i:i+3]...)
	}
	return out
}

// Sources returns the JPEGs below folders that have at least so many bytes, by their names.
func Sources(least int64, dirs ...string) ([]string, error) {
	var list []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".jpg") {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Size() >= least {
				list = append(list, path)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	slices.Sort(list)
	return list, nil
}

// Measure counts the files of a folder of photographs and their bytes. The digest tells the same
// photographs from others.
func Measure(dir string) (count int, bytes int64, digest string, err error) {
	sum := sha256.New()
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(sum, "%s\n", filepath.ToSlash(name))
		n, err := io.Copy(sum, f)
		count++
		bytes += n
		return err
	})
	return count, bytes, hex.EncodeToString(sum.Sum(nil)[:8]), err
}

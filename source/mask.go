package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/rgb"
)

// maskOf returns the name of an image's mask in the folder of masks. The sizes
// of both are read, and nothing else: a mask of another size than its image
// belongs to none of its crops.
func maskOf(dir, image, key string) (string, error) {
	name := filepath.Join(dir, filepath.FromSlash(maskName(key)))
	mw, mh, err := pictureSize(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("image %s: no mask: %w", image, err)
	}
	if err != nil {
		return "", fmt.Errorf("image %s: mask %s: %w", image, name, err)
	}
	w, h, err := pictureSize(image)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", image, err)
	}
	if mw != w || mh != h {
		return "", fmt.Errorf("mask %s is %dx%d, its image %s %dx%d; expected the same size", name, mw, mh, image, w, h)
	}
	return name, nil
}

// maskName is the name of an image's mask in the folder of masks.
func maskName(key string) string { return strings.TrimSuffix(key, path.Ext(key)) + ".png" }

// sameSize compares an image's size with its mask's.
func sameSize(key string, image []byte, name string, mask []byte) error {
	_, w, h, _, err := rgb.ScanImage(image)
	if err != nil {
		return fmt.Errorf("image %s: %w", key, err)
	}
	_, mw, mh, _, err := rgb.ScanImage(mask)
	if err != nil {
		return fmt.Errorf("image %s: mask %s: %w", key, name, err)
	}
	if mw != w || mh != h {
		return fmt.Errorf("mask %s is %dx%d, its image %s %dx%d; expected the same size", name, mw, mh, key, w, h)
	}
	return nil
}

// pictureSize reads an image file's width and height.
func pictureSize(name string) (width, height int, err error) {
	// A JPEG's size comes after its EXIF block, which may hold a small picture.
	// More of them than most has none that is a photograph's.
	const head, most = 64 << 10, 64 << 20
	f, err := regular.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, head))
	if err != nil {
		return 0, 0, err
	}
	_, width, height, _, err = rgb.ScanImage(b)
	if err == nil || len(b) < head {
		return width, height, err
	}
	rest, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return 0, 0, err
	}
	_, width, height, _, err = rgb.ScanImage(append(b, rest...))
	return width, height, err
}

// Command contactsheet makes the pictures of docs/transforms.md: what every
// decoder and operation of package transform does to photographs of
// testdata/photos, through a .beton file and a loader.
//
//	go run ./benchmarks/contactsheet docs/transforms
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/rgb"
)

const prog = "contactsheet"

const description = "Make contact sheets of all transforms."

type grammar struct {
	Folder  string `arg:"" help:"The folder to write NAME.jpg to, one for each sheet; made if need be."`
	Quality int    `default:"75" help:"JPEG quality, 1 to 100 (default 75)."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, write(g.Folder, g.Quality))
}

// write makes all sheets and writes them to the folder.
func write(folder string, quality int) error {
	if quality < 1 || quality > 100 {
		return term.Usagef("--quality %d must be 1 to 100", quality)
	}
	all, err := sheets()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	for _, s := range all {
		jpeg, err := rgb.EncodeJPEG(nil, s.picture, quality)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, s.name+".jpg"), jpeg, 0o666); err != nil {
			return err
		}
	}
	return nil
}

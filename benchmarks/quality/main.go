// Command quality compares what the fast way of rendering gives with the exact
// one, on crops of real photographs, and sets FFCV's own crops beside it:
//
//	go run ./benchmarks/quality ~/train
//	go run ./benchmarks/quality --python ~/ffcv-venv/bin/python --out worst ~/train
//
// The reference is libjpeg's exact decoding and OpenCV's INTER_AREA
// (rgb.Target.Exact). FFCV decodes with libjpeg-turbo's fast DCT, so its crops
// differ from the reference too, by more or less than ours: that is the bar.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/rgb"
)

const prog = "quality"

const description = "Compare fast crops of photographs, and FFCV's, with exact ones."

type grammar struct {
	Folder string `arg:"" help:"A folder with JPEG photographs, at any depth."`
	Photos int    `default:"500" help:"Photographs to take, spread over the folder (default 500)."`
	Size   int    `default:"224" help:"Side of the crops once resized, in pixels (default 224)."`
	Seed   uint64 `default:"1" help:"Seed of the crops' boxes (default 1)."`
	Python string `placeholder:"FILE" help:"A Python interpreter that can import ffcv: compares its crops too."`
	Out    string `placeholder:"DIR" help:"Write pictures of the five worst crops here: exact, fast, and the difference 16 times as strong on gray; FFCV's two beside them."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, quality(ctx, &g, stdout))
}

// minMedian is what the fast way must reach at least, in decibels.
const minMedian = 48

func quality(ctx context.Context, g *grammar, stdout io.Writer) (err error) {
	if g.Photos < 1 || g.Size < 1 || g.Size > rgb.MaxSide {
		return term.Usagef("--photos %d and --size %d must be above 0", g.Photos, g.Size)
	}
	cases, err := find(os.DirFS(g.Folder), g.Photos, g.Seed)
	if err != nil {
		return err
	}
	ways := []*way{ours("fast, marks", g.Size, true), ours("fast, no marks", g.Size, false)}
	if g.Python != "" {
		f, err := startFFCV(ctx, g.Python, g.Size)
		if err != nil {
			return err
		}
		defer func() {
			if e := f.close(); err == nil {
				err = e
			}
		}()
		ways = append(ways, &way{name: "FFCV", render: f.crop})
	}
	if err := measure(cases, ways, g.Size); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d photos, RandomResizedCrop %d, against exact decoding and INTER_AREA\n\n", len(cases), g.Size)
	fmt.Fprintln(stdout, "| crops | PSNR, median | PSNR, min | largest difference | mean difference, edge : interior |")
	fmt.Fprintln(stdout, "|---|---|---|---|---|")
	for _, w := range ways {
		fmt.Fprintf(stdout, "| %s | %.2f dB | %.2f dB | %d | %.4f : %.4f = %.3f |\n", w.name, w.median(), w.min(), w.largest,
			w.edge.mean(), w.interior.mean(), w.edge.mean()/w.interior.mean())
	}
	if g.Out != "" {
		if err := writeWorst(g.Out, cases, ways, g.Size); err != nil {
			return err
		}
	}
	return judge(ways)
}

// judge holds our ways to the bar.
func judge(ways []*way) error {
	for _, w := range ways {
		switch theirs := ways[len(ways)-1]; {
		case !w.ours:
		case w.median() < minMedian:
			return fmt.Errorf("%s: the median is %.2f dB, want at least %d", w.name, w.median(), minMedian)
		case !theirs.ours && w.min() < theirs.min():
			return fmt.Errorf("%s: the worst crop has %.2f dB, FFCV's worst %.2f", w.name, w.min(), theirs.min())
		}
	}
	return nil
}

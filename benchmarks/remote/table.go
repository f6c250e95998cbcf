package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/usage"
)

//go:embed peers.py
var peers string

// kind is what takes turns in a table.
type kind struct {
	name string
	of   int // the kind whose figures a ratio is of; -1 none
	peer bool
	run  func(ctx context.Context) (loaded, error)
	got  []round
}

// round is one epoch of a kind.
type round struct {
	loaded
	requests, bytes int64
	server          time.Duration
}

// tables prints a table for each latency.
func (m *measurer) tables(ctx context.Context, far *server) error {
	fmt.Fprintf(m.out, "%s\ncommit %s\n%s", usage.Machine(), usage.Commit(ctx), load())
	for _, latency := range m.Latency {
		far.Set(faultproxy.Faults{Latency: latency})
		kinds := m.kinds(far)
		for range m.Rounds {
			for i := range kinds {
				far.traffic()
				l, err := kinds[i].run(ctx)
				if err != nil {
					return err
				}
				r := round{loaded: l}
				r.requests, r.bytes, r.server = far.traffic()
				kinds[i].got = append(kinds[i].got, r)
				fmt.Fprintf(m.err, "%s: %s: %.0f images/s after %.2f s, CPU %.0f µs an image, server's %.0f, %.2f requests\n", prog, kinds[i].name,
					r.rate(), r.First, 1e6*r.CPU/float64(r.Samples), 1e6*r.server.Seconds()/float64(r.Samples), float64(r.requests)/float64(r.Samples))
			}
		}
		m.table(latency, kinds)
	}
	return nil
}

// kinds are ours from both places in each order, and the peers.
func (m *measurer) kinds(far *server) (list []kind) {
	for _, order := range m.Orders {
		for _, pace := range m.Pace {
			name := order
			if pace > 0 {
				name = fmt.Sprintf("%s, for a consumer of %d/s", order, pace)
			}
			list = append(list, kind{name: name + ", local", of: -1, run: func(ctx context.Context) (loaded, error) {
				return m.load(ctx, os.Environ(), epoch{Path: m.path("photos.beton"), Order: order, Pace: pace})
			}})
			list = append(list, kind{name: name + ", server", of: len(list) - 1, run: func(ctx context.Context) (loaded, error) {
				return m.load(ctx, far.Env(), epoch{Path: far.url("photos.beton"), Order: order, Pace: pace})
			}})
		}
	}
	list = append(list, m.drains(far)...)
	if m.Python == "" {
		return list
	}
	for _, p := range []struct{ kind, name string }{{"mds", "MosaicML Streaming"}, {"wds", "WebDataset"}} {
		list = append(list, kind{name: p.name + ", server", of: -1, peer: true, run: func(ctx context.Context) (loaded, error) {
			keep, err := os.MkdirTemp(m.Dir, "keep-")
			if err != nil {
				return loaded{}, err
			}
			defer os.RemoveAll(keep)
			return m.python(ctx, far.Env(), "load", p.kind, far.url(p.kind), keep, strconv.Itoa(m.Batch), strconv.Itoa(m.Workers))
		}})
	}
	return list
}

// beside prints what ours from the server take of a peer's processor time and rate, a
// pair a round.
func (m *measurer) beside(kinds []kind) {
	for i := range kinds {
		if !kinds[i].peer {
			continue
		}
		for j := range kinds {
			ours, k := &kinds[j], &kinds[i]
			if ours.of < 0 {
				continue
			}
			cpu := k.pairs(func(i int, r *round) float64 { return ours.got[i].CPU / r.CPU })
			rate := k.pairs(func(i int, r *round) float64 { return ours.got[i].rate() / r.rate() })
			fmt.Fprintf(m.out, "\n%s, beside %s: CPU **%.3f** (%.3f to %.3f), images/s %.1f times (%.1f to %.1f)\n", ours.name, k.name,
				cpu[len(cpu)/2], cpu[0], cpu[len(cpu)-1], rate[len(rate)/2], rate[0], rate[len(rate)-1])
		}
	}
}

// table prints the medians.
func (m *measurer) table(latency time.Duration, kinds []kind) {
	fmt.Fprintf(m.out, "\n%d photographs, batches of %d, %d workers, %v of added latency, medians of %d rounds\n\n", kinds[0].got[0].Samples, m.Batch, m.Workers, latency, m.Rounds)
	fmt.Fprintln(m.out, "| | first batch | images/s after it | of local | of local, by CPU | of the workers' time for getting bytes | loader's CPU an image | server's CPU an image | requests an image | bytes an image |")
	fmt.Fprintln(m.out, "|---|---|---|---|---|---|---|---|---|---|")
	for i := range kinds {
		k := &kinds[i]
		per := func(of func(r *round) float64) float64 {
			return k.median(func(_ int, r *round) float64 { return of(r) / float64(r.Samples) })
		}
		ratio, cpu, read := "", "", ""
		if k.got[0].Worked > 0 {
			read = fmt.Sprintf("%.1f %%", k.median(func(_ int, r *round) float64 { return 100 * r.Read / r.Worked }))
		}
		if k.of >= 0 {
			ratio = fmt.Sprintf("%.3f", k.median(func(i int, r *round) float64 { return r.rate() / kinds[k.of].got[i].rate() }))
			cpu = fmt.Sprintf("%.3f", k.median(func(i int, r *round) float64 { return kinds[k.of].got[i].CPU / r.CPU }))
		}
		fmt.Fprintf(m.out, "| %s | %.2f s | %.0f | %s | %s | %s | %.0f µs | %.0f µs | %.2f | %.0f |\n", k.name,
			k.median(func(_ int, r *round) float64 { return r.First }), k.median(func(_ int, r *round) float64 { return r.rate() }), ratio, cpu, read,
			1e6*per(func(r *round) float64 { return r.CPU }), 1e6*per(func(r *round) float64 { return r.server.Seconds() }),
			per(func(r *round) float64 { return float64(r.requests) }), per(func(r *round) float64 { return float64(r.bytes) }))
		if last := k.got[len(k.got)-1]; last.Verdict != "" {
			fmt.Fprintf(m.err, "%s: %s %s\n", k.name, last.Verdict, last.Cache)
		}
	}
	m.beside(kinds)
	fmt.Fprint(m.out, "\n", load())
}

// load tells how busy the machine is, where it says so.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return "load " + string(b)
}

func (k *kind) median(of func(i int, r *round) float64) float64 {
	list := k.pairs(of)
	return list[len(list)/2]
}

// pairs returns a figure of each round, ascending.
func (k *kind) pairs(of func(i int, r *round) float64) []float64 {
	list := make([]float64, len(k.got))
	for i := range k.got {
		list[i] = of(i, &k.got[i])
	}
	slices.Sort(list)
	return list
}

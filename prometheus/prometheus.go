// Package prometheus exports the figures of a loader to Prometheus:
//
//	import betonprom "github.com/betongo/betongo/prometheus"
//	…
//	registry.MustRegister(betonprom.NewCollector(l, prometheus.Labels{"set": "train"}))
//
// The counters are loader.Totals, sums over all epochs; the gauges are of the
// epoch begun last. How long a training waits for its data is
//
//	rate(betongo_loader_wait_seconds_total[5m]) / rate(betongo_loader_elapsed_seconds_total[5m])
//
// It is a module of its own, so that programs that don't use it need nothing of
// Prometheus.
package prometheus

import (
	"maps"
	"sync"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/betongo/betongo/loader"
)

const prefix = "betongo_loader_"

// Collector is a prometheus.Collector of one loader. It is safe for concurrent
// use.
type Collector struct {
	loader  *loader.Loader
	numbers []number
	seconds *prom.Desc
	values  *prom.Desc

	mu   sync.Mutex
	most map[stage]float64 // seconds that were told of stages
}

// number is a metric without labels of its own.
type number struct {
	desc *prom.Desc
	kind prom.ValueType
	of   func(total, last *loader.Stats) float64
}

// stage is the labels of a stage's metrics.
type stage struct{ output, kind, what string }

// NewCollector returns a collector of l, which stays the caller's. All metrics
// have the labels given, which tell several loaders apart; nil for none.
func NewCollector(l *loader.Loader, labels prom.Labels) *Collector {
	labels = maps.Clone(labels)
	c := &Collector{loader: l, most: make(map[stage]float64)}
	add := func(kind prom.ValueType, name, help string, of func(total, last *loader.Stats) float64) {
		c.numbers = append(c.numbers, number{prom.NewDesc(prefix+name, help, nil, labels), kind, of})
	}
	count := func(name, help string, of func(total *loader.Stats) float64) {
		add(prom.CounterValue, name, help, func(total, _ *loader.Stats) float64 { return of(total) })
	}
	gauge := func(name, help string, of func(last *loader.Stats) float64) {
		add(prom.GaugeValue, name, help, func(_, last *loader.Stats) float64 { return of(last) })
	}
	count("epochs_total", "Epochs begun.", func(s *loader.Stats) float64 { return float64(s.Epochs) })
	count("batches_total", "Batches handed out.", func(s *loader.Stats) float64 { return float64(s.Batches) })
	count("samples_total", "Samples in them.", func(s *loader.Stats) float64 { return float64(s.Samples) })
	count("bytes_total", "Bytes of them.", func(s *loader.Stats) float64 { return float64(s.Bytes) })
	count("read_bytes_total", "Bytes of the values read from the dataset.", func(s *loader.Stats) float64 { return float64(s.Read) })
	count("skipped_total", "Samples that could not be loaded and were passed over.", func(s *loader.Stats) float64 { return float64(s.Skipped) })
	count("waits_total", "Batches that the consumer had to wait for.", func(s *loader.Stats) float64 { return float64(s.Waits) })
	count("elapsed_seconds_total", "Time that epochs ran.", func(s *loader.Stats) float64 { return s.Elapsed.Seconds() })
	count("wait_seconds_total", "Time that the consumer waited for batches.", func(s *loader.Stats) float64 { return s.Wait.Seconds() })
	count("order_seconds_total", "Time that the consumer's goroutine spent on orders.", func(s *loader.Stats) float64 { return s.Order.Seconds() })
	count("work_seconds_total", "Time that workers were busy, of all together.", func(s *loader.Stats) float64 { return s.Work.Seconds() })
	count("marks_found_total", "JPEGs whose checkpoints were there.", func(s *loader.Stats) float64 { return float64(s.MarksFound) })
	count("marks_made_total", "JPEGs whose checkpoints were made.", func(s *loader.Stats) float64 { return float64(s.MarksMade) })
	count("cache_hits_total", "Blocks that were in the dataset's cache.", func(s *loader.Stats) float64 { return float64(s.CacheHits) })
	count("cache_misses_total", "Blocks that were not, or were just being read.", func(s *loader.Stats) float64 { return float64(s.CacheMisses) })
	count("cache_read_bytes_total", "Bytes that the dataset's cache read from its file.", func(s *loader.Stats) float64 { return float64(s.CacheBytes) })
	gauge("epoch", "Number of the epoch begun last, -1 before the first.", func(s *loader.Stats) float64 { return float64(s.Epoch) })
	gauge("workers", "Workers.", func(s *loader.Stats) float64 { return float64(s.Workers) })
	gauge("ahead", "Batches that can lie ready.", func(s *loader.Stats) float64 { return float64(s.Ahead) })
	gauge("ready", "Batches that lay ready when the consumer asked for one, on average over the epoch begun last.", func(s *loader.Stats) float64 { return s.Ready })
	by := []string{"output", "kind", "stage"}
	c.seconds = prom.NewDesc(prefix+"stage_seconds_total", "Time that workers spent on a stage, estimated from samples.", by, labels)
	c.values = prom.NewDesc(prefix+"stage_values_total", "Values that a stage was done for.", by, labels)
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prom.Desc) {
	for _, n := range c.numbers {
		ch <- n.desc
	}
	ch <- c.seconds
	ch <- c.values
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prom.Metric) {
	c.mu.Lock() // so that counters are told in the order in which they were read
	defer c.mu.Unlock()
	total, last := c.loader.Totals(), c.loader.Stats()
	for _, n := range c.numbers {
		ch <- prom.MustNewConstMetric(n.desc, n.kind, n.of(&total, &last))
	}
	for _, s := range total.Stages {
		key := stage{s.Output, string(s.Kind), s.What}
		// An estimate may be a little less than one before; a counter that
		// falls would be taken for one that began anew.
		c.most[key] = max(c.most[key], s.Time.Seconds())
		ch <- prom.MustNewConstMetric(c.seconds, prom.CounterValue, c.most[key], key.output, key.kind, key.what)
		ch <- prom.MustNewConstMetric(c.values, prom.CounterValue, float64(s.Values), key.output, key.kind, key.what)
	}
}

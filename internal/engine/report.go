package engine

import "github.com/betongo/betongo/loader"

// statsAnswer are a loader's figures.
type statsAnswer struct {
	loader.Stats
	Bound   loader.Bound `json:"bound"`
	Verdict string       `json:"verdict"`
}

func statsOf(s loader.Stats) statsAnswer { return statsAnswer{s, s.Bound(), s.Verdict()} }

// stats tells the figures of the epoch begun last, and the sums of all.
func (c *conn) stats(r *request) error {
	s := c.stream.Load()
	if s == nil {
		return statef("stats: the connection has no loader")
	}
	var q struct {
		Do string `json:"do"`
	}
	if err := r.decode(&q); err != nil {
		return err
	}
	l := s.now()
	return c.tell("stats", struct {
		statsAnswer
		Totals statsAnswer `json:"totals"`
	}{statsOf(l.Stats()), statsOf(l.Totals())})
}

// report is a loader.Report.
type report struct {
	Epoch       int            `json:"epoch"`
	Batches     int            `json:"batches"`
	Samples     int            `json:"samples"`
	Failed      int            `json:"failed"`
	Quarantined int            `json:"quarantined"`
	Damaged     int            `json:"damaged"`
	Kinds       map[string]int `json:"kinds"`
	List        []skipped      `json:"list"`
}

// skipped is a loader.Skipped.
type skipped struct {
	Batch       int    `json:"batch"`
	Row         int    `json:"row"`
	Sample      int    `json:"sample"`
	By          int    `json:"by"`
	Quarantined bool   `json:"quarantined"`
	Kind        string `json:"kind"`
	Error       string `json:"error,omitempty"`
}

func reportOf(l *loader.Loader, epoch int) *report {
	r, ok := l.Report(epoch)
	if !ok {
		return nil
	}
	return &report{r.Epoch, r.Batches, r.Samples, r.Failed, r.Quarantined, r.Damaged, r.Kinds, skippedOf(r.List)}
}

func skippedOf(list []loader.Skipped) []skipped {
	result := make([]skipped, len(list))
	for i := range list {
		k := &list[i]
		result[i] = skipped{k.Batch, k.Row, k.Sample, k.By, k.Quarantined, k.Kind(), ""}
		if k.Err != nil {
			result[i].Error = k.Err.Error()
		}
	}
	return result
}

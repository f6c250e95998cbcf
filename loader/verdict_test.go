package loader_test

import (
	"testing"
	"time"

	"github.com/betongo/betongo/loader"
)

// epochOf is an epoch of a second with two workers, changed by set.
func epochOf(set func(s *loader.Stats)) loader.Stats {
	s := loader.Stats{
		Epochs: 1, Batches: 100, Samples: 6400, Elapsed: time.Second, CPU: 2 * time.Second,
		Wait: 900 * time.Millisecond, Workers: 2, Processors: 2, Ahead: 3, Work: 2 * time.Second,
		Stages: []loader.StageStats{
			{Kind: loader.StageRead, Output: "image", What: "read", Time: 100 * time.Millisecond},
			{Kind: loader.StageDecode, Output: "image", What: "RandomResizedCrop", Time: 1800 * time.Millisecond},
			{Kind: loader.StageOp, Output: "image", What: "transform.Cutout", Time: 100 * time.Millisecond},
		},
	}
	set(&s)
	return s
}

func TestVerdict(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		set  func(s *loader.Stats)
		want string
	}{
		{"decode", func(s *loader.Stats) {},
			`decode-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 90 % of that with decoding "image"`},
		{"just too slow", func(s *loader.Stats) { s.Wait = 120 * ms },
			`decode-bound: the consumer waited 12 % of the time; 2 of 2 workers busy, 90 % of that with decoding "image"`},
		{"fast enough", func(s *loader.Stats) { s.Wait, s.Work = 49*ms, 700*ms },
			`consumer-bound: the consumer waited 5 % of the time; 0.7 of 2 workers busy`},
		{"no wait", func(s *loader.Stats) { s.Wait = 0 },
			`consumer-bound: the consumer waited 0 % of the time; 2 of 2 workers busy`},
		{"start", func(s *loader.Stats) { s.Wait, s.FirstWait = 320*ms, 300*ms },
			`start-bound: the consumer waited 32 % of the time; 2 of 2 workers busy; 300ms of it for the first batch, then 3 %`},
		{"order", func(s *loader.Stats) { s.Order, s.Wait, s.Work = 700*ms, 200*ms, 100*ms },
			`order-bound: the consumer waited 20 % of the time; 0.1 of 2 workers busy; its goroutine made the order 70 % of the time`},
		{"one worker of more processors", func(s *loader.Stats) { s.Workers, s.Processors, s.Work, s.Stages[1].Time = 1, 8, 1000*ms, 900*ms },
			`decode-bound: the consumer waited 90 % of the time; 1 of 1 workers busy, 90 % of that with decoding "image"; more Workers would help, Go may use 8 processors`},
		{"others on the machine", func(s *loader.Stats) { s.CPU = 900 * ms },
			`decode-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 90 % of that with decoding "image"; the process used 0.9 processors`},
		{"others, all of one", func(s *loader.Stats) { s.CPU = 1010 * ms },
			`decode-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 90 % of that with decoding "image"; the process used 1 processor`},
		{"bursts", func(s *loader.Stats) { s.Wait, s.Work, s.Ahead = 300*ms, 700*ms, 1 },
			`ahead-bound: the consumer waited 30 % of the time; 0.7 of 2 workers busy; BatchesAhead 1 is too few for a consumer that takes batches in bursts`},
		{"idle workers, but no burst", func(s *loader.Stats) { s.Wait, s.Work, s.Batches, s.Stages[1].Time = 820*ms, 1400*ms, 489, 1260*ms },
			`decode-bound: the consumer waited 82 % of the time; 1.4 of 2 workers busy, 90 % of that with decoding "image"`},
		{"read", func(s *loader.Stats) { s.Stages[0].Time, s.Stages[1].Time, s.MajorFaults = 1500*ms, 400*ms, 7 },
			`read-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 75 % of that with reading "image"; 7 pages came from files`},
		{"op", func(s *loader.Stats) { s.Stages[2].Time, s.Stages[1].Time = 1500*ms, 400*ms },
			`op-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 75 % of that with transform.Cutout of "image"`},
		{"copy", func(s *loader.Stats) {
			s.Stages = []loader.StageStats{{Kind: loader.StageCopy, Output: "x", What: "copy", Time: 2000 * ms}}
		}, `copy-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 100 % of that with copying "x"`},
		{"copy of a cold file", func(s *loader.Stats) {
			s.Stages = []loader.StageStats{{Kind: loader.StageCopy, Output: "x", What: "copy", Time: 2000 * ms}}
			s.MajorFaults = 5000
		}, `read-bound: the consumer waited 90 % of the time; 2 of 2 workers busy, 100 % of that with copying "x"; 5000 pages came from files`},
		{"a batch op", func(s *loader.Stats) {
			s.Work = 1000 * ms
			s.Stages = []loader.StageStats{{Kind: loader.StageBatchOp, Output: "image", What: "mix", Time: 600 * ms}}
		}, `serial-bound: the consumer waited 90 % of the time; 1 of 2 workers busy; 60 % of their work was "mix", which one worker does for a batch`},
		{"small batches", func(s *loader.Stats) { s.Work, s.Batches = 1000*ms, 20000 },
			`hand-over-bound: the consumer waited 90 % of the time; 1 of 2 workers busy; a batch takes 50µs, much of it to hand it over: a larger BatchSize helps`},
		{"no batch", func(s *loader.Stats) { s.Batches = 0 }, `no batch yet`},
		{"no epoch", func(s *loader.Stats) { *s = loader.Stats{Epoch: -1} }, `no epoch yet`},
	} {
		s := epochOf(c.set)
		if got := s.Verdict(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

package loader

import (
	"fmt"
	"math"
	"runtime"
	"time"
)

func processors() int { return runtime.GOMAXPROCS(0) }

// Bound is what holds an epoch up.
type Bound string

const (
	BoundNone     Bound = "nothing"   // no batch was handed out yet
	BoundConsumer Bound = "consumer"  // whoever takes the batches: the loader keeps up
	BoundStart    Bound = "start"     // the time to the first batch
	BoundOrder    Bound = "order"     // making the order, which no worker helps with
	BoundRead     Bound = "read"      // the dataset's bytes: the disk, the network
	BoundCopy     Bound = "copy"      // copying values: memory
	BoundDecode   Bound = "decode"    // decoders
	BoundOp       Bound = "op"        // operations
	BoundSerial   Bound = "serial"    // what one worker alone does for a whole batch
	BoundAhead    Bound = "ahead"     // too few batches are prepared for a consumer that takes them in bursts
	BoundHandOver Bound = "hand-over" // batches are so small that handing them over takes the time
)

// The limits of the rules below.
const (
	keptUp    = 0.05 // share of the time that a consumer may wait before it is the loader's fault
	muchShare = 0.25 // share from which something is worth blaming
	// faultTime is at least what the system takes to bring a page from a disk.
	faultTime = 100 * time.Microsecond
	handOver  = 500 * time.Microsecond // in so much less handing over a batch tells
)

// Bound tells what held the epoch up. The rules, in this order:
//
//   - the consumer waited less than 5 % of the time: the consumer
//   - without the wait for the first batch it did: the start
//   - the consumer's goroutine spent a quarter of the time or more on the order,
//     and more than it waited: the order
//   - the consumer was away for a quarter of the time or more, and workers had
//     nothing to do for as much, but not while it waited: too few batches ahead
//   - they had nothing to do for a quarter of its wait or more: what only one of
//     several can do for a batch, if that is a quarter of the work or more, or the
//     handing over, if a batch takes less than half a millisecond
//   - otherwise the kind of stage that most of their work went to. Copying from a
//     mapped file is reading, when the pages that the system had to bring account
//     for a quarter of it at a tenth of a millisecond each
func (s Stats) Bound() Bound {
	steady := ratio(s.Wait-s.FirstWait, s.Elapsed-s.FirstWait)
	switch {
	case s.Batches == 0:
		return BoundNone
	case ratio(s.Order, s.Elapsed) >= muchShare && s.Order > s.Wait:
		return BoundOrder
	case ratio(s.Wait, s.Elapsed) < keptUp:
		return BoundConsumer
	case steady < keptUp:
		return BoundStart
	}
	// What of the workers' idle time the consumer's being away can't be the cause of.
	all := time.Duration(s.Workers) * s.Elapsed
	idle := all - s.Work
	lost := idle - time.Duration(s.Workers)*(s.Elapsed-s.Wait)
	switch {
	case ratio(lost, time.Duration(s.Workers)*s.Wait) < muchShare:
		if away := s.Elapsed - s.Wait - s.Order; ratio(idle, all) >= muchShare && ratio(away, s.Elapsed) >= muchShare {
			return BoundAhead
		}
	case s.Workers > 1 && ratio(s.kind(StageLookUp)+s.kind(StageBatchOp), s.Work) >= muchShare:
		return BoundSerial
	case s.Elapsed/time.Duration(s.Batches) < handOver:
		return BoundHandOver
	}
	return s.work()
}

// work is what the workers mostly do.
func (s Stats) work() Bound {
	most, bound := time.Duration(-1), BoundHandOver
	for _, k := range []struct {
		Bound
		time time.Duration
	}{
		{BoundDecode, s.kind(StageDecode)},
		{BoundRead, s.kind(StageRead) + s.kind(StageLookUp)},
		{BoundCopy, s.kind(StageCopy)},
		{BoundOp, s.kind(StageOp) + s.kind(StageBatchOp)},
	} {
		if k.time > most {
			most, bound = k.time, k.Bound
		}
	}
	if bound == BoundCopy && time.Duration(s.MajorFaults)*faultTime >= time.Duration(muchShare*float64(most)) {
		return BoundRead
	}
	return bound
}

// kind is the time of all stages of a kind.
func (s Stats) kind(k StageKind) (sum time.Duration) {
	for i := range s.Stages {
		if s.Stages[i].Kind == k {
			sum += s.Stages[i].Time
		}
	}
	return sum
}

// busy is how many workers were, on average.
func (s Stats) busy() float64 { return ratio(s.Work, s.Elapsed) }

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(max(0, a)) / float64(b)
}

// Verdict says in a line what held the epoch up, and where it can, what helps:
//
//	decode-bound: the consumer waited 12 % of the time; 2 of 2 workers busy, 91 % of that with decoding "image"
func (s Stats) Verdict() string {
	bound := s.Bound()
	if bound == BoundNone {
		if s.Epoch < 0 {
			return "no epoch yet"
		}
		return "no batch yet"
	}
	line := fmt.Sprintf("%s-bound: the consumer waited %s of the time; %s of %d workers busy",
		bound, percent(ratio(s.Wait, s.Elapsed)), short(math.Min(s.busy(), float64(s.Workers))), s.Workers)
	if bound == BoundConsumer {
		return line
	}
	return line + s.why(bound)
}

// why is what belongs to one finding.
func (s Stats) why(bound Bound) string {
	switch bound {
	case BoundStart:
		return fmt.Sprintf("; %v of it for the first batch, then %s", s.FirstWait.Round(time.Microsecond), percent(ratio(s.Wait-s.FirstWait, s.Elapsed-s.FirstWait)))
	case BoundOrder:
		return fmt.Sprintf("; its goroutine made the order %s of the time", percent(ratio(s.Order, s.Elapsed)))
	case BoundSerial:
		t := s.largest(StageLookUp, StageBatchOp)
		return fmt.Sprintf("; %s of their work was %q, which one worker does for a batch", percent(ratio(t.Time, s.Work)), t.What)
	case BoundAhead:
		return fmt.Sprintf("; BatchesAhead %d is too few for a consumer that takes batches in bursts", s.Ahead)
	case BoundHandOver:
		each := s.Elapsed / time.Duration(s.Batches)
		return fmt.Sprintf("; a batch takes %v, much of it to hand it over: a larger BatchSize helps", each.Round(100*time.Nanosecond)) + s.processorsShort(true)
	case BoundRead:
		return s.ofWork(StageRead, StageLookUp, StageCopy) + fmt.Sprintf("; %d pages came from files", s.MajorFaults) + s.processorsShort(false)
	case BoundCopy:
		return s.ofWork(StageCopy) + s.processorsShort(true)
	case BoundDecode:
		return s.ofWork(StageDecode) + s.processorsShort(true)
	}
	return s.ofWork(StageOp, StageBatchOp) + s.processorsShort(true)
}

// ofWork names the largest stage of some kinds.
func (s Stats) ofWork(kinds ...StageKind) string {
	t := s.largest(kinds...)
	doing := map[StageKind]string{StageLookUp: "looking up", StageRead: "reading", StageCopy: "copying", StageDecode: "decoding"}[t.Kind]
	if doing == "" {
		doing = t.What + " of"
	}
	if t.Output != "" {
		doing += fmt.Sprintf(" %q", t.Output)
	}
	return fmt.Sprintf(", %s of that with %s", percent(ratio(t.Time, s.Work)), doing)
}

// largest is the stage of some kinds that took most.
func (s Stats) largest(kinds ...StageKind) (most StageStats) {
	for _, k := range kinds {
		for _, t := range s.Stages {
			if t.Kind == k && t.Time >= most.Time {
				most = t
			}
		}
	}
	return most
}

// processorsShort says where there are more or fewer processors than workers.
func (s Stats) processorsShort(computing bool) string {
	switch got := ratio(s.CPU, s.Elapsed); {
	case s.Workers < s.Processors:
		return fmt.Sprintf("; more Workers would help, Go may use %d processors", s.Processors)
	case !computing || s.CPU == 0 || got > (1-muchShare)*s.busy():
		return ""
	case short(got) == "1":
		return "; the process used 1 processor"
	default:
		return fmt.Sprintf("; the process used %s processors", short(got))
	}
}

// percent is a share in whole percents, or less than one.
func percent(x float64) string {
	if x > 0 && x < 0.01 {
		return "under 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*math.Min(x, 1))
}

// short is a number with a digit behind the point where there is one to tell.
func short(x float64) string {
	if r := math.Round(x); math.Abs(x-r) < 0.05 {
		return fmt.Sprintf("%.0f", r)
	}
	return fmt.Sprintf("%.1f", x)
}

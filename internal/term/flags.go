package term

import "fmt"

// Jobs is the flag of commands that work on several things at the same time.
type Jobs struct {
	Workers int `short:"j" default:"0" placeholder:"N" help:"How many samples are worked on at the same time; 0 (the default) is one a processor, and more from or to an object store."`
}

// Check refuses what can't be meant, as wrong usage.
func (j *Jobs) Check() error {
	if j.Workers < 0 {
		return Usage(fmt.Errorf("--workers: %d; expected 0 or more", j.Workers))
	}
	return nil
}

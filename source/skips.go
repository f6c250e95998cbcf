package source

import "fmt"

// skips are things that were left out, of which as many are named as somebody might
// read: archives and files of annotations may have millions.
type skips struct {
	list []Skip
	more int // that are not named
}

// maxReported bounds how many are named.
const maxReported = 10000

func (s *skips) add(path, reason string) {
	if len(s.list) >= maxReported {
		s.more++
		return
	}
	s.list = append(s.list, Skip{path, reason})
}

// join adds those of another list behind.
func (s *skips) join(o *skips) {
	n := min(len(o.list), maxReported-len(s.list))
	s.list = append(s.list, o.list[:n]...)
	s.more += len(o.list) - n + o.more
}

// all returns those that are named, and how many more things, called what, there are.
func (s *skips) all(what string) []Skip {
	if s.more == 0 {
		return s.list
	}
	return append(s.list[:len(s.list):len(s.list)], Skip{"…", fmt.Sprintf("%d more %s", s.more, what)})
}

package arrow

import "github.com/betongo/betongo/array"

// Adder is a writer that takes arrays one after another.
type Adder interface {
	Add(m array.Member) (array.Sink, error)
}

// AddAll adds arrays that are in memory.
func AddAll(w Adder, members []array.Member, arrays []array.Strided) error {
	for i, m := range members {
		s, err := w.Add(m)
		if err == nil {
			err = array.Copy(s, array.StreamOf(arrays[i], 0), nil)
		}
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

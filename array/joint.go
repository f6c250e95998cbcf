package array

// Member is an array in a file of arrays.
type Member struct {
	Name    string
	Spec    Spec           // Shape[0] may be -1 for a sink that learns the number of rows as it goes
	Fortran bool           // the elements lie in Fortran order in the file
	Attrs   map[string]any // what the format keeps beside the array; nil for none
}

// Stream gives an array's rows from front to back. It is not safe for
// concurrent use.
type Stream interface {
	// Next returns some rows of axis 0 in C order, at least one; io.EOF behind
	// the last. A scalar comes as one array of shape (). The bytes are borrowed
	// until the next call or Close.
	Next() (Array, error)
	Close() error
}

// Sink takes an array's rows from front to back. It is not safe for concurrent
// use.
type Sink interface {
	// Write takes some rows of axis 0 in C order, of the member's type and
	// other dimensions; a scalar as one array of shape (). The bytes are not
	// kept.
	Write(rows Array) error
	// Close says that the rows are complete. Fewer than the member's shape
	// tells are an error.
	Close() error
}

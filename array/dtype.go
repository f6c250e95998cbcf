package array

// DType names an element type.
type DType struct{ kind byte }

package ffcv

// Size returns the file's length in bytes.
func (f *File) Size() int64 { return f.src.Size() }

package resize

// New is a Resizer, one that does without assembly if plain is set.
func New(plain bool) *Resizer { return &Resizer{plain: plain} }

package engine

// Panic makes a request that panics, until the function it returns is called.
func Panic(name string) (undo func()) {
	handlers[name] = func(*conn, *request) error { panic("on purpose") }
	urgent[name+"-urgent"] = func(*conn, *request) error { panic("on purpose") }
	return func() {
		delete(handlers, name)
		delete(urgent, name+"-urgent")
	}
}

// MaxQueued is how many requests may wait for their answers.
const MaxQueued = maxQueued

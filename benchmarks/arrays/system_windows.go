package main

import "os"

// peak isn't known.
func peak(*os.ProcessState) float64 { return 0 }

package main

// adviseUsage is advice for a command line that is wrong.
func adviseUsage(args []string) string { return "" }

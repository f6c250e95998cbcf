//go:build !linux

package main

import "time"

func forget(string) error { return nil }

func cpuTime() time.Duration { return 0 }

func onDisk(string) int64 { return -1 }

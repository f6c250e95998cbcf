//go:build !linux

package main

func onDisk(string) int64 { return -1 }

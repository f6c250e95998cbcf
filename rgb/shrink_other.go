//go:build !amd64 || purego

package rgb

func shrinkRow(*float32, *byte, *int32, *[8]float32, int, int) { panic(noAssembly) }

func scaleRowAVX2(*float32, *float32, float32, int) { panic(noAssembly) }

func addRowAVX2(*float32, *float32, float32, int) { panic(noAssembly) }

func roundRowAVX2(*byte, *float32, int) { panic(noAssembly) }

//go:build !purego

package jpeg

// mcuLoop decodes the MCU's blocks from coefficient k of block i on; k 0 begins
// the block, otherwise last is where its last coefficient so far is. It returns
// early, with iOut less than the blocks, at a symbol that needs codes.symbol: of
// DC if kOut is 0, of AC otherwise.
//
//go:noescape
func mcuLoop(e *entropy, m *mcu, lasts *[maxBlocks + 1]uint8, i, k, last uint) (iOut, kOut, lastOut uint)

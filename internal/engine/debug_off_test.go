//go:build !betongodebug

package engine_test

// debugging is whether the loader takes new memory for every batch and never
// frees what was released.
const debugging = false

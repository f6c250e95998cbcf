//go:build unix

package advice_test

const full = true

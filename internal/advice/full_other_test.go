//go:build !unix

package advice_test

const full = false // the system says it by other numbers

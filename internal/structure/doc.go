// Package structure holds the tests that keep the project in order: which package may import which,
// what is documented, how long things are, whether the links of the documents lead somewhere. It
// has no code of its own, and knows nothing of time series.
//
// The tests read the files of the module themselves: the result of a test that asked another
// program about them would be cached over changes. Start at floors, the list of all packages.
package structure

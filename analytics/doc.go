// Package analytics is what can be asked of observations: the catalogue of functions, the mergeable
// states of those that make numbers out of many observations, and the pure kernels of those that
// make a series out of a series.
//
// It works on columns: stamps in Unix nanoseconds, rising, and beside them float64 values. It knows
// nothing of chunks on disk, of selectors, of windows of a calendar, or of how work is spread over
// cores: package query knows those. It never waits, reads no clock and starts no goroutine.
//
// Rules that hold for every function, unless its own documentation says otherwise:
//
//   - NaN marks a gap. It is skipped; only nans counts it.
//   - What is asked of no value at all is NaN; count, nans and distinct are 0.
//   - −0 counts as 0: min, max and percentiles never answer −0, and distinct counts it with 0.
//     first and last answer the very bits that were stored.
//   - ±Inf are values. They are ordered as one expects; a sum with one of them is infinite, with
//     both it is NaN, and what has no meaning beside an infinite value, such as a standard
//     deviation, is NaN.
//   - The answer does not depend on how observations were split into chunks, shards and workers,
//     except for the last bits of sums, means and deviations.
//
// Start at [Catalogue] for what there is, at [States] for how it is computed.
package analytics

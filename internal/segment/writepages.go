package segment

import (
	"fmt"
	"slices"
	"sort"
)

// closeSeries puts series with numbers below next, whose chunks are all written, into pages.
func (w *Writer) closeSeries(next int) error {
	if next <= w.base {
		return nil
	}
	sort.Slice(w.metas, func(a, b int) bool {
		x, y := &w.metas[a], &w.metas[b]
		return x.series < y.series || x.series == y.series && x.Span.Start < y.Span.Start
	})
	done := 0
	for w.base < next {
		o := &w.series[0]
		for done < len(w.metas) && w.metas[done].series == w.base {
			if len(w.page) == 0 {
				w.place = int64(len(w.ordinals))
			}
			w.page = append(w.page, w.metas[done].Meta)
			done++
			if len(w.page) == pageChunks {
				if err := w.endPage(); err != nil {
					return err
				}
			}
		}
		if o.used {
			w.ordinals = append(w.ordinals, o.Ordinal)
			w.names = append(w.names, o.Identity)
			if len(w.names) == pageSeries {
				if err := w.endNames(); err != nil {
					return err
				}
			}
		}
		w.series = w.series[1:]
		w.base++
	}
	w.metas = slices.Delete(w.metas, 0, done)
	return nil
}

// endPage writes the directory page in the making.
func (w *Writer) endPage() error {
	if len(w.page) == 0 {
		return nil
	}
	d := directoryPage{frame: len(w.index.frames), place: w.place, rows: int64(len(w.page))}
	for i := range w.page {
		d.span = d.span.Union(w.page[i].Span)
		w.index.observations += int64(w.page[i].Rows)
	}
	w.index.span = w.index.span.Union(d.span)
	w.index.chunks += d.rows
	w.index.directory = append(w.index.directory, d)
	w.scratch = appendDirectory(beginFrame(w.scratch[:0]), w.page, w.profile)
	w.page = w.page[:0]
	endFrame(w.scratch, 0, frameDirectory)
	return w.writeFrame(frameDirectory, w.scratch)
}

// endNames writes the series page in the making.
func (w *Writer) endNames() error {
	if len(w.names) == 0 {
		return nil
	}
	w.scratch = appendSeries(beginFrame(w.scratch[:0]), w.names, w.profile)
	w.names = w.names[:0]
	endFrame(w.scratch, 0, frameSeries)
	return w.writeFrame(frameSeries, w.scratch)
}

// writeLookups writes where each series is, by ordinal.
func (w *Writer) writeLookups() error {
	places := make([]uint32, len(w.ordinals))
	for i := range places {
		places[i] = uint32(i)
	}
	slices.SortFunc(places, func(a, b uint32) int {
		return int(int64(w.ordinals[a]) - int64(w.ordinals[b]))
	})
	for i := 0; i < len(places); i += pageLookups {
		var l lookups
		for k, p := range places[i:min(i+pageLookups, len(places))] {
			o := int64(w.ordinals[p])
			if k > 0 && o == l.ordinals[k-1] || k == 0 && i > 0 && o == int64(w.ordinals[places[i-1]]) {
				return fmt.Errorf("two series with the ordinal %d: %w", o, ErrOrder)
			}
			l.ordinals, l.places = append(l.ordinals, o), append(l.places, int64(p))
		}
		w.index.lookups = append(w.index.lookups, lookupPage{frame: len(w.index.frames), ordinal: l.ordinals[0]})
		w.scratch = appendLookups(beginFrame(w.scratch[:0]), l, w.profile)
		endFrame(w.scratch, 0, frameLookup)
		if err := w.writeFrame(frameLookup, w.scratch); err != nil {
			return err
		}
	}
	return nil
}

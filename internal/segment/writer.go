package segment

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"path"
	"runtime"
	"slices"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/vfs"
)

// ErrOrder is wrapped by every error that means: series or stamps came in the wrong order.
var ErrOrder = errors.New("wrong order")

// A Row is observations of one series on their way into a segment.
type Row struct {
	Ordinal  uint32 // the shard's, which stays for the life of the shard
	Identity chunk.Series
	Samples  chunk.Samples // sorted; kept until Finish, so not to be changed
}

// A Writer writes one segment. It is used by one goroutine; it encodes on several. The same calls
// make the same bytes.
type Writer struct {
	fs      vfs.FS
	path    string
	file    vfs.File
	out     *bufio.Writer
	profile codec.Profile
	err     error // the first one; nothing works after it

	series  []openSeries // from series number base on: those whose chunks are not all written
	base    int
	source  int // the number of the first series of the source that came last
	block   []piece
	values  int // observations in block
	first   int // the number of the first series of the source of block's first piece
	jobs    []*job
	blocks  int // numbers given out
	workers chan struct{}
	free    [][]byte

	metas    []openMeta     // of written blocks, not yet in a page
	page     []Meta         // the directory page in the making
	place    int64          // of its first chunk's series
	names    []chunk.Series // the series page in the making
	ordinals []uint32       // of all series, in source order
	index    index
	scratch  []byte
}

// An openSeries is a series whose chunks are not all written.
type openSeries struct {
	Row
	used bool  // it has an observation
	last int64 // its last stamp
}

// An openMeta is a Meta with the number of its series.
type openMeta struct {
	Meta
	series int
}

// A job is a block that is being encoded.
type job struct {
	number int
	first  int // the number of the first series whose chunks may be in this block or later ones
	pieces []piece
	rows   []chunk.BlockRow
	stats  []chunk.Stats
	whole  []bool // of chunks without statistics: they have no gaps
	frame  []byte
	err    error
	done   chan struct{}
}

// Create begins the segment that [Writer.Finish] will put at name, with a temporary file beside it.
// The profile Fast is for sealing, Dense for compaction.
func Create(fs vfs.FS, name string, p codec.Profile) (*Writer, error) {
	f, err := fs.Create(name + TemporarySuffix)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", name, err)
	}
	w := &Writer{
		fs: fs, path: name, file: f, out: bufio.NewWriterSize(f, 1<<18), profile: p,
		workers: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	_, w.err = w.out.Write(appendHeader(nil))
	return w, nil
}

// TemporarySuffix ends the names of unfinished segments. A crash leaves such files; they may be
// removed when no Writer is at work.
const TemporarySuffix = ".tmp"

// AddSource adds all series of one source, rising in the order of [chunk.Series.Compare], as
// sources must be from call to call. A source too large for the memory may come in several calls
// in a row: the first names all its series, some maybe without samples yet, and each call has
// later stamps of a series than the one before it. The columns of rows are read until Finish or
// Abort. Rows in the wrong order are refused with an error that wraps [ErrOrder], and change
// nothing; any other error ends the Writer.
func (w *Writer) AddSource(rows []Row) error {
	if w.err != nil || len(rows) == 0 {
		return w.err
	}
	pieces, err := w.enter(rows)
	if err != nil {
		return fmt.Errorf("segment %s: %w", w.path, err)
	}
	err = cut(pieces, w.addUnit)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("segment %s: %w", w.path, err)
	}
	return w.err
}

// enter checks rows and gives numbers to new series.
func (w *Writer) enter(rows []Row) ([]piece, error) {
	for i := range rows {
		s := &rows[i].Samples
		if s.Len() > 0 && (!s.Valid() || s.Kind != rows[i].Identity.Kind || !s.Sorted()) {
			return nil, fmt.Errorf("samples of %v: %w", rows[i].Identity.Dimensions, ErrOrder)
		}
		if i > 0 && (rows[i-1].Identity.Compare(rows[i].Identity) >= 0 || !rows[i].Identity.SameSource(rows[0].Identity)) {
			return nil, fmt.Errorf("%v after %v: %w", rows[i].Identity.Dimensions, rows[i-1].Identity.Dimensions, ErrOrder)
		}
	}
	next := w.base + len(w.series)
	if n := len(w.series); n > 0 {
		before := w.series[n-1].Identity
		if before.SameSource(rows[0].Identity) {
			return w.reenter(rows)
		}
		if before.Compare(rows[0].Identity) >= 0 {
			return nil, fmt.Errorf("%v after %v: %w", rows[0].Identity.Dimensions, before.Dimensions, ErrOrder)
		}
	}
	w.source = next
	pieces := make([]piece, 0, len(rows))
	for i, r := range rows {
		pieces = append(pieces, piece{series: next + i, samples: r.Samples})
		o := openSeries{Row: r}
		o.note(&r.Samples)
		o.Samples = chunk.Samples{}
		w.series = append(w.series, o)
	}
	return pieces, nil
}

// note notes that the series has s.
func (o *openSeries) note(s *chunk.Samples) {
	if n := s.Len(); n > 0 {
		o.used, o.last = true, s.Times[n-1]
	}
}

// reenter finds the numbers of rows of the source that came last.
func (w *Writer) reenter(rows []Row) ([]piece, error) {
	source := w.series[w.source-w.base:]
	pieces := make([]piece, 0, len(rows))
	for _, r := range rows {
		i, ok := slices.BinarySearchFunc(source, r.Identity, func(o openSeries, s chunk.Series) int { return o.Identity.Compare(s) })
		if !ok || source[i].Ordinal != r.Ordinal {
			return nil, fmt.Errorf("%v is new in a source that came before: %w", r.Identity.Dimensions, ErrOrder)
		}
		if r.Samples.Len() > 0 && source[i].used && r.Samples.Times[0] <= source[i].last {
			return nil, fmt.Errorf("%v: stamp %d after %d: %w", r.Identity.Dimensions, r.Samples.Times[0], source[i].last, ErrOrder)
		}
		pieces = append(pieces, piece{series: w.source + i, samples: r.Samples})
	}
	for k := range rows {
		source[pieces[k].series-w.source].note(&rows[k].Samples)
	}
	return pieces, nil
}

// addUnit adds chunks of one time column to the block, which it ends where they would overfill it.
// Too many for one block are parted evenly.
func (w *Writer) addUnit(unit []piece) error {
	values := 0
	for i := range unit {
		values += unit[i].samples.Len()
	}
	if w.values+values > blockFull || len(w.block)+len(unit) > blockChunks {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	longest := 1
	for i := range unit {
		longest = max(longest, unit[i].samples.Len())
	}
	fit := max(1, min(blockChunks, blockValues/longest))
	parts := (len(unit) + fit - 1) / fit
	for k := range parts {
		part := unit[k*len(unit)/parts : (k+1)*len(unit)/parts]
		if k > 0 {
			if err := w.endBlock(); err != nil {
				return err
			}
		}
		if len(w.block) == 0 {
			w.first = w.source
		}
		w.block = append(w.block, part...)
		for i := range part {
			w.values += part[i].samples.Len()
		}
	}
	return nil
}

// endBlock gives the block to a goroutine to encode. As many blocks are in memory as goroutines
// may run, and as many again: then the oldest is waited for, and written.
func (w *Writer) endBlock() error {
	if len(w.block) == 0 {
		return nil
	}
	j := &job{number: w.blocks, first: w.first, pieces: w.block, done: make(chan struct{})}
	w.blocks++
	w.block, w.values = make([]piece, 0, len(w.block)), 0
	j.rows = make([]chunk.BlockRow, len(j.pieces))
	for i, p := range j.pieces {
		j.rows[i] = chunk.BlockRow{Series: w.series[p.series-w.base].Ordinal, Samples: p.samples}
	}
	if n := len(w.free); n > 0 {
		j.frame, w.free = w.free[n-1][:0], w.free[:n-1]
	}
	w.jobs = append(w.jobs, j)
	go j.run(w.workers, w.profile)
	for len(w.jobs) > 2*cap(w.workers) {
		if err := w.writeOldest(); err != nil {
			return err
		}
	}
	return nil
}

// run encodes the block, when a worker is free.
func (j *job) run(workers chan struct{}, p codec.Profile) {
	defer close(j.done)
	workers <- struct{}{}
	defer func() { <-workers }()
	j.frame = beginFrame(j.frame)
	if j.frame, j.err = chunk.AppendBlock(j.frame, j.rows, p); j.err != nil {
		return
	}
	endFrame(j.frame, 0, frameBlock)
	j.stats, j.whole = make([]chunk.Stats, len(j.rows)), make([]bool, len(j.rows))
	for i := range j.rows {
		if j.rows[i].Samples.Len() >= statsRows {
			j.stats[i] = chunk.StatsOf(j.rows[i].Samples)
		} else {
			j.whole[i] = !slices.ContainsFunc(j.rows[i].Samples.Floats, math.IsNaN)
		}
	}
}

// writeOldest waits for the oldest job and writes its block, and the pages that are complete then.
func (w *Writer) writeOldest() error {
	j := w.jobs[0]
	w.jobs = slices.Delete(w.jobs, 0, 1)
	<-j.done
	if j.err != nil {
		return j.err
	}
	if err := w.closeSeries(j.first); err != nil {
		return err
	}
	if err := w.writeFrame(frameBlock, j.frame); err != nil {
		return err
	}
	for i := range j.rows {
		s := &j.rows[i].Samples
		n := s.Len()
		w.metas = append(w.metas, openMeta{series: j.pieces[i].series, Meta: Meta{
			Series: j.rows[i].Series, Kind: s.Kind, Rows: n, Span: chunk.SpanOf(s.Times[0], s.Times[n-1]),
			HasStats: n >= statsRows, NoGaps: j.whole[i], Stats: j.stats[i], Block: uint32(j.number), Index: uint32(j.rows[i].Index),
		}})
	}
	if cap(j.frame) <= 1<<20 {
		w.free = append(w.free, j.frame)
	}
	return nil
}

// writeFrame writes a frame and notes it in the index.
func (w *Writer) writeFrame(t frameType, f []byte) error {
	if len(f) > maxFrameLen {
		return fmt.Errorf("%v of %d bytes is too long", t, len(f))
	}
	w.index.add(t, len(f))
	_, err := w.out.Write(f)
	return err
}

// Finish writes what is left and puts the segment in its place, durably: when it returns without
// an error, a crash leaves the segment whole. After an error there is none, nor a temporary file.
func (w *Writer) Finish() error {
	if err := w.finish(); err != nil {
		w.Abort()
		return fmt.Errorf("segment %s: %w", w.path, err)
	}
	return nil
}

func (w *Writer) finish() error {
	if w.err != nil {
		return w.err
	}
	if err := w.writeRest(); err != nil {
		return err
	}
	offset := w.index.end()
	w.scratch = appendIndex(beginFrame(w.scratch[:0]), &w.index, w.profile)
	endFrame(w.scratch, 0, frameIndex)
	if _, err := w.out.Write(appendFooter(w.scratch, offset)); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	err := w.file.Close()
	w.file = nil
	if err != nil {
		return err
	}
	if err := w.fs.Rename(w.path+TemporarySuffix, w.path); err != nil {
		return err
	}
	if err := w.fs.SyncDir(path.Dir(w.path)); err != nil {
		return errors.Join(err, w.fs.Remove(w.path))
	}
	w.err = errors.New("segment is finished")
	return nil
}

// writeRest writes the blocks and pages that are still in memory.
func (w *Writer) writeRest() error {
	if err := w.endBlock(); err != nil {
		return err
	}
	for len(w.jobs) > 0 {
		if err := w.writeOldest(); err != nil {
			return err
		}
	}
	if err := w.closeSeries(w.base + len(w.series)); err != nil {
		return err
	}
	if err := w.endPage(); err != nil {
		return err
	}
	if err := w.endNames(); err != nil {
		return err
	}
	w.index.series = len(w.ordinals)
	return w.writeLookups()
}

// Abort gives the segment up and removes the temporary file. It does nothing after Finish.
func (w *Writer) Abort() {
	for _, j := range w.jobs {
		<-j.done
	}
	w.jobs = nil
	if w.file != nil {
		w.file.Close() //nolint:errcheck // the file is removed
		w.file = nil
		w.fs.Remove(w.path + TemporarySuffix) //nolint:errcheck // opening a shard removes what is left
	}
	if w.err == nil {
		w.err = errors.New("segment is given up")
	}
}

package shard

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
)

// The names of a manifest and of its second copy.
const (
	manifestName = "MANIFEST"
	manifestCopy = "MANIFEST.copy"
)

// ErrManifest is wrapped by every error that means: a manifest of the store is missing or damaged.
var ErrManifest = errors.New("corrupt manifest")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A manifest is text: lines of words, the first naming the format and its version, the last being
// "crc32c" and the checksum, in eight hexadecimal digits, of all lines before. It is written twice,
// as MANIFEST and then as MANIFEST.copy, each by vfs.WriteFile;
// what only the old state needs is removed after that. So one of the two can always be read, and
// its state is whole.

// writeManifest makes text, whose lines end in newlines, the manifest of dir. Its error wraps
// [vfs.ErrUnsure] where it may be so after all.
func writeManifest(fsys vfs.FS, dir string, text []byte) error {
	text = withChecksum(text)
	if err := vfs.WriteFile(fsys, path.Join(dir, manifestName), text); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := vfs.WriteFile(fsys, path.Join(dir, manifestCopy), text); err != nil {
		return fmt.Errorf("manifest: %w: %w", err, vfs.ErrUnsure)
	}
	return nil
}

// withChecksum returns text with its last line.
func withChecksum(text []byte) []byte {
	return fmt.Appendf(text, "crc32c %08x\n", crc32.Checksum(text, castagnoli))
}

// readManifest returns the lines of the manifest of dir but the last one. Where a copy is damaged,
// damage says so; where the second is not as the first, stale asks to write both anew. Where there
// is neither, the error wraps fs.ErrNotExist and not ErrManifest.
func readManifest(fsys vfs.FS, dir string) (lines []string, stale bool, damage, err error) {
	first, err1 := readManifestFile(fsys, path.Join(dir, manifestName))
	second, err2 := readManifestFile(fsys, path.Join(dir, manifestCopy))
	if errors.Is(err1, ErrManifest) || errors.Is(err1, fs.ErrNotExist) && err2 == nil {
		damage = err1
	} else if errors.Is(err2, ErrManifest) {
		damage = err2
	}
	switch {
	case err1 == nil:
		return first, err2 != nil || !slices.Equal(first, second), damage, nil
	case err2 == nil && damage != nil:
		return second, true, damage, nil
	}
	return nil, false, nil, errors.Join(err1, err2)
}

// mendManifestCopy writes the manifest of dir anew where its copy does not hold the same text: a
// crash may have come between the two.
func mendManifestCopy(fsys vfs.FS, dir string, text []byte) error {
	lines, err := readManifestFile(fsys, path.Join(dir, manifestCopy))
	if err == nil && strings.Join(lines, "\n")+"\n" == string(text) {
		return nil
	}
	if err != nil && !errors.Is(err, ErrManifest) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeManifest(fsys, dir, text)
}

func readManifestFile(fsys vfs.FS, name string) ([]string, error) {
	data, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	at := bytes.LastIndex(data, []byte("crc32c "))
	if at < 0 {
		return nil, fmt.Errorf("%s: no checksum: %w", name, ErrManifest)
	}
	if want := fmt.Sprintf("crc32c %08x\n", crc32.Checksum(data[:at], castagnoli)); want != string(data[at:]) {
		return nil, fmt.Errorf("%s: checksum: %w", name, ErrManifest)
	}
	return strings.Split(strings.TrimSuffix(string(data[:at]), "\n"), "\n"), nil
}

// A setManifest says what was fixed when a store was created.
type setManifest struct {
	shards    int
	partition int64 // nanoseconds
}

const setFormat = "chronodex store 1"

func (m setManifest) text() []byte {
	return fmt.Appendf(nil, "%s\nshards %d\npartition %d\n", setFormat, m.shards, m.partition)
}

// maxShards bounds the shards of a set.
const maxShards = 1024

func parseSetManifest(lines []string) (m setManifest, err error) {
	if lines[0] != setFormat {
		return m, fmt.Errorf("format %q, want %q: %w", lines[0], setFormat, ErrManifest)
	}
	for _, line := range lines[1:] {
		word, rest, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(rest, 10, 64)
		switch {
		case err != nil:
			return m, fmt.Errorf("%q: %w", line, ErrManifest)
		case word == "shards":
			m.shards = int(n)
		case word == "partition":
			m.partition = n
		}
	}
	if m.shards < 1 || m.shards > maxShards || m.partition < 1 {
		return m, fmt.Errorf("%d shards, partitions of %d ns: %w", m.shards, m.partition, ErrManifest)
	}
	return m, nil
}

// A manifest is the durable state of one shard, but for what its log says after floor.
type manifest struct {
	generation uint64 // rises with each one written
	next       uint32 // ordinal of the next new series
	floor      uint64 // the log's records up to this number are in segments
	synced     uint64 // the log's records up to this number were synced: if they lack, they are lost
	file       uint64 // number of the last segment file
	segments   []segmentEntry
	deletions  []deletion
}

// A segmentEntry is a segment in the manifest.
type segmentEntry struct {
	file      uint64 // its number, which names the file
	partition int64  // the stamps of it are in the partition of this number
	seq       uint64 // the last record of the log in it
	applied   uint64 // deletions up to this number are applied in it
	level     int    // 0 as sealed; compacted once or more: 1, and it is dense
	bytes     int64
}

const shardFormat = "chronodex shard 1"

func (m *manifest) text() []byte {
	b := fmt.Appendf(nil, "%s\ngeneration %d\nnext %d\nfloor %d\nsynced %d\nfile %d\n",
		shardFormat, m.generation, m.next, m.floor, m.synced, m.file)
	for _, s := range m.segments {
		b = fmt.Appendf(b, "segment %d %d %d %d %d %d\n", s.file, s.partition, s.seq, s.applied, s.level, s.bytes)
	}
	for _, d := range m.deletions {
		b = fmt.Appendf(b, "deletion %d %d %d %s\n", d.seq, d.span.Start, d.span.End,
			base64.StdEncoding.EncodeToString(appendOrdinals(nil, d.series)))
	}
	return b
}

func parseManifest(lines []string) (*manifest, error) {
	if lines[0] != shardFormat {
		return nil, fmt.Errorf("format %q, want %q: %w", lines[0], shardFormat, ErrManifest)
	}
	m := new(manifest)
	for _, line := range lines[1:] {
		if err := m.parseLine(line); err != nil {
			return nil, fmt.Errorf("%.80q: %w: %w", line, err, ErrManifest)
		}
	}
	return m, nil
}

func (m *manifest) parseLine(line string) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "generation":
		m.generation, err = strconv.ParseUint(rest, 10, 64)
	case "next":
		var n uint64
		n, err = strconv.ParseUint(rest, 10, 32)
		m.next = uint32(n)
	case "floor":
		m.floor, err = strconv.ParseUint(rest, 10, 64)
	case "synced":
		m.synced, err = strconv.ParseUint(rest, 10, 64)
	case "file":
		m.file, err = strconv.ParseUint(rest, 10, 64)
	case "segment":
		var s segmentEntry
		_, err = fmt.Sscanf(rest, "%d %d %d %d %d %d", &s.file, &s.partition, &s.seq, &s.applied, &s.level, &s.bytes)
		m.segments = append(m.segments, s)
	case "deletion":
		var d deletion
		var text string
		if _, err = fmt.Sscanf(rest, "%d %d %d %s", &d.seq, &d.span.Start, &d.span.End, &text); err != nil {
			return err
		}
		var raw []byte
		if raw, err = base64.StdEncoding.DecodeString(text); err == nil {
			d.series, err = parseOrdinals(raw)
		}
		m.deletions = append(m.deletions, d)
	default:
		err = errors.New("unknown word")
	}
	return err
}

// loadManifest returns the manifest of the shard in dir; the rest is as of readManifest.
func loadManifest(fsys vfs.FS, dir string) (m *manifest, stale bool, damage, err error) {
	lines, stale, damage, err := readManifest(fsys, dir)
	if err != nil {
		return nil, false, nil, err
	}
	if m, err = parseManifest(lines); err != nil {
		return nil, false, nil, fmt.Errorf("%s: %w", path.Join(dir, manifestName), err)
	}
	return m, stale, damage, nil
}

// partitionOf returns the number of the partition that holds stamp t.
func partitionOf(t, width int64) int64 {
	n := t / width
	if t < 0 && n*width != t {
		n--
	}
	return n
}

// partitionSpan returns the stamps of partition n. The last one has no end.
func partitionSpan(n, width int64) chunk.Span {
	s := chunk.Span{Start: chunk.Always.Start, End: chunk.Always.End}
	if n > partitionOf(chunk.Always.Start, width) {
		s.Start = n * width
	}
	if n < partitionOf(chunk.Always.End, width) {
		s.End = (n + 1) * width
	}
	return s
}

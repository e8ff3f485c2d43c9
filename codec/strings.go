package codec

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// How the bytes of strings are compressed. Numbers are stored, and never reused.
const (
	bytesStored = 0
	bytesS2     = 1
	bytesZstd   = 2
)

// EncodeStrings encodes one column of strings, of at most [MaxRows] and at most 1 GiB together.
func EncodeStrings(values []string, p Profile) Column {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.profile = p
	ids := make([]int64, len(values))
	index := make(map[string]int64)
	var words []string
	for i, v := range values {
		id, ok := index[v]
		if !ok {
			id = int64(len(words))
			index[v] = id
			words = append(words, v)
		}
		ids[i] = id
	}
	if len(words) > len(values)/2 {
		return Column{Encoding: encPlain, Data: e.words(nil, values)}
	}
	data := e.stream(nil, []int64{int64(len(words))}, 0)
	data = e.stream(data, ids, 0)
	return Column{Encoding: encDict, Data: e.words(data, words)}
}

// words appends strings: a stream of their lengths, and their bytes.
func (e *encoder) words(dst []byte, words []string) []byte {
	lengths := make([]int64, len(words))
	total := 0
	for i, w := range words {
		lengths[i] = int64(len(w))
		total += len(w)
	}
	dst = e.stream(dst, lengths, 0)
	all := make([]byte, 0, total)
	for _, w := range words {
		all = append(all, w...)
	}
	how, packed := byte(bytesStored), all
	if total >= 64 {
		if t := s2.Encode(nil, all); len(t) < len(packed)*15/16 {
			how, packed = bytesS2, t
		}
		if e.profile == Dense {
			if t := zstdEncoded(all); len(t) < len(packed)*15/16 {
				how, packed = bytesZstd, t
			}
		}
	}
	return append(append(dst, how), packed...)
}

// zstdEncoders and zstdDecoders are costly to make. Their options are valid, so neither fails.
var zstdEncoders = sync.Pool{New: func() any {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	return w
}}

var zstdDecoders = sync.Pool{New: func() any {
	d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(1<<20), zstd.WithDecodeAllCapLimit(true))
	return d
}}

func zstdEncoded(b []byte) []byte {
	w := zstdEncoders.Get().(*zstd.Encoder)
	defer zstdEncoders.Put(w)
	return w.EncodeAll(b, nil)
}

// DecodeStrings appends n strings, which do not alias c.Data but share memory with one another,
// to dst. It fails as [DecodeInts] does, and takes memory for what the column holds: at most
// 1024 times its size.
func DecodeStrings(dst []string, c Column, n int) ([]string, error) {
	if c.Encoding != encDict && c.Encoding != encPlain || c.Ref != NoRef || n < 0 || n > MaxRows {
		return dst, fmt.Errorf("strings: encoding %d, reference %d, %d rows: %w", c.Encoding, c.Ref, n, ErrCorrupt)
	}
	r := newReader(c.Data)
	defer r.free()
	out := slices.Grow(dst, n)
	if c.Encoding == encPlain {
		out = r.words(out, n)
	} else {
		out = r.dictWords(out, n)
	}
	if r.bad {
		return dst, fmt.Errorf("strings: %d rows of %d bytes: %w", n, len(c.Data), ErrCorrupt)
	}
	return out, nil
}

func (r *reader) dictWords(dst []string, n int) []string {
	var count [1]int64
	r.stream(count[:], 0)
	if uint64(count[0]) > uint64(n) || r.bad {
		r.fail()
		return dst
	}
	ids := grown(&r.top, n)
	r.stream(ids, 0)
	words := r.words(nil, int(count[0]))
	for _, id := range ids {
		if uint64(id) >= uint64(len(words)) {
			r.fail()
			return dst
		}
		dst = append(dst, words[id])
	}
	return dst
}

// maxRatio is how much larger than its bytes a decompressed text may be.
const maxRatio = 1024

// words decodes n strings, the last of a column.
func (r *reader) words(dst []string, n int) []string {
	lengths := grown(&r.other, n)
	r.stream(lengths, 0)
	how := r.byte()
	total, limit := 0, len(r.rest)
	if how != bytesStored {
		limit *= maxRatio
	}
	for _, l := range lengths {
		if uint64(l) > uint64(limit-total) {
			r.fail()
			return dst
		}
		total += int(l)
	}
	if r.bad {
		return dst
	}
	text, ok := inflate(how, r.rest, total)
	if !ok {
		r.fail()
		return dst
	}
	for _, l := range lengths {
		dst = append(dst, text[:l])
		text = text[l:]
	}
	return dst
}

// inflate undoes the compression of a text of that many bytes.
func inflate(how byte, packed []byte, total int) (string, bool) {
	switch how {
	case bytesStored:
		return string(packed), len(packed) == total
	case bytesS2:
		if n, err := s2.DecodedLen(packed); err != nil || n != total {
			return "", false
		}
		text, err := s2.Decode(nil, packed)
		return string(text), err == nil && len(text) == total
	case bytesZstd:
		d := zstdDecoders.Get().(*zstd.Decoder)
		defer zstdDecoders.Put(d)
		text, err := d.DecodeAll(packed, make([]byte, 0, total))
		return string(text), err == nil && len(text) == total
	}
	return "", false
}

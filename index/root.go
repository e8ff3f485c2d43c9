package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"github.com/blevesearch/bleve/v2/util"
	zap "github.com/blevesearch/zapx/v16"
	bolt "go.etcd.io/bbolt"
)

// Files of an index of Bleve's, beside the segments.
const (
	metaName      = "index_meta.json"
	metaRival     = "index_meta.json_temp" // which Bleve believes more, and which is never made here
	storeName     = "store"
	rootName      = "root.bolt"
	segmentSuffix = ".zap"
)

// metaText is what an index_meta.json has for a scorch index.
const metaText = `{"storage":"boltdb","index_type":"scorch"}`

// mappingText tells Bleve's own search how the fields were made: those of dimensions have the whole
// values, and w, where a query without a field looks, has words.
const mappingText = `{"default_mapping":{"enabled":true,"dynamic":true,"properties":{` +
	`"w":{"enabled":true,"dynamic":false,"fields":[{"type":"text","analyzer":"standard","index":true}]}}},` +
	`"type_field":"_type","default_type":"_default","default_analyzer":"keyword",` +
	`"default_datetime_parser":"dateTimeOptional","default_field":"w",` +
	`"store_dynamic":false,"index_dynamic":true,"docvalues_dynamic":false}`

// Numbers of the root. Bolt takes any page size that is a power of two from 1 KiB on, and wants a
// file of at least 4 KiB.
const (
	rootEpoch    = 1
	rootPageSize = 1 << 10
	rootMinBytes = 4 << 10
	rootTime     = "1970-01-01T00:00:00Z" // of the snapshot; a fixed one, for equal roots of equal lists
)

// writeRoot makes the bolt database path, in which scorch looks for the segments: with one
// snapshot, of those given. Nobody but its readers ever opens it again; a new one takes its place.
//
// In the bucket s there is one for the snapshot, named by its epoch, and in that one: m, of what
// kind the segments are; i, internal values, among them the mapping; and one for each segment,
// named by its number, with its file p and the deleted documents d.
func writeRoot(path string, segments []manifestSegment, durable bool) error {
	err := os.WriteFile(path, emptyBolt(), 0o666)
	if err == nil {
		err = fillRoot(path, segments)
	}
	if err == nil && durable {
		err = syncFile(path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", rootName, err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// emptyBolt is a database of nothing, as bbolt itself begins a file; but bbolt then waits for the
// disk, which here is done once, in the end. Numbers have the order of bytes of the machine.
func emptyBolt() []byte {
	const (
		magic, version                   = 0xED0CDAED, 2
		metaPage, freePage, leafPage     = 4, 16, 2 // kinds of pages
		freeAt, leafAt, pages, sumLength = 2, 3, 4, 56
	)
	order := binary.NativeEndian
	data := make([]byte, pages*rootPageSize)
	for i, kind := range []uint16{metaPage, metaPage, freePage, leafPage} {
		page := data[i*rootPageSize:]
		order.PutUint64(page, uint64(i))
		order.PutUint16(page[8:], kind)
		if kind != metaPage {
			continue
		}
		meta := page[16:]
		order.PutUint32(meta, magic)
		order.PutUint32(meta[4:], version)
		order.PutUint32(meta[8:], rootPageSize)
		order.PutUint64(meta[16:], leafAt)
		order.PutUint64(meta[32:], freeAt)
		order.PutUint64(meta[40:], pages)
		order.PutUint64(meta[48:], uint64(i)) // the transaction
		sum := fnv.New64a()
		sum.Write(meta[:sumLength])
		order.PutUint64(meta[sumLength:], sum.Sum64())
	}
	return data
}

func fillRoot(path string, segments []manifestSegment) error {
	db, err := bolt.Open(path, 0o666, &bolt.Options{PageSize: rootPageSize, NoSync: true, NoGrowSync: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		all, err := tx.CreateBucket(util.BoltSnapshotsBucket)
		if err != nil {
			return err
		}
		snapshot, err := all.CreateBucket(ascending(rootEpoch))
		if err != nil {
			return err
		}
		return fillSnapshot(snapshot, segments)
	})
	size := int64(0)
	if err == nil {
		err = db.View(func(tx *bolt.Tx) error {
			size = max(tx.Size(), rootMinBytes)
			return nil
		})
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

func fillSnapshot(snapshot *bolt.Bucket, segments []manifestSegment) error {
	err := put(snapshot, util.BoltMetaDataKey, map[string][]byte{
		string(util.BoltMetaDataSegmentTypeKey):    []byte(zap.Type),
		string(util.BoltMetaDataSegmentVersionKey): binary.BigEndian.AppendUint32(nil, zap.Version),
		string(util.BoltMetaDataFileWriterIDKey):   {},
		string(util.BoltMetaDataTimeStamp):         []byte(rootTime),
	})
	if err != nil {
		return err
	}
	err = put(snapshot, util.BoltInternalKey, map[string][]byte{string(util.MappingInternalKey): []byte(mappingText)})
	for i := range segments {
		if err != nil {
			return err
		}
		s := &segments[i]
		values := map[string][]byte{string(util.BoltPathKey): []byte(s.File)}
		if len(s.Deleted) > 0 {
			values[string(util.BoltDeletedKey)] = s.Deleted
		}
		err = put(snapshot, ascending(s.number()), values)
	}
	return err
}

// put makes a bucket of values.
func put(in *bolt.Bucket, name []byte, values map[string][]byte) error {
	b, err := in.CreateBucket(name)
	for key, value := range values {
		if err != nil {
			return err
		}
		err = b.Put([]byte(key), value)
	}
	return err
}

// ascending is how scorch writes numbers, so that they sort: a byte with the number, or one with
// the length of what follows.
func ascending(v uint64) []byte {
	const zero, most, longest = 136, 109, 253
	if v <= most {
		return []byte{zero + byte(v)}
	}
	b := binary.BigEndian.AppendUint64(nil, v)
	for b[0] == 0 {
		b = b[1:]
	}
	return append([]byte{longest - 8 + byte(len(b))}, b...)
}

// writeMeta makes the file from which Bleve knows what kind of index it opens.
func writeMeta(path string, durable bool) error {
	return createFile(path, durable, func(w io.Writer) error {
		_, err := io.WriteString(w, metaText)
		return err
	})
}

// removeAny removes a file, if there is one.
func removeAny(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// storePath is where a segment, or the root, of the index in dir is.
func storePath(dir, name string) string { return filepath.Join(dir, storeName, name) }

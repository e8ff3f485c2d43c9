package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/internal/vfs"
)

func TestTar(t *testing.T) {
	w, ctx := newWorld(t, 30), context.Background()
	w.work(25)
	var stream bytes.Buffer
	b, err := backup.WriteTar(ctx, w.set, &stream, backup.Options{})
	must(t, err)
	want := dump(t, w.set)
	if c, err := backup.CheckTar(bytes.NewReader(stream.Bytes())); err != nil || c.Files != b.Files {
		t.Errorf("check: %+v, %v", c, err)
	}
	got, err := backup.RestoreTar(ctx, bytes.NewReader(stream.Bytes()), "new", backup.Options{FS: w.fsys})
	must(t, err)
	if got.Files != b.Files || got.Bytes != b.Bytes || !got.Taken.Equal(b.Taken) {
		t.Errorf("%+v, wrote %+v", got, b)
	}
	set := w.open(w.fsys, "new")
	same(t, "from the stream", dump(t, set), want)
	must(t, set.Close())
	if _, err := backup.RestoreTar(ctx, &stream, "store", backup.Options{FS: w.fsys}); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("into the store: %v", err)
	}
}

// A stream that is cut or changed anywhere is refused, and makes no store.
func TestTarDamaged(t *testing.T) {
	w, ctx := newWorld(t, 31), context.Background()
	w.work(8)
	var stream bytes.Buffer
	_, err := backup.WriteTar(ctx, w.set, &stream, backup.Options{})
	must(t, err)
	end := bytes.LastIndex(stream.Bytes(), []byte("sha256 ")) + 72
	for at := 0; at < end; at += 1 + w.rng.IntN(stream.Len()/40) {
		cut := stream.Bytes()[:at]
		changed := bytes.Clone(stream.Bytes())
		changed[at] ^= 1 << w.rng.IntN(8)
		for what, data := range map[string][]byte{"cut": cut, "changed": changed} {
			fsys := vfs.NewMem()
			_, checked := backup.CheckTar(bytes.NewReader(data))
			b, err := backup.RestoreTar(ctx, bytes.NewReader(data), "new", backup.Options{FS: fsys})
			if (err == nil) != (checked == nil) {
				t.Errorf("%s at %d: checked %v, restored %v", what, at, checked, err)
			}
			if err == nil && what == "changed" { // in what means nothing, such as padding or a time
				set := w.open(fsys, "new")
				same(t, "changed", dump(t, set), dump(t, w.set))
				must(t, set.Close())
				continue
			}
			if err == nil || vfs.Exists(fsys, "new/MANIFEST") {
				t.Fatalf("%s at %d of %d: %v, %v", what, at, stream.Len(), b, err)
			}
		}
	}
}

func FuzzRestoreTar(f *testing.F) {
	entry := func(name, text string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Format: tar.FormatPAX})
		_, _ = io.WriteString(w, text)
		_ = w.Close()
		return b.Bytes()
	}
	f.Add(entry("MANIFEST", "x"))
	f.Add(entry("BACKUP", "chronodex backup 1\n"))
	f.Add(entry("../../etc/passwd", "x"))
	f.Add(entry("shard-0000/../../00000001.seg", "x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := vfs.NewMem()
		_, err := backup.RestoreTar(context.Background(), bytes.NewReader(data), "new", backup.Options{FS: fsys})
		if err == nil {
			t.Fatal("no fuzzer finds a SHA-256")
		}
		if names, _ := fsys.List("."); len(names) > 1 {
			t.Fatalf("files beside the folder: %v", names)
		}
	})
}

package replication

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

// flushStep is after how many bytes what was written is sent to the disk. If
// all of it came at once, at the end, the log's own fsyncs would wait for it.
const flushStep = 4 << 20

// roomStep is after how many bytes a sink looks again whether there is room.
const roomStep = 64 << 20

var errSnapshotSequence = errors.New("snapshot: write after attach, or use after close")

// snapshotSink receives one snapshot: the bytes first, then the files that
// are attached. Nothing is visible before Close has made all of it durable.
// It is used by one goroutine.
type snapshotSink struct {
	store *snapshotStore
	dir   string // the unfinished folder
	meta  snapshotMeta

	file    *os.File // data
	buf     *bufio.Writer
	data    snapshotFile
	checked int64 // data.Size at the last look at the disk
	flushed int64 // how much of the file was sent to the disk
	known   knownParts
	closed  bool
}

func newSnapshotSink(s *snapshotStore, meta snapshotMeta) (*snapshotSink, error) {
	k := &snapshotSink{
		store: s, meta: meta, data: snapshotFile{Name: snapshotDataFile},
		dir: filepath.Join(s.dir, meta.ID+snapshotTmp),
	}
	f, err := os.OpenFile(filepath.Join(k.dir, snapshotDataFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create snapshot: %w", err), os.RemoveAll(k.dir))
	}
	k.file, k.buf = f, bufio.NewWriterSize(f, 256<<10)
	return k, nil
}

// ID implements raft.SnapshotSink.
func (k *snapshotSink) ID() string { return k.meta.ID }

// Write implements io.Writer; not after Attach.
func (k *snapshotSink) Write(b []byte) (int, error) {
	if k.closed || len(k.meta.Files) > 0 {
		return 0, errSnapshotSequence
	}
	n, err := k.buf.Write(b)
	k.data.Sum = crc32.Update(k.data.Sum, castagnoli, b[:n])
	k.data.Size += int64(n)
	if err == nil && k.data.Size-k.checked >= roomStep {
		k.checked = k.data.Size
		err = k.store.checkRoom()
	}
	if err == nil && k.data.Size-k.flushed >= flushStep {
		err = k.flushSome()
	}
	return n, err
}

// flushSome sends what was written since the last call to the disk, without
// making it durable.
func (k *snapshotSink) flushSome() error {
	if err := k.buf.Flush(); err != nil {
		return err
	}
	from := k.flushed
	k.flushed = k.data.Size
	return writeBack(k.file, from, k.flushed-from)
}

// Close implements raft.SnapshotSink: it makes the snapshot durable and
// visible, or removes it. It has no effect after Close or Cancel.
func (k *snapshotSink) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	defer func() { k.store.unpin(k.known.ids...) }()
	if err := k.finish(); err != nil {
		return errors.Join(fmt.Errorf("finish snapshot %s: %w", k.meta.ID, err), os.RemoveAll(k.dir))
	}
	return nil
}

func (k *snapshotSink) finish() error {
	err := k.buf.Flush()
	if err == nil {
		err = k.file.Sync()
	}
	if err := errors.Join(err, k.file.Close()); err != nil {
		return err
	}
	if len(k.meta.Files) == 0 {
		k.meta.Files = append(k.meta.Files, k.data)
	}
	if err := k.meta.write(k.dir); err != nil {
		return err
	}
	if err := syncDir(k.dir); err != nil {
		return err
	}
	if err := os.Rename(k.dir, strings.TrimSuffix(k.dir, snapshotTmp)); err != nil {
		return err
	}
	return syncDir(k.store.dir)
}

// Cancel implements raft.SnapshotSink. It has no effect after Close or Cancel.
func (k *snapshotSink) Cancel() error {
	if k.closed {
		return nil
	}
	k.closed = true
	k.store.unpin(k.known.ids...)
	return errors.Join(k.file.Close(), os.RemoveAll(k.dir))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

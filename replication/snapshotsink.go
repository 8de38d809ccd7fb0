package replication

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
	known   []knownPart
	closed  bool
}

// knownPart is an attached file of an older snapshot. The same inode holds
// the same bytes: its checksum need not be computed again, and still tells
// whether the file has been damaged since.
type knownPart struct {
	info os.FileInfo
	sum  uint32
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

// Attach appends the whole content of the file at path, which nobody may ever
// change again. It becomes a hard link, or a copy where there can be none.
func (k *snapshotSink) Attach(path string) error {
	if k.closed {
		return errSnapshotSequence
	}
	if len(k.meta.Files) == 0 {
		k.meta.Files = append(k.meta.Files, k.data)
		k.findKnown()
	}
	name := fmt.Sprintf("%03d.part", len(k.meta.Files))
	to := filepath.Join(k.dir, name)
	var part snapshotFile
	err := k.store.link(path, to)
	switch {
	case err == nil:
		part, err = k.inspect(to)
	case cannotLink(err):
		part, err = k.copyFile(path, to)
	}
	if err != nil {
		return fmt.Errorf("attach %s to a snapshot: %w", path, err)
	}
	part.Name = name
	k.meta.Files = append(k.meta.Files, part)
	return nil
}

// cannotLink tells the errors after which a copy is the answer: another file
// system, too many links, or a file system without links.
func cannotLink(err error) bool {
	for _, e := range []error{syscall.EXDEV, syscall.EMLINK, syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// findKnown collects the parts of older snapshots.
func (k *snapshotSink) findKnown() {
	metas, err := k.store.intact()
	if err != nil {
		return // every file is read, then
	}
	for _, m := range metas {
		for _, f := range m.Files[1:] {
			if info, err := os.Stat(filepath.Join(k.store.dir, m.ID, f.Name)); err == nil {
				k.known = append(k.known, knownPart{info: info, sum: f.Sum})
			}
		}
	}
}

// inspect makes a linked file durable and takes its size and checksum.
func (k *snapshotSink) inspect(path string) (part snapshotFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return part, err
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return part, err
	}
	for _, old := range k.known {
		if os.SameFile(old.info, info) {
			return snapshotFile{Size: info.Size(), Sum: old.sum}, nil
		}
	}
	if err := f.Sync(); err != nil {
		return part, err
	}
	sum := crc32.New(castagnoli)
	if part.Size, err = io.Copy(sum, f); err != nil {
		return part, err
	}
	part.Sum = sum.Sum32()
	return part, nil
}

func (k *snapshotSink) copyFile(from, to string) (part snapshotFile, err error) {
	if err := k.store.checkRoom(); err != nil {
		return part, err
	}
	src, err := os.Open(from)
	if err != nil {
		return part, err
	}
	defer src.Close() // only read
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return part, err
	}
	sum := crc32.New(castagnoli)
	part.Size, err = io.Copy(io.MultiWriter(dst, sum), src)
	if err == nil {
		err = dst.Sync()
	}
	part.Sum = sum.Sum32()
	return part, errors.Join(err, dst.Close())
}

// Close implements raft.SnapshotSink: it makes the snapshot durable and
// visible, or removes it. It has no effect after Close or Cancel.
func (k *snapshotSink) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	if err := k.finish(); err != nil {
		return errors.Join(fmt.Errorf("finish snapshot %s: %w", k.meta.ID, err), os.RemoveAll(k.dir))
	}
	if err := k.store.reap(); err != nil {
		k.store.log.Warn("old snapshots could not be removed", "error", err)
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

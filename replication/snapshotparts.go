package replication

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Attach appends the first size bytes of f, which nobody may ever change
// again; what is appended to f later is not part of the snapshot. f must be
// open for reading and stays the caller's. It becomes a hard link, so that its
// bytes are on the disk once, or a copy of the bytes where there can be none,
// or where the name f was opened by is no longer its name.
func (k *snapshotSink) Attach(f *os.File, size int64) error {
	if k.closed {
		return errSnapshotSequence
	}
	if len(k.meta.Files) == 0 {
		k.meta.Files = append(k.meta.Files, k.data)
		k.known = k.store.knownParts()
	}
	part, err := k.attach(f, snapshotFile{Name: fmt.Sprintf("%03d.part", len(k.meta.Files)), Size: size})
	if err != nil {
		return fmt.Errorf("attach %s to a snapshot: %w", f.Name(), err)
	}
	k.meta.Files = append(k.meta.Files, part)
	return nil
}

// attach makes the file of a part and returns the part with its checksum.
func (k *snapshotSink) attach(f *os.File, part snapshotFile) (snapshotFile, error) {
	info, err := f.Stat()
	if err != nil {
		return part, err
	}
	if part.Size < 0 || info.Size() < part.Size {
		return part, fmt.Errorf("%d bytes of a file of %d", part.Size, info.Size())
	}
	to := filepath.Join(k.dir, part.Name)
	linked, err := k.link(f.Name(), to, info)
	if err != nil {
		return part, err
	}
	if linked {
		part.Sum, err = k.known.inspect(f, info, part.Size)
	} else {
		part.Sum, err = k.copyFile(f, part.Size, to)
	}
	return part, err
}

// link links the file with this name and reports whether that is the file it
// should be: it may have been renamed, replaced or removed since it was opened.
func (k *snapshotSink) link(from, to string, should os.FileInfo) (bool, error) {
	if err := k.store.link(from, to); err != nil {
		if cannotLink(err) {
			return false, nil
		}
		return false, err
	}
	info, err := os.Lstat(to)
	if err != nil {
		return false, err
	}
	if os.SameFile(info, should) {
		return true, nil
	}
	return false, os.Remove(to)
}

// cannotLink tells the errors after which a copy is the answer: the name is
// gone, another file system, too many links, or a file system without links.
func cannotLink(err error) bool {
	for _, e := range []error{fs.ErrNotExist, syscall.EXDEV, syscall.EMLINK, syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// copyFile makes a durable copy of the first size bytes of f and returns their
// checksum.
func (k *snapshotSink) copyFile(f *os.File, size int64, to string) (sum uint32, err error) {
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	var room int64 // how many bytes may still be written before the next look at the disk
	err = eachStep(f, 0, size, func(b []byte) error {
		if room <= 0 {
			room = roomStep
			if err := k.store.checkRoom(); err != nil {
				return err
			}
		}
		room -= int64(len(b))
		sum = crc32.Update(sum, castagnoli, b)
		_, err := dst.Write(b)
		return err
	}, dst)
	if err == nil {
		err = dst.Sync()
	}
	return sum, errors.Join(err, dst.Close())
}

// attachBuffer is how much of a file is read at once.
const attachBuffer = 256 << 10

// eachStep calls fn with the bytes of f from offset from up to offset to, in
// order, and after every flushStep bytes sends those of written to the disk.
func eachStep(f io.ReaderAt, from, to int64, fn func(b []byte) error, written *os.File) error {
	buf := make([]byte, min(attachBuffer, to-from))
	for at, flushed := from, from; at < to; {
		b := buf[:min(int64(len(buf)), to-at)]
		if n, err := f.ReadAt(b, at); n < len(b) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // it was truncated a moment ago
			}
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
		at += int64(len(b))
		if at-flushed >= flushStep {
			if err := writeBack(written, flushed, at-flushed); err != nil {
				return err
			}
			flushed = at
		}
	}
	return nil
}

// knownParts are the attached files of older snapshots, by the ids of these.
// They are pinned, so that none of their files can be mistaken for a newer one
// that was given its place on the disk.
type knownParts struct {
	ids   []string
	parts []knownPart
}

// knownPart is an attached file of an older snapshot. The same file holds the
// same bytes: the checksum of those need not be computed again, and still
// tells whether they have been damaged since.
type knownPart struct {
	info os.FileInfo
	size int64
	sum  uint32
}

// knownParts collects the parts of the snapshots there are and pins these.
func (s *snapshotStore) knownParts() knownParts {
	var k knownParts
	metas, err := s.intact()
	if err != nil {
		return k // every file is read, then
	}
	for _, m := range metas {
		s.pin(m.ID)
		k.ids = append(k.ids, m.ID)
		for _, f := range m.Files[1:] {
			if info, err := os.Lstat(filepath.Join(s.dir, m.ID, f.Name)); err == nil {
				k.parts = append(k.parts, knownPart{info: info, size: f.Size, sum: f.Sum})
			}
		}
	}
	return k
}

// find returns the longest known beginning of the file, at most size bytes of it.
func (k *knownParts) find(info os.FileInfo, size int64) (best knownPart) {
	for _, p := range k.parts {
		if p.size <= size && p.size >= best.size && os.SameFile(p.info, info) {
			best = p
		}
	}
	return best
}

// inspect makes the first size bytes of f durable and returns their checksum.
// It reads only those that no older snapshot has.
func (k *knownParts) inspect(f *os.File, info os.FileInfo, size int64) (uint32, error) {
	old := k.find(info, size)
	if old.info != nil && old.size == size {
		return old.sum, nil // durable already
	}
	sum := old.sum
	err := eachStep(f, old.size, size, func(b []byte) error {
		sum = crc32.Update(sum, castagnoli, b)
		return nil
	}, f)
	if err != nil {
		return 0, err
	}
	return sum, f.Sync()
}

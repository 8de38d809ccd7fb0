package replication

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// snapshotReader reads the files of a snapshot as one stream. The last bytes
// of a file are handed out only after its checksum was found right: whoever
// counts bytes, like a follower that installs the stream, never has a whole
// snapshot with a wrong byte in it.
type snapshotReader struct {
	dir   string
	files []snapshotFile // the one being read and those that follow
	file  *os.File       // nil before the first read of files[0]
	left  int64          // bytes of it to come
	sum   uint32         // of those that came
	err   error          // sticks
	once  sync.Once
	unpin func()
}

func newSnapshotReader(dir string, files []snapshotFile, unpin func()) *snapshotReader {
	return &snapshotReader{dir: dir, files: files, unpin: unpin}
}

// Read implements io.Reader.
func (r *snapshotReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		n, err := r.read(p)
		if r.err = err; n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

// read returns no bytes with an error, and no bytes without one at the end of a file.
func (r *snapshotReader) read(p []byte) (int, error) {
	if len(r.files) == 0 {
		return 0, io.EOF
	}
	if r.file == nil {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := 0
	if r.left > 0 {
		var err error
		n, err = r.file.Read(p[:min(int64(len(p)), r.left)])
		if err != nil {
			return 0, r.failed(err)
		}
	}
	r.left -= int64(n)
	r.sum = crc32.Update(r.sum, castagnoli, p[:n])
	if r.left > 0 {
		return n, nil
	}
	if r.sum != r.files[0].Sum {
		return 0, r.failed(errors.New("wrong checksum"))
	}
	err := r.file.Close()
	r.file, r.files = nil, r.files[1:]
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (r *snapshotReader) next() (err error) {
	if r.file, err = os.Open(filepath.Join(r.dir, r.files[0].Name)); err != nil {
		return r.failed(err)
	}
	r.left, r.sum = r.files[0].Size, 0
	return nil
}

func (r *snapshotReader) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %s of %s: %w", errSnapshotDamaged, r.files[0].Name, filepath.Base(r.dir), err)
}

// Close implements io.Closer: the snapshot may be removed now.
func (r *snapshotReader) Close() (err error) {
	r.once.Do(func() {
		if r.file != nil {
			err = r.file.Close()
		}
		r.file, r.err = nil, os.ErrClosed
		r.unpin()
	})
	return err
}

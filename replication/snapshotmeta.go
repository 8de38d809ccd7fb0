package replication

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
)

const (
	snapshotFormat        = 1
	snapshotVersionOfRaft = 1
	maxSnapshotMeta       = 16 << 20
)

var errSnapshotDamaged = errors.New("snapshot is damaged")

// snapshotMeta is what meta.json says of a snapshot.
type snapshotMeta struct {
	Format             int                  `json:"format"`
	ID                 string               `json:"id"`
	Version            raft.SnapshotVersion `json:"version"`
	Index              uint64               `json:"index"`
	Term               uint64               `json:"term"`
	Configuration      raft.Configuration   `json:"configuration"`
	ConfigurationIndex uint64               `json:"configuration_index"`
	Files              []snapshotFile       `json:"files"` // in the order of their content: data, then the parts
}

// snapshotFile is one file of a snapshot and how to recognise it.
type snapshotFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`   // bytes of it that are the snapshot's, from the first
	Sum  uint32 `json:"crc32c"` // of these
}

// sealedMeta is the file: the meta data's bytes and their checksum.
type sealedMeta struct {
	Meta json.RawMessage `json:"snapshot"`
	Sum  uint32          `json:"crc32c"`
}

func (m snapshotMeta) size() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func (m snapshotMeta) raft() *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: m.Version, ID: m.ID, Index: m.Index, Term: m.Term,
		Configuration: m.Configuration, ConfigurationIndex: m.ConfigurationIndex,
		Size: m.size(),
	}
}

// write creates meta.json in dir, durably.
func (m snapshotMeta) write(dir string) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b, err = json.Marshal(sealedMeta{Meta: b, Sum: crc32.Checksum(b, castagnoli)})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, snapshotMetaFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readSnapshotMeta reads and checks a snapshot's meta data, and that every
// file is there in full. It does not read the files. What was attached may
// have grown since, behind the bytes that are the snapshot's.
func readSnapshotMeta(dir, id string) (snapshotMeta, error) {
	var m snapshotMeta
	path := filepath.Join(dir, id, snapshotMetaFile)
	info, err := os.Stat(path)
	if err != nil {
		return m, err
	}
	if info.Size() > maxSnapshotMeta {
		return m, fmt.Errorf("%w: meta data of %d bytes", errSnapshotDamaged, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if m, err = decodeSnapshotMeta(b); err != nil {
		return m, err
	}
	if m.ID != id {
		return m, fmt.Errorf("%w: meta data of %s", errSnapshotDamaged, m.ID)
	}
	for i, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, id, f.Name))
		if err != nil {
			return m, err
		}
		if info.Size() < f.Size || i == 0 && info.Size() != f.Size {
			return m, fmt.Errorf("%w: %s has %d bytes of %d", errSnapshotDamaged, f.Name, info.Size(), f.Size)
		}
	}
	return m, nil
}

func decodeSnapshotMeta(b []byte) (snapshotMeta, error) {
	var m snapshotMeta
	var sealed sealedMeta
	if err := json.Unmarshal(b, &sealed); err != nil {
		return m, fmt.Errorf("%w: %w", errSnapshotDamaged, err)
	}
	if crc32.Checksum(sealed.Meta, castagnoli) != sealed.Sum {
		return m, fmt.Errorf("%w: checksum of its meta data", errSnapshotDamaged)
	}
	if err := json.Unmarshal(sealed.Meta, &m); err != nil {
		return m, fmt.Errorf("%w: %w", errSnapshotDamaged, err)
	}
	if m.Format != snapshotFormat || m.Version != snapshotVersionOfRaft {
		return m, fmt.Errorf("snapshot of format %d and version %d is not known", m.Format, m.Version)
	}
	if len(m.Files) == 0 || m.Files[0].Name != snapshotDataFile {
		return m, fmt.Errorf("%w: meta data without %s", errSnapshotDamaged, snapshotDataFile)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name || f.Size < 0 {
			return m, fmt.Errorf("%w: file %q", errSnapshotDamaged, f.Name)
		}
	}
	return m, nil
}

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile is what the process that holds a data directory has locked.
const lockFile = "LOCK"

// dataDir is a data directory that this process holds alone.
type dataDir struct {
	path string
	lock *os.File
}

// openDataDir makes path if need be, locks it, and refuses it when another
// process holds it or when the room left is under the reserve. Whose
// directory it is, the log knows and checks.
func openDataDir(path string, free func(string) (uint64, error)) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &dataDir{path: path}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := enoughRoom(path, free); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// acquire takes the lock file. The kernel gives it back when the process
// ends in whatever way, so a stale lock does not exist.
func (d *dataDir) acquire() error {
	f, err := os.OpenFile(filepath.Join(d.path, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("data directory %s is in use by another process", d.path)
		}
		return fmt.Errorf("lock data directory %s: %w", d.path, err)
	}
	d.lock = f
	return nil
}

func (d *dataDir) close() error { return d.lock.Close() }

func enoughRoom(path string, free func(string) (uint64, error)) error {
	left, err := free(path)
	if err != nil {
		return fmt.Errorf("room in data directory %s: %w", path, err)
	}
	if left < diskReserve {
		return fmt.Errorf("data directory %s has %d MiB left, %d MiB are needed", path, left>>20, diskReserve>>20)
	}
	return nil
}

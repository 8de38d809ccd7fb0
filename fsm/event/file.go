package event

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
)

// writeFile makes the file at path with what fill writes. It is there whole
// and durable, or not at all.
func writeFile(path string, fill func(io.Writer) error) error {
	tmp := path + ".tmp"
	defer os.Remove(tmp) // after a success there is nothing to remove
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	defer f.Close() // after a success it is closed already
	w := bufio.NewWriterSize(f, 4*blockSize)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Package durable makes files durable.
package durable

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Tmp is what the name of a file ends in that is not whole. After a crash
// there may be some; they are to be removed.
const Tmp = ".tmp"

const bufferBytes = 256 << 10

// Write makes the file at path with what fill writes. It is there whole and
// durable, or not at all.
func Write(path string, fill func(io.Writer) error) error { return WriteBy(os.Rename, path, fill) }

// WriteBy is Write with another rename, which may refuse to put the file in
// its place.
func WriteBy(rename func(from, to string) error, path string, fill func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*"+Tmp)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a success there is nothing to remove
	w := bufio.NewWriterSize(f, bufferBytes)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

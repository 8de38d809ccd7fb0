package vector

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/kissvdb/kissvdb/fsm/durable"
)

// Commit puts the restored collections in the place of the store's. The caller
// excludes readers. After an error the store must not be used further; a start
// from the same snapshot finds, or reads, all it needs.
func (x *Restore) Commit() error {
	s := x.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.collections {
		c.upkeep.drop()
		if err := c.data.Load().file.release(); err != nil {
			return fmt.Errorf("vector: restore: %w", err)
		}
	}
	if s.cfg.Dir != "" {
		if err := x.move(); err != nil {
			return fmt.Errorf("vector: restore: %w", err)
		}
	}
	collections := make(map[string]*collection, len(x.collections))
	for _, one := range x.collections {
		one.c.data.Store(one.data)
		collections[one.c.name] = one.c
	}
	clear(s.collections)
	maps.Copy(s.collections, collections)
	s.keeper.wake()
	return nil
}

// move removes the folders of collections that are no more, and moves those
// that were read into place.
func (x *Restore) move() error {
	entries, err := os.ReadDir(x.s.cfg.Dir)
	if err != nil {
		return err
	}
	kept := map[string]bool{restoreDir: true}
	for _, one := range x.collections {
		kept[one.c.name] = one.local
	}
	for _, e := range entries {
		if kept[e.Name()] || strings.HasPrefix(e.Name(), droppedPrefix) {
			continue
		}
		// The maintenance may be busy in it still.
		path := x.s.dirOf(fmt.Sprintf("%s%d", droppedPrefix, rand.Uint64()))
		if err := os.Rename(x.s.dirOf(e.Name()), path); err != nil {
			return err
		}
		x.s.keeper.discard(path)
	}
	for _, one := range x.collections {
		if one.local {
			continue
		}
		if err := os.Rename(one.stage, one.c.dir); err != nil {
			return err
		}
		if err := one.data.file.reopen(filepath.Join(one.c.dir, fileName)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(x.s.dirOf(restoreDir)); err != nil {
		return err
	}
	return durable.SyncDir(x.s.cfg.Dir)
}

// Discard gives the restore up. The store is as it was, but that files of a
// start, which are loaded once more then, may have been cut.
func (x *Restore) Discard() error {
	var errs []error
	for _, one := range x.collections {
		if one.data != nil {
			errs = append(errs, one.data.file.release())
		}
	}
	if x.s.cfg.Dir != "" {
		errs = append(errs, os.RemoveAll(x.s.dirOf(restoreDir)))
	}
	return errors.Join(errs...)
}

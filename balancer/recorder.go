package balancer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// recordDir is where recordings are, in the state directory.
const recordDir = "record"

// Bounds of what is recorded: a file is followed by the next when it has
// recordFile bytes, and the oldest are deleted for the sake of the newest.
const (
	recordFile  = 16 << 20
	recordMost  = 256 << 20
	recordFiles = 64
)

// recorder keeps what decisions rested on, a snapshot a line, for virtbalance
// replay. It is a convenience: nothing waits for it to be durable, and what it
// cannot write is missing.
type recorder struct {
	dir  string
	file *os.File
	size int64
	// failing: the last line could not be written.
	failing bool
}

// keep records one decision and what it rested on, if that is wanted.
func (b *Balancer) keep(v policy.View, d policy.Decision) {
	if !b.tuning.Load().Record {
		b.recorder.close()
		return
	}
	s := policy.SnapshotOf(v)
	s.Decided = policy.DecidedOf(d)
	err := b.recorder.write(v.Now, s)
	if err != nil && !b.recorder.failing {
		b.log.Warn("recording interrupted: see record in the configuration", "err", err)
	}
	b.recorder.failing = err != nil
}

// write appends a line, to the next file if this one is full.
func (r *recorder) write(now time.Time, s policy.Snapshot) error {
	line, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	line = append(line, '\n')
	if r.file != nil && r.size+int64(len(line)) > recordFile {
		r.close()
	}
	if r.file == nil {
		if err := r.next(now); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	if _, err := r.file.Write(line); err != nil {
		err = errors.Join(err, r.file.Truncate(r.size)) // whole lines only
		r.close()
		return fmt.Errorf("record: %w", err)
	}
	r.size += int64(len(line))
	return nil
}

// next begins a file, and makes room for it.
func (r *recorder) next(now time.Time) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	if err := r.trim(); err != nil {
		return err
	}
	name := now.UTC().Format("2006-01-02T150405.000Z") + policy.RecordSuffix
	f, err := os.OpenFile(filepath.Join(r.dir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.size = f, info.Size()
	return nil
}

// trim deletes the oldest files until there is room for one more.
func (r *recorder) trim() error {
	names, err := filepath.Glob(filepath.Join(r.dir, "*"+policy.RecordSuffix))
	if err != nil {
		return err
	}
	slices.Sort(names) // by time
	total, sizes := int64(recordFile), make([]int64, len(names))
	for i, name := range names {
		if info, err := os.Stat(name); err == nil {
			sizes[i] = info.Size()
		}
		total += sizes[i]
	}
	for i, name := range names {
		if total <= recordMost && len(names)-i < recordFiles {
			break
		}
		if err := os.Remove(name); err != nil {
			return err
		}
		total -= sizes[i]
	}
	return nil
}

func (r *recorder) close() {
	if r.file != nil {
		_ = r.file.Close() // what was written is with the kernel
	}
	r.file, r.size = nil, 0
}

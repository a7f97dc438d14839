package disaster

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"

	"github.com/virtbalance/virtbalance/balancer"
)

var (
	errFull  = errors.New("no space left on device")
	errCrash = errors.New("the process was killed here")
)

// disk is the disk of one host. What has not been synced when the host crashes
// is there, is there in part, or is not.
type disk struct {
	rng   *rand.Rand
	files map[string]*file
	full  bool
	// lies has Sync do nothing: a planted bug.
	lies bool
	// crashIn counts down the syncs until one in the middle of which the
	// process is killed; zero is never.
	crashIn int
	// crashed: the process was killed within a call.
	crashed bool
}

// file has a content that is durable and one that programs see.
type file struct {
	durable, seen []byte
	// writes since the last sync, in order.
	writes []write
}

// write is one change of a file: data at an offset, or a new size.
type write struct {
	at   int64
	data []byte // nil: truncate to at
}

func (w write) apply(content []byte) []byte {
	if w.data == nil {
		if int64(len(content)) > w.at {
			content = content[:w.at]
		}
		return content
	}
	if grow := w.at + int64(len(w.data)) - int64(len(content)); grow > 0 {
		content = append(content, make([]byte, grow)...)
	}
	copy(content[w.at:], w.data)
	return content
}

func newDisk(rng *rand.Rand) *disk { return &disk{rng: rng, files: map[string]*file{}} }

// crash makes of every file what a crash leaves: of the writes since the last
// sync any number from the first on, the last of them perhaps torn. A write of
// several pages may have reached the disk in any of them.
func (d *disk) crash() {
	names := make([]string, 0, len(d.files))
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := d.files[name]
		for _, w := range f.writes {
			if d.rng.IntN(3) == 0 {
				break
			}
			if w.data != nil && d.rng.IntN(3) == 0 {
				f.durable = d.tear(f.durable, w)
				break
			}
			f.durable = w.apply(f.durable)
		}
		f.writes = nil
		f.seen = slices.Clone(f.durable)
	}
	d.crashed, d.crashIn = false, 0
}

// tear applies some of the pages of a write.
func (d *disk) tear(content []byte, w write) []byte {
	const page = 4096
	if d.rng.IntN(2) == 0 { // a prefix
		return write{w.at, w.data[:d.rng.IntN(len(w.data)+1)]}.apply(content)
	}
	for at := int64(0); at < int64(len(w.data)); {
		end := min(int64(len(w.data)), (w.at+at)/page*page+page-w.at)
		if d.rng.IntN(2) == 0 {
			content = write{w.at + at, w.data[at:end]}.apply(content)
		}
		at = end
	}
	return content
}

// Open implements balancer.Disk.
func (d *disk) Open(name string) (balancer.File, error) {
	if d.files[name] == nil {
		if d.full {
			return nil, errFull
		}
		d.files[name] = &file{}
	}
	return handle{d, d.files[name]}, nil
}

// ReadFile implements balancer.Disk.
func (d *disk) ReadFile(name string) ([]byte, error) {
	f := d.files[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(f.seen), nil
}

// Replace implements balancer.Disk.
func (d *disk) Replace(name string, content []byte) error {
	if d.full {
		return errFull
	}
	if d.countdown() && d.rng.IntN(2) == 0 { // before the rename
		return errCrash
	}
	d.files[name] = &file{durable: slices.Clone(content), seen: slices.Clone(content)}
	if d.crashed {
		return errCrash
	}
	return nil
}

// countdown reports whether the process is killed within this call.
func (d *disk) countdown() bool {
	if d.crashIn > 0 {
		if d.crashIn--; d.crashIn == 0 {
			d.crashed = true
		}
	}
	return d.crashed
}

// handle is an open file.
type handle struct {
	d *disk
	f *file
}

// ReadAt implements io.ReaderAt.
func (h handle) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(h.f.seen)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.seen[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. A full disk takes a part.
func (h handle) WriteAt(p []byte, at int64) (int, error) {
	data, err := slices.Clone(p), error(nil)
	if h.d.full {
		data, err = data[:h.d.rng.IntN(len(data)+1)], errFull
	}
	h.change(write{at, data})
	return len(data), err
}

// Truncate implements balancer.File.
func (h handle) Truncate(size int64) error {
	h.change(write{at: size})
	return nil
}

func (h handle) change(w write) {
	h.f.writes = append(h.f.writes, w)
	h.f.seen = w.apply(h.f.seen)
}

// Sync implements balancer.File.
func (h handle) Sync() error {
	if h.d.lies {
		return nil
	}
	if h.d.countdown() {
		return errCrash // of what was written, the crash decides
	}
	for _, w := range h.f.writes {
		h.f.durable = w.apply(h.f.durable)
	}
	h.f.writes = h.f.writes[:0]
	return nil
}

// Close implements io.Closer.
func (h handle) Close() error { return nil }

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CPUReader reads CPU counters often and cheaply: one open file, one pread a
// reading, no allocation. It is not safe for use by several goroutines.
type CPUReader struct {
	path string
	fd   int
	buf  []byte
}

// OpenCPU opens stat for repeated reading and reads it once to learn how much
// of it has to be read each time.
func (f FS) OpenCPU() (*CPUReader, error) {
	s, err := f.Stat()
	if err != nil {
		return nil, err
	}
	path := f.path("stat")
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	// A generous length of a CPU line (a name, ten counters); too little
	// costs one more read, later, and nothing else.
	const lineMax = 160
	return &CPUReader{path: path, fd: fd, buf: make([]byte, (s.CPU.Online+8)*lineMax)}, nil
}

// Read returns the counters as they are now. It allocates only to report an
// error, or when so many CPUs came online that they no longer fit.
func (r *CPUReader) Read() (CPU, error) {
	for {
		n, err := r.pread()
		if err != nil {
			return CPU{}, &os.PathError{Op: "read", Path: r.path, Err: err}
		}
		if n == 0 {
			return CPU{}, fmt.Errorf("read %s: the file is empty: %w", r.path, ErrNoData)
		}
		c, err := parseCPU(r.path, r.buf[:n])
		if n == len(r.buf) && n < readMax && onlyCPULines(r.buf, c.Online) {
			r.buf = make([]byte, 2*len(r.buf))
			continue
		}
		return c, err
	}
}

// readMax ends the growth of the buffer on a file that is not what it says.
const readMax = 1 << 22

// onlyCPULines reports whether b ends before the CPU lines do.
func onlyCPULines(b []byte, online int) bool {
	return bytes.Count(b, newline) <= online+1
}

var newline = []byte{'\n'}

// pread is a single system call on purpose: os.File.ReadAt asks again for the
// end of the file, and the kernel would then build the whole text twice.
func (r *CPUReader) pread() (int, error) {
	for {
		n, err := unix.Pread(r.fd, r.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return n, err
	}
}

// Close closes the file.
func (r *CPUReader) Close() error { return unix.Close(r.fd) }

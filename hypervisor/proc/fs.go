package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultRoot is where Linux mounts the proc file system.
const DefaultRoot = "/proc"

// ErrNoData says that this host does not offer the fact that was asked for,
// for example pressure on a kernel without CONFIG_PSI. It is an answer, not a
// fault: test for it with errors.Is.
var ErrNoData = errors.New("no data")

// ParseError says which line of which file could not be understood.
type ParseError struct {
	Path string
	Line int // counted from 1
	What string
}

// Error implements error as "path:line: what".
func (e *ParseError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.What)
}

// FS reads host facts below one root. It holds no open files and may be used
// from several goroutines.
type FS struct {
	root string
}

// New returns an FS below root; an empty root means DefaultRoot.
func New(root string) FS {
	if root == "" {
		root = DefaultRoot
	}
	return FS{root: root}
}

// Root returns the directory that the FS reads below.
func (f FS) Root() string { return f.root }

func (f FS) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// read returns the whole of a file. The os error already names the path.
func (f FS) read(name string) (string, []byte, error) {
	path := f.path(name)
	b, err := os.ReadFile(path)
	return path, b, err
}

// noData reports whether err means that the kernel does not offer the file:
// it is not there, or opening it is refused because the feature is switched
// off (psi=0 answers EOPNOTSUPP).
func noData(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EOPNOTSUPP)
}

// word returns the trimmed first line of a file that holds a single value.
func (f FS) word(name string) (string, error) {
	path, b, err := f.read(name)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSpace(line)
	if line == "" {
		return "", &ParseError{Path: path, Line: 1, What: "the line is empty"}
	}
	return line, nil
}

// parseCount reads an unsigned decimal number without allocating. ok is false
// for anything else, overflow included.
func parseCount(b []byte) (n uint64, ok bool) {
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// cutField returns the first field of b and what follows it. Fields are
// separated by spaces or tabs.
func cutField(b []byte) (field, rest []byte) {
	i := 0
	for i < len(b) && isBlank(b[i]) {
		i++
	}
	j := i
	for j < len(b) && !isBlank(b[j]) {
		j++
	}
	return b[i:j], b[j:]
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// cutLine returns the first line of b without its newline, and the rest.
// whole is false when b ends before a newline does.
func cutLine(b []byte) (line, rest []byte, whole bool) {
	return bytes.Cut(b, []byte{'\n'})
}

// quote shortens a field so that an error stays one readable line.
func quote(b []byte) string {
	const shown = 40
	if len(b) > shown {
		return strconv.Quote(string(b[:shown])) + "..."
	}
	return strconv.Quote(string(b))
}

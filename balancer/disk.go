package balancer

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Disk holds what must survive the daemon: a few files, by name.
type Disk interface {
	// Open opens a file for reading and writing, and makes it if it is not
	// there; its name is then durable.
	Open(name string) (File, error)
	// ReadFile returns the content of a file; fs.ErrNotExist if there is none.
	ReadFile(name string) ([]byte, error)
	// Replace gives a file new content in one step: whoever reads it, even
	// after a crash, finds the old content or the new. On return it is durable.
	Replace(name string, content []byte) error
}

// File is an open file. What was written is durable once Sync has returned nil.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// directory is the disk that daemons use.
type directory string

func (d directory) path(name string) string { return filepath.Join(string(d), name) }

func (d directory) Open(name string) (File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(string(d)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d directory) ReadFile(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

func (d directory) Replace(name string, content []byte) error {
	return writeFile(d.path(name), content)
}

// writeFile replaces a file in one step: whoever reads it, even after a crash,
// finds the old content or the new.
func writeFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyBytes is the length of a gossip key: AES-256.
const keyBytes = 32

// makeKey tells how to make a gossip key, once for the whole cluster.
const makeKey = `"virtbalance bootstrap" makes one with the configuration, "virtbalance keygen" or "openssl rand -base64 32" one alone; put the same on every host, mode 0600`

// GossipKeyFile returns where the gossip keys are: gossip.key_file; if that is
// empty, the systemd credential gossip.key where there is one, else
// /etc/virtbalanced/gossip.key. A blank credential counts as none: that is how a
// unit makes one optional. getenv is os.Getenv or stands for it.
func (c Config) GossipKeyFile(getenv func(string) string) string {
	if c.Gossip.KeyFile != "" {
		return c.Gossip.KeyFile
	}
	if dir := getenv("CREDENTIALS_DIRECTORY"); dir != "" { // systemd.exec(5), LoadCredential=
		path := filepath.Join(dir, "gossip.key")
		data, err := os.ReadFile(path)
		absent := errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0
		if !absent {
			return path
		}
	}
	return "/etc/virtbalanced/gossip.key"
}

// GossipKeys returns the keys of the cluster, the primary first; none, without
// an error, if gossip.insecure is set.
func (c Config) GossipKeys(getenv func(string) string) ([][]byte, error) {
	if c.Gossip.Insecure {
		return nil, nil
	}
	path := c.GossipKeyFile(getenv)
	keys, err := ReadKeys(path)
	if err != nil {
		return nil, fmt.Errorf("gossip.key_file (%q): %w", path, err)
	}
	return keys, nil
}

// ReadKeys reads a file of gossip keys: one a line, 32 bytes as base64 or hex.
// Gossip is encrypted with the first; all are accepted, which is what lets a
// key be changed host by host. Blank lines and lines that begin with # do not
// count.
//
// The file must not be writable by its group nor open to others.
func ReadKeys(path string) ([][]byte, error) {
	data, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	return parseKeys(data)
}

// readSecret reads a file that has no business being open to all.
func readSecret(path string) ([]byte, error) {
	const (
		tooOpen fs.FileMode = 0o037
		limit               = 64 << 10
	)
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no such file; %s", makeKey)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not readable by this user (uid %d)", os.Getuid())
	case err != nil:
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Mode()&tooOpen != 0:
		return nil, fmt.Errorf("mode %04o is too open: run chmod 0600, or 0640 if the daemon reads it through its group", info.Mode().Perm())
	case info.Size() > limit:
		return nil, fmt.Errorf("larger than %d bytes, so not a key file", limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// parseKeys reads the lines of a key file. Its errors tell lines and lengths,
// never content.
func parseKeys(data []byte) ([][]byte, error) {
	var keys [][]byte
	var faults []error
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, ok := decodeKey(line)
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("line %d is neither base64 nor hex", number))
		case len(key) != keyBytes:
			faults = append(faults, fmt.Errorf("line %d holds %d bytes, a key has %d", number, len(key), keyBytes))
		case bytes.Count(key, key[:1]) == keyBytes:
			faults = append(faults, fmt.Errorf("line %d repeats one byte, so anyone can guess it", number))
		default:
			keys = append(keys, key)
		}
	}
	switch {
	case len(faults) > 0:
		return nil, fmt.Errorf("%w; %s", joinLine(faults), makeKey)
	case len(keys) == 0:
		return nil, fmt.Errorf("no key in the file; %s", makeKey)
	}
	return keys, nil
}

// decodeKey reads hex or base64. A line of 64 hex digits would also be base64,
// of 48 bytes; hex is what was meant.
func decodeKey(s string) ([]byte, bool) {
	if len(s) == hex.EncodedLen(keyBytes) {
		if key, err := hex.DecodeString(s); err == nil {
			return key, true
		}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		if key, err := enc.DecodeString(s); err == nil {
			return key, true
		}
	}
	return nil, false
}

// joinLine joins errors in one line.
func joinLine(errs []error) error {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, ", "))
}

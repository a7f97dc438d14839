package libvirt

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// fsType returns the type of the file system that holds path, or that would
// hold it, as the mount table names it.
func fsType(path string) (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	path, err = resolve(path)
	if err != nil {
		return "", err
	}
	return mountType(table, path)
}

// resolve follows symbolic links as far as the path exists and may be read; a
// part that does not cannot be a link to elsewhere on this host.
func resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", errors.New("the path is not absolute")
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) && path != "/" {
		dir, err := resolve(filepath.Dir(path))
		return filepath.Join(dir, filepath.Base(path)), err
	}
	return real, err
}

var errNoMount = errors.New("no mount holds the path")

// mountType looks up a path without links in the text of mountinfo; of the
// mounts that hold it, the longest and of equals the last one counts (proc(5)).
func mountType(table []byte, path string) (string, error) {
	best, kind := -1, ""
	for line := range bytes.Lines(table) {
		before, after, ok := strings.Cut(string(line), " - ")
		mount := strings.Fields(before)
		rest := strings.Fields(after)
		if !ok || len(mount) < 5 || len(rest) < 1 {
			continue
		}
		point := unescape(mount[4])
		if len(point) >= best && within(path, point) {
			best, kind = len(point), rest[0]
		}
	}
	if best < 0 {
		return "", errNoMount
	}
	return kind, nil
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// unescape undoes mountinfo's octal escapes (\040 for a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// pacemaker reports whether Pacemaker's VirtualDomain agent watches the domain
// on this host: at every monitor it writes which emulator the domain has
// (ClusterLabs/resource-agents, heartbeat/VirtualDomain, EMULATOR_STATE).
func (h *Hypervisor) pacemaker(domain string) bool {
	if strings.ContainsRune(domain, '/') {
		return false // no agent could have written such a file
	}
	_, err := os.Stat(filepath.Join(h.opts.PacemakerState, "VirtualDomain-"+domain+"-emu.state"))
	return err == nil
}

package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// cacheDir keeps what takes long to make and is the same for every lab: the
// built guest, and libvirtd's notes on QEMU.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = "/var/cache"
	}
	dir := filepath.Join(base, "virtbalance-lab")
	return dir, os.MkdirAll(dir, 0o755)
}

// capabilitiesIn is where libvirtd keeps its notes.
const capabilitiesIn = "/var/cache/libvirt/qemu/capabilities"

// capabilitiesCache names the directory for the notes of the installed libvirtd
// on the installed QEMU. libvirtd checks that they fit before it believes them,
// so this only has to be good enough to be useful.
func capabilitiesCache() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range []string{"libvirtd", "qemu-system-x86_64"} {
		path := program(name)
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
	}
	return filepath.Join(dir, fmt.Sprintf("capabilities-%x", sum.Sum(nil)[:8])), nil
}

// loadCapabilities gives the notes to hosts that have none yet, and reports
// whether there are any.
func (l *Lab) loadCapabilities(hosts []*Host) bool {
	cache, err := capabilitiesCache()
	if err != nil {
		return false
	}
	if _, err := os.Stat(cache); err != nil {
		return false
	}
	for _, h := range hosts {
		to := h.root(capabilitiesIn)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		if err := os.CopyFS(to, os.DirFS(cache)); err != nil {
			os.RemoveAll(to) // libvirtd will make its own
		}
	}
	return true
}

// saveCapabilities makes libvirtd look at QEMU and keeps its notes.
func (l *Lab) saveCapabilities(ctx context.Context, h *Host) error {
	if _, err := h.Virsh(ctx, "domcapabilities", "--virttype", "qemu", "--arch", "x86_64"); err != nil {
		return err
	}
	cache, err := capabilitiesCache()
	if err != nil {
		return err
	}
	// a complete directory or none, even if others do the same now
	temporary := fmt.Sprintf("%s.%d.%d", cache, os.Getpid(), time.Now().UnixNano())
	defer os.RemoveAll(temporary)
	if err := os.CopyFS(temporary, os.DirFS(h.root(capabilitiesIn))); err != nil {
		return err
	}
	_ = os.Rename(temporary, cache) // fails when another one was first
	return nil
}

// LoseCPUFeature has the host's libvirtd hold that its QEMU cannot give guests a
// feature of the CPU, such as "movbe", as on a host with an older CPU: the same QEMU
// without KVM emulates the same CPU everywhere, so libvirtd's notes on it are
// altered, and libvirtd is restarted. Guests notice nothing of either. What it
// returns puts the feature back.
func (h *Host) LoseCPUFeature(ctx context.Context, feature string) (restore func() error, err error) {
	notes, err := filepath.Glob(filepath.Join(h.root(capabilitiesIn), "*.xml"))
	if err != nil {
		return nil, err
	}
	has := regexp.MustCompile(`(<property name='` + regexp.QuoteMeta(feature) + `' type='boolean' value=)'true'[^>]*/>`)
	was := map[string][]byte{}
	now := map[string][]byte{}
	for _, path := range notes {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if without := has.ReplaceAll(text, []byte(`$1'false'/>`)); !bytes.Equal(without, text) {
			was[path], now[path] = text, without
		}
	}
	if len(now) == 0 {
		return nil, fmt.Errorf("host %s: libvirtd has noted of no QEMU that it has the CPU feature %q", h.Name, feature)
	}
	note := func(texts map[string][]byte) error {
		if err := h.KillLibvirtd(ctx); err != nil {
			return err
		}
		for path, text := range texts {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				return err
			}
		}
		return h.StartLibvirtd(ctx)
	}
	return func() error { return note(was) }, note(now)
}

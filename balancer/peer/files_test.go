package peer

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Files that systemd hands over replace those of the configuration; blank ones
// are the unit's way to make a credential optional.
func TestCredentialsReplaceFiles(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"tls.key": "key", "tls.cert": "\n", "tls.ca": "", "gossip.key": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := LibvirtFiles()
	want.Key = filepath.Join(dir, "tls.key")
	if got := LibvirtFiles().WithCredentials(dir); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := LibvirtFiles().WithCredentials(""); got != LibvirtFiles() {
		t.Errorf("without a directory: %+v", got)
	}
}

// libvirt's keys are root's. A daemon that may not read one says how it could.
func TestUnreadableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serverkey.pem")
	if err := os.WriteFile(path, []byte("key"), 0o000); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root reads everything: be somebody else, on this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		setfsuid(65534)
		defer setfsuid(0)
	}
	_, err := readFile(keyKey, path)
	for _, want := range []string{"peer.key_file: ", path, "may not be read by this user", "LoadCredential="} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// setfsuid changes whose files the thread may open (setfsuid(2)); it returns
// the previous user, never an error.
func setfsuid(uid uintptr) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, uid, 0, 0)
}

package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/balancer/peer"
)

const unit = "virtbalanced.service"

// systemd accepts the unit without a word, with the program where it is to be.
func TestVerify(t *testing.T) {
	analyze := systemdAnalyze(t)
	root := t.TempDir()
	for path, mode := range map[string]os.FileMode{
		"usr/bin/virtbalanced":           0o755,
		"usr/bin/kill":                   0o755,
		"usr/lib/systemd/system/" + unit: 0o644,
	} {
		install(t, filepath.Join(root, path), mode)
	}
	// The targets that every service depends on are the system's own.
	for _, target := range []string{"sysinit.target", "basic.target", "shutdown.target", "network-online.target", "system.slice"} {
		if data, err := os.ReadFile(filepath.Join("/usr/lib/systemd/system", target)); err == nil {
			if err := os.WriteFile(filepath.Join(root, "usr/lib/systemd/system", target), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := exec.Command(analyze, "verify", "--man=no", "--root="+root, unit).CombinedOutput()
	t.Logf("systemd-analyze verify: %v\n%s", err, out)
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "virtbalanced") {
			t.Errorf("%s", line)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// install puts the unit, or an empty stand-in, in place.
func install(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	data := []byte("#!/bin/true\n")
	if filepath.Base(path) == unit {
		data = []byte(read(t, unit))
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}

// The exposure that systemd computes stays at 2.0 or below.
func TestSecurity(t *testing.T) {
	const limit = 2.0
	out, err := exec.Command(systemdAnalyze(t), "security", "--offline=true", "--no-pager", "./"+unit).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	match := regexp.MustCompile(`Overall exposure level for ` + regexp.QuoteMeta(unit) + `: ([0-9.]+)`).FindSubmatch(out)
	if match == nil {
		t.Fatalf("no exposure level in\n%s", out)
	}
	exposure, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("exposure %.1f", exposure)
	if exposure > limit {
		t.Errorf("exposure %.1f is over %.1f:\n%s", exposure, limit, out)
	}
}

// systemd's own programs take the other files, too.
func TestUsersAndDirectories(t *testing.T) {
	systemdAnalyze(t) // the same package
	for _, c := range []struct {
		program, file string
		want          map[string]string
	}{
		{"systemd-sysusers", "virtbalanced.sysusers", map[string]string{
			"etc/passwd": "virtbalanced:x:", "etc/group": "libvirt:x:", "etc/gshadow": "libvirt:!*::virtbalanced",
		}},
		{"systemd-tmpfiles", "virtbalanced.tmpfiles", map[string]string{"etc/virtbalanced": ""}},
	} {
		t.Run(c.program, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("not root: cannot make users and directories of root, not even below another root directory")
			}
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Abs(c.file)
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"--root=" + root}
			if c.program == "systemd-tmpfiles" {
				args = append(args, "--create")
			}
			// By standard input, so that the file is not looked for below root.
			command := exec.Command(c.program, append(args, "-")...)
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			command.Stdin = file
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for name, want := range c.want {
				made := filepath.Join(root, name)
				info, err := os.Stat(made)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !info.IsDir() && !strings.Contains(read(t, made), want) {
					t.Errorf("%s lacks %q:\n%s", name, want, read(t, made))
				}
			}
		})
	}
}

// The unit and the defaults of the configuration speak of the same files.
func TestUnitAgreesWithTheDefaults(t *testing.T) {
	text := read(t, unit)
	defaults := config.Default()
	if want := "/var/lib/" + one(t, text, "StateDirectory"); defaults.StateDir != want {
		t.Errorf("state_dir is %s, the unit makes %s", defaults.StateDir, want)
	}
	if want := "/run/" + one(t, text, "RuntimeDirectory"); filepath.Dir(defaults.API.Socket) != want {
		t.Errorf("api.socket is %s, the unit makes %s", defaults.API.Socket, want)
	}
	files := peer.LibvirtFiles()
	want := []string{
		"gossip.key:" + defaults.GossipKeyFile(func(string) string { return "" }),
		"tls.ca:" + files.CA, "tls.crl:" + files.CRL, "tls.cert:" + files.Cert, "tls.key:" + files.Key,
		"tls.client-cert:" + files.ClientCert, "tls.client-key:" + files.ClientKey,
	}
	if got := all(text, "LoadCredential"); !slices.Equal(got, want) {
		t.Errorf("credentials %q, want %q", got, want)
	}
	// Without its blank default, a file that is missing keeps the unit down.
	var optional []string
	for _, w := range want {
		name, _, _ := strings.Cut(w, ":")
		optional = append(optional, name+`:\n`)
	}
	if got := all(text, "SetCredential"); !slices.Equal(got, optional) {
		t.Errorf("defaults of credentials %q, want %q", got, optional)
	}
}

// Every file names one user.
func TestOneUser(t *testing.T) {
	user := one(t, read(t, unit), "User")
	for file, want := range map[string]string{
		"virtbalanced.sysusers": "m " + user + " libvirt\n",
		"virtbalanced.rules":    `subject.user == "` + user + `"`,
	} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s lacks %q", file, want)
		}
	}
}

// all returns the values of a key of the unit.
func all(text, key string) []string {
	var values []string
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

func one(t *testing.T, text, key string) string {
	t.Helper()
	values := all(text, key)
	if len(values) != 1 {
		t.Fatalf("%s= stands %d times in the unit", key, len(values))
	}
	return values[0]
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func systemdAnalyze(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing, so the unit cannot be checked: apt-get install systemd")
	}
	return path
}

//go:build packages

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/tests/stage"
)

// built is the one file in dist/ that matches.
func built(t *testing.T, pattern string) string {
	t.Helper()
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, "dist", pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("dist/%s: %q %v; run: make packages", pattern, found, err)
	}
	return found[0]
}

// newer packs what is built once more, with a higher version.
func newer(t *testing.T, packager string) string {
	t.Helper()
	root, err := stage.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const script = `VERSION=99.0 ARCH=$(go env GOARCH) GLIBC=2.34 "$(.ci/tool nfpm)" package --config systemd/package/nfpm.yaml --packager "$1" --target "$2/"`
	run(t, root, "sh", "-ec", script, "sh", packager, dir)
	return filepath.Join(dir, only(t, dir))
}

func only(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s: %v %v", dir, entries, err)
	}
	return entries[0].Name()
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	t.Logf("%s\n%s", program, out)
	if err != nil {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return string(out)
}

func TestDeb(t *testing.T) {
	run(t, ".", "unshare", "--mount", "--net", "bash", "deb.sh", t.TempDir(), built(t, "*.deb"), newer(t, "deb"))
}

func TestRPM(t *testing.T) {
	run(t, ".", "unshare", "--mount", "--net", "bash", "rpm.sh", t.TempDir(), built(t, "*.rpm"), newer(t, "rpm"))
}

// Neither an error nor a warning that is not explained in lintian-overrides.
func TestLintian(t *testing.T) {
	out := run(t, ".", "lintian", "--allow-root", "--fail-on", "error,warning", built(t, "*.deb"))
	if regexp.MustCompile(`(?m)^[EW]:`).MatchString(out) {
		t.Error("lintian has found something")
	}
}

// The tarball is one directory, from which everything runs where it lies.
func TestTarball(t *testing.T) {
	dir := t.TempDir()
	run(t, dir, "tar", "-xzf", built(t, "*.tar.gz"))
	top := filepath.Join(dir, only(t, dir))
	for _, program := range []string{"virtbalanced", "virtbalance", "loadgen"} {
		run(t, top, "./"+program, "--version")
	}
	key := strings.TrimSpace(run(t, top, "./virtbalance", "keygen"))
	if err := os.WriteFile(filepath.Join(top, "gossip.key"), []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := "state_dir = \"" + top + "/state\"\n[gossip]\nkey_file = \"" + top + "/gossip.key\"\n[peer]\ninsecure = true\n"
	if err := os.WriteFile(filepath.Join(top, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, top, "./virtbalanced", "--check-config", "--config", "config.toml")
}

package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noEnv(string) string { return "" }

// testKey returns the key that counts up from b.
func testKey(b byte) []byte {
	k := make([]byte, keyBytes)
	for i := range k {
		k[i] = b + byte(i)
	}
	return k
}

func writeKey(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gossip.key")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadKeys(t *testing.T) {
	a, b, c := testKey(1), testKey(2), testKey(3)
	path := writeKey(t, "# primary\n"+base64.StdEncoding.EncodeToString(a)+"\n\n  "+
		strings.ToUpper(hex.EncodeToString(b))+"\r\n"+base64.RawStdEncoding.EncodeToString(c), 0o640)
	keys, err := ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || !bytes.Equal(keys[0], a) || !bytes.Equal(keys[1], b) || !bytes.Equal(keys[2], c) {
		t.Errorf("got %d keys, not the ones written", len(keys))
	}
}

func TestReadKeysFaults(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(testKey(7))
	tests := []struct {
		name, content string
		mode          os.FileMode
		want          string
	}{
		{"open to others", good, 0o644, "mode 0644 is too open: run chmod 0600, or 0640 if the daemon reads it through its group"},
		{"writable by the group", good, 0o660, "mode 0660 is too open: run chmod 0600, or 0640 if the daemon reads it through its group"},
		{"empty", "\n# nothing\n", 0o600, "no key in the file; " + makeKey},
		{"short", "# k\n" + base64.StdEncoding.EncodeToString(testKey(7)[:16]), 0o600, "line 2 holds 16 bytes, a key has 32; " + makeKey},
		{"words", good + "\nnot a key!", 0o600, "line 2 is neither base64 nor hex; " + makeKey},
		{"zeros", strings.Repeat("0", 64), 0o600, "line 1 repeats one byte, so anyone can guess it; " + makeKey},
		{"two faults", "x!\nAAAA", 0o600, "line 1 is neither base64 nor hex, line 2 holds 3 bytes, a key has 32; " + makeKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeKey(t, tt.content, tt.mode)
			c := Default()
			c.Gossip.KeyFile = path
			_, err := c.GossipKeys(noEnv)
			if want := `gossip.key_file ("` + path + `"): ` + tt.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestReadKeysAbsentOrOdd(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadKeys(filepath.Join(dir, "absent")); err == nil || err.Error() != "no such file; "+makeKey {
		t.Errorf("absent: %v", err)
	}
	if _, err := ReadKeys(dir); err == nil || err.Error() != "not a regular file" {
		t.Errorf("directory: %v", err)
	}
}

func TestInsecureGossipHasNoKeys(t *testing.T) {
	c := Default()
	c.Gossip.Insecure = true
	if keys, err := c.GossipKeys(noEnv); keys != nil || err != nil {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
}

func TestGossipKeyFilePlaces(t *testing.T) {
	dir := t.TempDir()
	env := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return dir
		}
		return ""
	}
	c := Default()
	const fallback = "/etc/virtbalanced/gossip.key"
	if got := c.GossipKeyFile(noEnv); got != fallback {
		t.Errorf("without credentials: %s", got)
	}
	if got := c.GossipKeyFile(env); got != fallback {
		t.Errorf("with an empty credentials directory: %s", got)
	}
	credential := filepath.Join(dir, "gossip.key")
	if err := os.WriteFile(credential, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.GossipKeyFile(env); got != fallback {
		t.Errorf("with a blank credential: %s", got)
	}
	if err := os.WriteFile(credential, []byte("key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.GossipKeyFile(env); got != credential {
		t.Errorf("with a credential: %s", got)
	}
	c.Gossip.KeyFile = "/k"
	if got := c.GossipKeyFile(env); got != "/k" {
		t.Errorf("configured: %s", got)
	}
}

// No error may show key material, however wrong the file is.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# c\n" + base64.StdEncoding.EncodeToString(testKey(1))))
	f.Add([]byte(hex.EncodeToString(testKey(1)) + "\nsecret"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and error %v", len(keys), err)
		}
		for _, k := range keys {
			if len(k) != keyBytes {
				t.Fatalf("a key of %d bytes", len(k))
			}
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if err != nil && len(line) >= 22 && strings.Contains(err.Error(), line) && !strings.Contains(makeKey, line) {
				t.Fatalf("the error shows a line of the file: %v", err)
			}
		}
	})
}

package main

import (
	"strings"
	"testing"
)

func TestScrub(t *testing.T) {
	for _, tt := range []struct{ name, text, secret string }{
		{"gossip key", "key c2l4dGVlbiBieXRlcyB0d2ljZSBtYWtlIDMyIGJ5dCE= in a log", "c2l4dGVlbiBieXRlcyB0d2ljZSBtYWtlIDMyIGJ5dCE="},
		{"short gossip key", `"c2l4dGVlbiBieXRlcyEhIQ=="`, "c2l4dGVlbiBieXRlcyEhIQ=="},
		{"private key", "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nx\n-----END EC PRIVATE KEY-----\nb", "MHcCAQEE"},
		{"private key cut off", "-----BEGIN PRIVATE KEY-----\nMHcCAQEE", "MHcCAQEE"},
		{"private key in a line", `msg="-----BEGIN PRIVATE KEY-----\nMHcCAQEE\n-----END PRIVATE KEY-----"`, "MHcCAQEE"},
		{"password in TOML", `password = "hunter2"`, "hunter2"},
		{"password in JSON", `{"password": "hunter2", "a": 1}`, "hunter2"},
		{"token in a log", "level=INFO token=hunter2 host=h1", "hunter2"},
		{"URL", "https://user:hunter2@host/x", "hunter2"},
		{"bearer", "Authorization: Bearer abcdefgh12345", "abcdefgh12345"},
		{"bcrypt", "admin: $2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234", "abcdefghijklmnopqrstuu"},
	} {
		got := string(scrub([]byte(tt.text)))
		if strings.Contains(got, tt.secret) || !strings.Contains(got, removed) {
			t.Errorf("%s: %q is left as %q", tt.name, tt.text, got)
		}
	}
	for _, kept := range []string{
		`key_file = "/etc/virtbalanced/gossip.key"`,
		`"id": "ac09a821-4ad8-80c2-a955-9459a4a5a7d4"`,
		`time=2026-11-21T16:14:12.580Z level=INFO msg="gossip started" listen=127.0.0.1:38409`,
		`cert_file = "/etc/pki/libvirt/servercert.pem"`,
	} {
		if got := string(scrub([]byte(kept))); got != kept {
			t.Errorf("%q has become %q", kept, got)
		}
	}
}

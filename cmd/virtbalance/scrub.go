package main

import "regexp"

// removed stands in the place of a secret.
const removed = "[removed]"

// secrets are what must not leave a host, with what is left in their place.
func secrets() []struct {
	pattern *regexp.Regexp
	left    string
} {
	return []struct {
		pattern *regexp.Regexp
		left    string
	}{
		// A PEM block of anything private, in a file or in one line of a log.
		{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`), removed},
		// password = "x", "token": "x", secret=x; but not the names of files.
		{regexp.MustCompile(`(?i)((?:password|passwd|passphrase|secret|token|credential|psk)s?["']?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|[^\s,;&]+)`), `${1}"` + removed + `"`},
		// Authorization headers and credentials in URLs.
		{regexp.MustCompile(`(?i)((?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}`), "${1}" + removed},
		{regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`), "${1}" + removed + "@"},
		// A gossip key: 16, 24 or 32 bytes in base64 on their own.
		{regexp.MustCompile(`(^|[^A-Za-z0-9+/=])(?:[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{32}|[A-Za-z0-9+/]{43}=)($|[^A-Za-z0-9+/=])`), "${1}" + removed + "${2}"},
		// bcrypt and crypt hashes.
		{regexp.MustCompile(`\$(?:2[aby]|5|6|y)\$[./A-Za-z0-9$]{20,}`), removed},
	}
}

// scrub removes secrets. It would rather remove too much.
func scrub(data []byte) []byte {
	for _, s := range secrets() {
		data = s.pattern.ReplaceAll(data, []byte(s.left))
	}
	return data
}

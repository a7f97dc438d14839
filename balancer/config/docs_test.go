package config

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const documented = "../../docs/configuration.md"

// docs/configuration.md is written by this test, with -update, and never by
// hand: the keys of the table, with the paragraphs of config.example.toml, of
// which TestExampleDescribesEveryKey has it that they are complete.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	want := document(t, data)
	if *update {
		if err := os.WriteFile(documented, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(documented)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what the keys are; run: go test ./balancer/config -run TestDocs -update", documented)
	}
}

func document(t *testing.T, example []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`# Configuration

` + "`/etc/virtbalanced/config.toml` on each host, in [TOML](https://toml.io). An empty file is valid: every key has a default.\n" +
		"`virtbalance bootstrap` writes a first one, `virtbalance config show` says what a file changes, and\n" +
		"`virtbalanced --check-config` checks a file and the files that it names. Unknown keys are errors. Shares of a host are in\n" +
		"percent, without the sign. The same with every default, to copy from: [config.example.toml](../config.example.toml).\n\n" +
		"Each key says whether `systemctl reload virtbalanced` puts a change in force or `systemctl restart virtbalanced` is\n" +
		"needed, which interrupts no running migration; the log of a reload names the changed keys that wait for a restart. A\n" +
		"faulty file is refused as a whole at a reload, and the old values stay in force.\n\n" +
		"<!-- Written by: go test ./balancer/config -run TestDocs -update -->\n")

	d := Default()
	keys := d.keys()
	var comment []string
	for s := bufio.NewScanner(bytes.NewReader(example)); s.Scan(); {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			comment = append(comment, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
		case line == "":
			comment = nil
		case strings.HasPrefix(line, "["):
			fmt.Fprintf(&b, "\n## %s\n", line)
			for _, l := range paragraph(comment) {
				fmt.Fprintln(&b, l)
			}
			comment = nil
		default:
			if len(keys) == 0 || len(comment) == 0 {
				t.Fatalf("%q has no key or no paragraph", line)
			}
			k := keys[0]
			keys = keys[1:]
			fmt.Fprintf(&b, "\n### `%s`\n", k.name)
			for _, l := range paragraph(comment[:len(comment)-1]) { // the last says the default
				fmt.Fprintln(&b, l)
			}
			inForce := "a restart"
			if k.live {
				inForce = "a reload"
			}
			fmt.Fprintf(&b, "\nDefault: `%s`. In force after: %s.\n", show(k.get()), inForce)
		}
	}
	if len(keys) > 0 {
		t.Fatalf("%s is not in the example", keys[0].name)
	}
	return b.Bytes()
}

// paragraph makes Markdown of a comment: what is indented stands as it is.
func paragraph(comment []string) []string {
	if len(comment) == 0 {
		return nil
	}
	lines := []string{""}
	inside := false
	for _, l := range comment {
		indented := strings.HasPrefix(l, "  ")
		if indented != inside {
			if indented {
				if lines[len(lines)-1] != "" {
					lines = append(lines, "")
				}
				lines = append(lines, "```text")
			} else {
				lines = append(lines, "```", "")
			}
			inside = indented
		}
		switch l = strings.TrimSuffix(strings.TrimSuffix(l, "Live."), " "); {
		case inside:
			lines = append(lines, l)
		case l != "" || len(lines) > 1 && lines[len(lines)-1] != "":
			lines = append(lines, escape.Replace(l))
		}
	}
	for inside && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if inside {
		lines = append(lines, "```")
	}
	for lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// escape keeps Markdown from reading marks of its own into plain text.
var escape = strings.NewReplacer("<", `\<`)

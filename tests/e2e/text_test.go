//go:build lab

package e2e

import "strings"

// containsLine reports whether a line of text has all the words.
func containsLine(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		found := true
		for _, word := range words {
			found = found && strings.Contains(line, word)
		}
		if found {
			return true
		}
	}
	return false
}

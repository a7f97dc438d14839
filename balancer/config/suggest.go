package config

import "strings"

// closest returns the name that was probably meant: the one whose last part
// takes the fewest edits, if they are few for the length of the word. Another
// section counts as one edit: a right name in the wrong place is as good a
// guess as a slip of the finger.
func closest(word string, names []string) (string, bool) {
	section, last := cutName(word)
	best, bestEdits := "", len(last)/3+1
	for _, n := range names {
		s, l := cutName(n)
		edits := distance(last, l)
		if s != section && edits > 0 {
			edits++
		}
		if edits < bestEdits {
			best, bestEdits = n, edits
		}
	}
	return best, best != ""
}

// cutName splits "policy.high" into "policy" and "high"; the section of "mode"
// is empty.
func cutName(name string) (section, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(0, i)], name[i+1:]
}

// distance is the number of edits between a and b, where an edit inserts,
// deletes or replaces a byte or swaps two neighbours (the optimal string
// alignment distance). Words far longer than any key are not compared.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var prev2 []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, row
	}
	return prev[len(b)]
}

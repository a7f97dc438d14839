package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// printShortage says what would help where nobody takes anything.
func printShortage(w io.Writer, s *policy.Shortage) {
	if s == nil {
		return
	}
	var counts []string
	for _, t := range s.Tally {
		counts = append(counts, fmt.Sprintf("%d: %s", t.Count, t.Reason.Text()))
	}
	if s.Domain == "" {
		fmt.Fprintf(w, "No domain may move, wherever there is room. Of them, %s.\n", strings.Join(counts, "; "))
		return
	}
	fmt.Fprintf(w, "A host that takes %s (%s, %s) would help. Of the other hosts, %s.\n",
		s.Name, s.Size.CPU, s.Size.Memory, strings.Join(counts, "; "))
}

// printRoom says what the fleet could yet take in, and whether it would bear the
// loss of a host; hardest names the one of Headroom.Hardest.
func printRoom(w io.Writer, r policy.Headroom, hardest string) {
	if r.Hosts == 0 {
		fmt.Fprintln(w, "What the fleet has room for is not known.")
		return
	}
	if r.Size != (policy.Load{}) {
		fmt.Fprintf(w, "Room for %s of %s and %s", count(r.Domains, "more domain"), r.Size.CPU, r.Size.Memory)
		if r.Binding != policy.OK {
			fmt.Fprintf(w, "; then, on most hosts, %s", r.Binding.Text())
		}
		fmt.Fprintln(w, ".")
	}
	fmt.Fprintf(w, "%s.\n", survival(r, hardest))
}

// survival says whether the fleet would bear the loss of a host, and how that is
// known.
func survival(r policy.Headroom, hardest string) string {
	switch {
	case r.Survives && r.Exact:
		return "Without any one host, each of its domains finds a place on the others"
	case r.Survives:
		return fmt.Sprintf("Without any one host, what it runs fits on the others in sum; %s is the hardest to lose", hardest)
	case r.Exact:
		return fmt.Sprintf("Without %s, not all of its domains find a place on the others", hardest)
	default:
		return fmt.Sprintf("Without %s, what it runs does not fit on the others", hardest)
	}
}

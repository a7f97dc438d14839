package access

import "sync/atomic"

// Refusals count what a listener has turned away, by cause. The zero value is
// ready, and may be read at any time.
type Refusals struct{ counts [causes]atomic.Uint64 }

type cause uint8

const (
	// causeConnections: one asker holds or opens too many; causeConnectionsTotal:
	// all together do.
	causeConnections cause = iota
	causeConnectionsTotal
	// causeRequests and causeRequestsTotal: the same of requests.
	causeRequests
	causeRequestsTotal
	// causeTooLarge: the body is announced to be over the limit.
	causeTooLarge
	// causeRight: the asker has no right to it.
	causeRight

	causes
)

var causeLabels = [causes]string{"connections", "connections_total", "requests", "requests_total", "too_large", "right"}

func (r *Refusals) count(c cause) {
	if r != nil {
		r.counts[c].Add(1)
	}
}

// Counts returns how many were turned away so far for each cause.
func (r *Refusals) Counts() map[string]uint64 {
	all := make(map[string]uint64, causes)
	for c := range r.counts {
		all[causeLabels[c]] = r.counts[c].Load()
	}
	return all
}

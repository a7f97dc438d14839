package peer

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// Refusal is why a server turned a connection or a request away. The label is
// a metric label and the code of the answer.
type Refusal uint8

// The refusals.
const (
	// RefusedConnections: one address holds or opens too many.
	RefusedConnections Refusal = iota
	// RefusedConnectionsTotal: all together do.
	RefusedConnectionsTotal
	// RefusedHandshake: TLS failed, for want of a certificate that is accepted.
	RefusedHandshake
	// RefusedSender: the request does not say who asks.
	RefusedSender
	// RefusedMisdirected: the request is meant for another host.
	RefusedMisdirected
	// RefusedIdentity: the certificate is not that of the host that asks.
	RefusedIdentity
	// RefusedRequests: one host has or makes too many.
	RefusedRequests
	// RefusedRequestsTotal: all together do.
	RefusedRequestsTotal
	// RefusedCall: no such path or method.
	RefusedCall
	// RefusedContentType: the body is not declared as JSON.
	RefusedContentType
	// RefusedTooLarge: the body is over the limit.
	RefusedTooLarge
	// RefusedSlow: the body did not arrive in time, or not at all.
	RefusedSlow
	// RefusedMalformed: the body is not the JSON that the call wants.
	RefusedMalformed
	// RefusedInvalid: a value is out of bounds or contradicts another.
	RefusedInvalid

	refusalEnd
)

var refusals = [refusalEnd]struct {
	label  string
	status int
}{
	RefusedConnections:      {"connections", 0},
	RefusedConnectionsTotal: {"connections_total", 0},
	RefusedHandshake:        {"handshake", 0},
	RefusedSender:           {"sender", http.StatusBadRequest},
	RefusedMisdirected:      {"misdirected", http.StatusMisdirectedRequest},
	RefusedIdentity:         {"identity", http.StatusForbidden},
	RefusedRequests:         {"requests", http.StatusTooManyRequests},
	RefusedRequestsTotal:    {"requests_total", http.StatusServiceUnavailable},
	RefusedCall:             {"unknown_call", http.StatusNotFound},
	RefusedContentType:      {"content_type", http.StatusUnsupportedMediaType},
	RefusedTooLarge:         {"too_large", http.StatusRequestEntityTooLarge},
	RefusedSlow:             {"slow", http.StatusRequestTimeout},
	RefusedMalformed:        {"malformed", http.StatusBadRequest},
	RefusedInvalid:          {"invalid", http.StatusBadRequest},
}

// String is the refusal's label.
func (r Refusal) String() string {
	if r < refusalEnd {
		return refusals[r].label
	}
	return fmt.Sprintf("refusal(%d)", uint8(r))
}

// Refusals returns every refusal.
func Refusals() []Refusal {
	all := make([]Refusal, refusalEnd)
	for i := range all {
		all[i] = Refusal(i)
	}
	return all
}

// counters count refusals.
type counters [refusalEnd]atomic.Uint64

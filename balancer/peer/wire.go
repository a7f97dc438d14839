package peer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// The version in the paths changes only when an old daemon could not
// understand a request by ignoring what is new in it.
const (
	pathReserve   = "/v1/reserve"
	pathRenew     = "/v1/renew"
	pathFinish    = "/v1/finish"
	pathLocate    = "/v1/locate"
	pathReport    = "/v1/report"
	pathExplain   = "/v1/explain"
	pathRelay     = "/v1/relay"
	pathPreflight = "/v1/preflight"
	pathAudit     = "/v1/audit"
)

// Who asks and who is asked stand in headers, so that both are checked and the
// asker's limits apply before a body is read.
const (
	headerFrom = "Virtbalance-From"
	headerTo   = "Virtbalance-To"
)

const contentType = "application/json"

// bodyMax bounds requests and answers on both ends, in bytes. The bulk is two
// domain definitions of a few KiB.
const bodyMax = 1 << 20

type renewRequest struct {
	Op policy.OpID `json:"op"`
}

type locateReply struct {
	Presence policy.Presence `json:"presence"`
}

// emptyReply answers where yes is all there is to say.
type emptyReply struct{}

// message is whatever travels in a body.
type message interface{ Validate() error }

// decode reads one JSON value that fills the whole body, and validates it.
func decode[T message](body []byte) (T, error) {
	var m T
	if err := json.Unmarshal(body, &m); err != nil {
		return m, &malformedError{err}
	}
	if err := m.Validate(); err != nil {
		return m, err
	}
	return m, nil
}

// encode writes a message. XML stays as it is: escaped for HTML, its angle
// brackets would take six times the room.
func encode(m any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(m)
	return b.Bytes(), err
}

// malformedError is a body that is not the JSON it should be.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return "malformed body: " + e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

// Error is an answer that says why there is none. Its code is the label of a
// Refusal, or one of the codes below.
type Error struct {
	Status  int    `json:"-"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Codes of answers that are no refusals.
const (
	// codeUnknownOperation: the target holds no promise of that ID (any more).
	codeUnknownOperation = "unknown_operation"
	// codeUnavailable: the target tried and could not.
	codeUnavailable = "unavailable"
)

// ErrUnknownOperation is what Renew answers when the target holds no promise
// for the operation, or not for who asks.
var ErrUnknownOperation = &Error{Code: codeUnknownOperation, Message: "the host holds no promise for this operation"}

// Error says what the peer said.
func (e *Error) Error() string { return fmt.Sprintf("peer answered %s: %s", e.Code, e.Message) }

// Is compares codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

const detailMax = 1000

// printable makes a text of unknown origin fit for a log, a terminal and the
// wire: valid UTF-8 of one line, of at most detailMax bytes.
func printable(s string) string {
	if len(s) > detailMax {
		s = s[:detailMax]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, s)
}

// control reports characters that move the cursor, end a line or turn the
// direction of a text.
func control(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// RelayRequest is a request to the API of another host's daemon: what an
// operator asks of it, or orders, through the daemon of his own host.
type RelayRequest struct {
	// Method is GET to ask and POST to order; Path is that of the API, with its
	// query.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Body is JSON, empty for most requests.
	Body json.RawMessage `json:"body,omitempty"`
}

// RelayReply is the answer of that API.
type RelayReply struct {
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// Relay answers a RelayRequest of another host's daemon.
type Relay func(ctx context.Context, from policy.HostID, r RelayRequest) RelayReply

const relayPathMax = 2048

// Validate checks the form.
func (r RelayRequest) Validate() error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return fmt.Errorf("method (%.10q) must be GET or POST", r.Method)
	}
	if !strings.HasPrefix(r.Path, "/v1/") {
		return fmt.Errorf("path (%.40q) must begin with /v1/", r.Path)
	}
	return text("path", r.Path, relayPathMax)
}

// Validate checks the form.
func (r RelayReply) Validate() error { return between("status", r.Status, 200, 599) }

// Relay has another host's daemon answer a request to its API. The texts in the
// answer are made fit for a terminal.
func (c *Client) Relay(ctx context.Context, e policy.Endpoint, target policy.HostID, r RelayRequest) (RelayReply, error) {
	reply, err := askPatiently[RelayReply](ctx, c, e, target, pathRelay, r)
	if err == nil {
		reply.Body, err = clean(reply.Body)
	}
	if err != nil {
		return RelayReply{}, fmt.Errorf("ask %s for %s: %w", target, r.Path, err)
	}
	return reply, nil
}

// relay answers a call of pathRelay.
func (s *Server) relay(ctx context.Context, from policy.HostID, body []byte) (any, error) {
	m, err := decodeRequest[RelayRequest](body)
	if err != nil {
		return nil, err
	}
	if s.options.Relay == nil {
		return nil, &unknownCallError{pathRelay}
	}
	return s.options.Relay(ctx, from, m), nil
}

// clean makes every text in a JSON value printable.
func clean(body json.RawMessage) (json.RawMessage, error) {
	if len(body) == 0 {
		return body, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, &malformedError{err}
	}
	return encode(cleaned(v))
}

func cleaned(v any) any {
	switch v := v.(type) {
	case string:
		return strings.Map(func(r rune) rune {
			if control(r) && r != '\n' && r != '\t' {
				return ' '
			}
			return r
		}, v)
	case []any:
		for i := range v {
			v[i] = cleaned(v[i])
		}
		return v
	case map[string]any:
		for key := range v {
			v[key] = cleaned(v[key])
		}
		return v
	default:
		return v
	}
}

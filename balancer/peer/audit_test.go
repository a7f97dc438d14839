package peer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/peer"
	"github.com/virtbalance/virtbalance/policy"
)

func auditRequest() peer.AuditRequest {
	return peer.AuditRequest{Op: op, Move: reservation().Move, Late: true, Used: 0.5}
}

func TestAudit(t *testing.T) {
	type question struct {
		from policy.HostID
		r    peer.AuditRequest
	}
	asked := make(chan question, 4)
	answer := policy.Audit{
		At: time.Unix(1_700_000_000, 0).UTC(), Effect: policy.Worse, Gain: -0.1,
		Seen: &policy.Outlook{From: 0.1, To: 0.9, Demand: 2000, Wait: 0.2},
	}
	_, e := serve(t, peer.ServerOptions{Insecure: true, Handler: &host{audit: func(from policy.HostID, r peer.AuditRequest) (policy.Audit, error) {
		asked <- question{from, r}
		a := answer
		if !r.Late {
			a.Seen = &policy.Outlook{Wait: 1e9} // more than anybody can wait
		}
		return a, nil
	}}})
	c := client(t, peer.ClientOptions{Insecure: true})
	got, err := c.Audit(t.Context(), e, auditRequest())
	if err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("answered %+v, %v; want %+v", got, err, answer)
	}
	if q := <-asked; q.from != hostA || !reflect.DeepEqual(q.r, auditRequest()) {
		t.Errorf("asked %+v", q)
	}
	soon := auditRequest()
	soon.Late = false
	if got, err := c.Audit(t.Context(), e, soon); err == nil {
		t.Errorf("a wait beyond all bounds is taken in: %+v", got)
	}
	foreign := auditRequest()
	foreign.Move.From = hostC
	if _, err := c.Audit(t.Context(), e, foreign); err == nil || !strings.Contains(err.Error(), "move.from") {
		t.Errorf("another host's move: %v", err)
	}
}

// TestAuditOfAnOlderDaemon: one that does not know the question gives no answer,
// and nothing is read into that.
func TestAuditOfAnOlderDaemon(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(peer.Error{Code: peer.RefusedCall.String(), Message: "unknown call " + r.URL.Path})
	}))
	defer old.Close()
	c := client(t, peer.ClientOptions{Insecure: true})
	e := policy.Endpoint{Peer: strings.TrimPrefix(old.URL, "http://")}
	a, err := c.Audit(t.Context(), e, auditRequest())
	if err == nil || a.Effect != policy.UnknownEffect || peer.ReasonOf(err) != policy.Unreachable {
		t.Errorf("%+v, %v", a, err)
	}
}

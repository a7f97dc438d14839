package balancer

import (
	"log/slog"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Options are what a Balancer is made of.
type Options struct {
	Version    string
	Facts      policy.HostFacts
	Hypervisor Hypervisor
	Cluster    Cluster
	Peers      Peers
	// Neighbours are asked for what operators want to see of the other hosts; nil
	// shows of them what gossip says.
	Neighbours Neighbours
	Journal    *Journal
	// StateDir holds what is remembered beside the journal.
	StateDir string

	Tuning   Tuning
	Transfer TransferOptions

	Observer Observer
	Log      *slog.Logger
	// NewID makes operation IDs; each must be new in the whole fleet.
	NewID func() policy.OpID
}

// TransferOptions say how migrations are made.
type TransferOptions struct {
	// URI is where the source's libvirt reaches the target's, with {host} for
	// the target's migration address.
	URI string
	// A migration that takes longer than DeadlineFactor times its predicted
	// duration, and longer than DeadlineMin, is aborted.
	DeadlineFactor float64
	DeadlineMin    time.Duration

	MaxDowntime time.Duration
	Bandwidth   policy.Bytes
}

// Transfer is the migration that carries the operation out.
func (t TransferOptions) Transfer(o operation.Operation) hypervisor.Transfer {
	return hypervisor.Transfer{
		Domain: o.Move.Domain, URI: strings.ReplaceAll(t.URI, "{host}", o.Target.Migration),
		MaxDowntime: t.MaxDowntime, Bandwidth: t.Bandwidth,
	}
}

func (t TransferOptions) deadline(m policy.Move) time.Duration {
	return max(t.DeadlineMin, time.Duration(t.DeadlineFactor*float64(m.Duration)))
}

package libvirt

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// Options say how to reach libvirt and how to migrate. The zero value of each
// field has the meaning or the default that is given with it.
type Options struct {
	// URI of the local libvirt, "qemu:///system" by default.
	URI string
	// Proc is where the host's counters are read.
	Proc proc.FS
	// Log receives what an operator would want to know; nil discards it.
	Log *slog.Logger

	// CPUCapacity is the number of CPUs that the host can use, where a quota
	// gives it less than it shows; zero means every CPU that is online.
	CPUCapacity float64
	// Labels go into the host's facts unchanged.
	Labels []string

	Migration MigrationOptions

	// MoveTransient allows moving domains that have no persistent definition.
	// If such a domain dies on the way, no host can start it again.
	MoveTransient bool
	// MovePinned allows moving domains whose vCPUs or memory are bound to
	// CPUs or NUMA nodes, to hosts that have the same numbers.
	MovePinned bool
	// AssumeSharedPaths are path prefixes below which disks are the same on
	// every host although their file system does not show it. libvirt has its
	// own opinion and still refuses what it holds to be local.
	AssumeSharedPaths []string
	// ManagedNamespaces are further XML namespaces in a domain's metadata
	// whose presence means that another manager owns the domain.
	ManagedNamespaces []string
	// PacemakerState is where Pacemaker's VirtualDomain agent keeps its state
	// files, "/run/resource-agents" by default.
	PacemakerState string

	// CallDeadline is how long a call into libvirt may take before it counts
	// as hung; 10 s by default. Shorter notices a stuck libvirtd sooner,
	// longer bears with a slow one.
	CallDeadline time.Duration
	// MaxHungCalls is the number of hung calls at which Run gives up; 16 by
	// default. Each holds an OS thread.
	MaxHungCalls int
	// KeepAlive is the interval at which a silent connection is probed, 5 s
	// by default; after four silent intervals it counts as broken.
	KeepAlive time.Duration
	// ReconnectMin and ReconnectMax bound the pause between two attempts to
	// connect; 1 s and 30 s by default.
	ReconnectMin, ReconnectMax time.Duration
	// InspectEvery is how often a domain's definition is read again even
	// though no event asked for it; 5 min by default. Snapshots raise no
	// event, so this is how late one may be noticed here. Migrate looks again
	// in any case.
	InspectEvery time.Duration
}

// MigrationOptions say how to migrate.
type MigrationOptions struct {
	// AutoConverge slows the guest down, step by step, when it writes memory
	// faster than the network carries it away. Without it such a migration
	// ends at its deadline.
	AutoConverge bool
	// PostCopy lets the guest switch over after the first pass over its
	// memory and fetch the rest afterwards. It always converges; but if the
	// network breaks in that phase the guest is lost. Off unless asked for.
	// QEMU 7.2 was seen to give emulated (TCG) guests back old memory.
	PostCopy bool
	// TLS encrypts the migration stream with QEMU's own TLS; qemu.conf has to
	// name the certificates.
	TLS bool
	// ParallelConnections is the number of connections that carry memory;
	// zero or one is the ordinary single stream.
	ParallelConnections int
	// Bandwidth per second, for transfers that name none; zero is unlimited.
	Bandwidth policy.Bytes
	// MaxDowntime, for transfers that name none; zero leaves QEMU's default
	// (300 ms).
	MaxDowntime time.Duration
	// ProbeTarget is how long the target's libvirt port may take to accept a
	// connection before a migration is started, for URIs that name a port or
	// imply one; zero does not look. libvirtd itself tries for up to two
	// minutes to reach a host that does not answer, and cannot be interrupted.
	ProbeTarget time.Duration
}

// keepAliveCount is the number of unanswered probes after which libvirt drops
// a connection.
const keepAliveCount = 3

// withDefaults returns o with every default filled in, or one error that names
// all that is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.URI == "" {
		o.URI = "qemu:///system"
	}
	if o.Proc == (proc.FS{}) {
		o.Proc = proc.New("")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.PacemakerState == "" {
		o.PacemakerState = "/run/resource-agents"
	}
	if o.MaxHungCalls == 0 {
		o.MaxHungCalls = 16
	}
	for _, d := range []struct {
		value *time.Duration
		unset time.Duration
	}{
		{&o.CallDeadline, 10 * time.Second},
		{&o.KeepAlive, 5 * time.Second},
		{&o.ReconnectMin, time.Second},
		{&o.ReconnectMax, 30 * time.Second},
		{&o.InspectEvery, 5 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.unset
		}
	}
	return o, o.validate()
}

func (o Options) validate() error {
	var wrong []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	complain(o.CPUCapacity < 0 || math.IsNaN(o.CPUCapacity) || math.IsInf(o.CPUCapacity, 0),
		"CPU capacity %v must be a number of CPUs, or 0 for those online", o.CPUCapacity)
	complain(o.CallDeadline < 0, "call deadline %v must be positive", o.CallDeadline)
	complain(o.MaxHungCalls < 0 || o.MaxHungCalls > maxCalls/2, "limit of hung calls %d must be 1..%d", o.MaxHungCalls, maxCalls/2)
	complain(o.KeepAlive < time.Second, "keep-alive interval %v must be at least 1s", o.KeepAlive)
	complain(o.ReconnectMin < 0 || o.ReconnectMax < o.ReconnectMin,
		"reconnect pauses %v..%v must rise", o.ReconnectMin, o.ReconnectMax)
	complain(o.InspectEvery < 0, "inspection interval %v must be positive", o.InspectEvery)
	complain(o.Migration.ParallelConnections < 0 || o.Migration.ParallelConnections > 255,
		"number of parallel connections %d must be 0..255", o.Migration.ParallelConnections)
	complain(o.Migration.Bandwidth < 0, "bandwidth %v must not be negative", o.Migration.Bandwidth)
	complain(o.Migration.ProbeTarget < 0, "probe of the target %v must not be negative", o.Migration.ProbeTarget)
	complain(o.Migration.MaxDowntime < 0, "longest downtime %v must not be negative", o.Migration.MaxDowntime)
	return errors.Join(wrong...)
}

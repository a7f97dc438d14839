package libvirt

import (
	"errors"
	"testing"

	lv "libvirt.org/go/libvirt"
	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

func TestStatesAndTheirReasons(t *testing.T) {
	const (
		running  = policy.StateRunning
		paused   = policy.StatePaused
		shutoff  = policy.StateShutoff
		arriving = policy.MigratingIn
		leaving  = policy.MigratingOut
	)
	for _, c := range []struct {
		name   string
		state  policy.DomainState
		reason int
		// the role that the state gives away, on a domain that is not and on
		// one that is known to be leaving
		role, ifLeaving policy.Job
		// whether it went elsewhere, without and with a job
		away, awayWithJob bool
		postCopy          bool
	}{
		{"running", running, int(lv.DOMAIN_RUNNING_BOOTED), 0, 0, false, false, false},
		{"migrated here", running, int(lv.DOMAIN_RUNNING_MIGRATED), 0, 0, false, false, false},
		{"migration cancelled", running, int(lv.DOMAIN_RUNNING_MIGRATION_CANCELED), 0, 0, false, false, false},
		{"post-copy target", running, int(lv.DOMAIN_RUNNING_POSTCOPY), arriving, arriving, false, false, false},
		{"post-copy target cut off", running, int(lv.DOMAIN_RUNNING_POSTCOPY_FAILED), arriving, arriving, false, false, false},
		{"paused by a person", paused, int(lv.DOMAIN_PAUSED_USER), 0, 0, false, false, false},
		{"paused on an error", paused, int(lv.DOMAIN_PAUSED_IOERROR), 0, 0, false, false, false},
		{"migrating", paused, int(lv.DOMAIN_PAUSED_MIGRATION), arriving, leaving, true, false, false},
		{"post-copy source", paused, int(lv.DOMAIN_PAUSED_POSTCOPY), leaving, leaving, true, true, true},
		{"post-copy source cut off", paused, int(lv.DOMAIN_PAUSED_POSTCOPY_FAILED), 0, 0, true, true, true},
		{"migrated away", shutoff, int(lv.DOMAIN_SHUTOFF_MIGRATED), 0, 0, true, true, false},
		{"shut down", shutoff, int(lv.DOMAIN_SHUTOFF_SHUTDOWN), 0, 0, false, false, false},
		{"crashed", policy.StateCrashed, int(lv.DOMAIN_CRASHED_UNKNOWN), 0, 0, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := migrationRole(c.state, c.reason, false); got != c.role {
				t.Errorf("role: %v, want %v", got, c.role)
			}
			if got := migrationRole(c.state, c.reason, true); got != c.ifLeaving {
				t.Errorf("role if leaving: %v, want %v", got, c.ifLeaving)
			}
			if got := switchedOver(c.state, c.reason, policy.NoJob); got != c.away {
				t.Errorf("switched over: %v", got)
			}
			if got := switchedOver(c.state, c.reason, leaving); got != c.awayWithJob {
				t.Errorf("switched over with a job: %v", got)
			}
			if got := postCopy(c.state, c.reason); got != c.postCopy {
				t.Errorf("post-copy: %v", got)
			}
		})
	}
	for in, want := range map[lv.DomainState]policy.DomainState{
		lv.DOMAIN_NOSTATE: policy.StateUnknown, lv.DOMAIN_RUNNING: running, lv.DOMAIN_BLOCKED: running,
		lv.DOMAIN_PAUSED: paused, lv.DOMAIN_PMSUSPENDED: paused, lv.DOMAIN_SHUTDOWN: shutoff,
		lv.DOMAIN_SHUTOFF: shutoff, lv.DOMAIN_CRASHED: policy.StateCrashed, 99: policy.StateUnknown,
	} {
		if got := domainState(in); got != want {
			t.Errorf("state %d: %v, want %v", in, got, want)
		}
	}
}

func TestJobOf(t *testing.T) {
	for _, c := range []struct {
		kind lv.DomainJobType
		op   lv.DomainJobOperationType
		want policy.Job
	}{
		{lv.DOMAIN_JOB_NONE, lv.DOMAIN_JOB_OPERATION_UNKNOWN, policy.NoJob},
		{lv.DOMAIN_JOB_UNBOUNDED, lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT, policy.MigratingOut},
		{lv.DOMAIN_JOB_BOUNDED, lv.DOMAIN_JOB_OPERATION_MIGRATION_IN, policy.MigratingIn},
		{lv.DOMAIN_JOB_UNBOUNDED, lv.DOMAIN_JOB_OPERATION_BACKUP, policy.OtherJob},
		{lv.DOMAIN_JOB_UNBOUNDED, lv.DOMAIN_JOB_OPERATION_UNKNOWN, policy.OtherJob},
		{lv.DOMAIN_JOB_COMPLETED, lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT, policy.NoJob},
		{lv.DOMAIN_JOB_FAILED, lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT, policy.NoJob},
		{lv.DOMAIN_JOB_CANCELLED, lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT, policy.NoJob},
	} {
		if got := jobOf(&lv.DomainJobInfo{Type: c.kind, OperationSet: true, Operation: c.op}); got != c.want {
			t.Errorf("type %d, operation %d: %v, want %v", c.kind, c.op, got, c.want)
		}
	}
}

func TestProgressSurvivesAbsurdNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64()
		p := progressOf(&lv.DomainJobInfo{
			TimeElapsed: n.Draw(t, "elapsed"), DataTotal: n.Draw(t, "total"), DataProcessed: n.Draw(t, "processed"),
			DataRemaining: n.Draw(t, "remaining"), MemDirtyRate: n.Draw(t, "dirty"), MemPageSize: n.Draw(t, "page"),
			MemBps: n.Draw(t, "bps"), MemIteration: n.Draw(t, "iteration"),
		})
		if p.Elapsed < 0 || min(p.Total, p.Processed, p.Remaining, p.DirtyRate, p.Bandwidth) < 0 || p.Iteration < 0 {
			t.Fatalf("negative: %+v", p)
		}
	})
}

func TestClassify(t *testing.T) {
	code := func(c lv.ErrorNumber) error { return lv.Error{Code: c, Message: "libvirt's words"} }
	for _, c := range []struct {
		name   string
		err    error
		result policy.Result
		reason policy.Reason
	}{
		{"aborted", code(lv.ERR_OPERATION_ABORTED), policy.Aborted, policy.Cancelled},
		{"persistence", code(lv.ERR_MIGRATE_PERSIST_FAILED), policy.Succeeded, policy.Completed},
		{"unsafe", code(lv.ERR_MIGRATE_UNSAFE), policy.Failed, policy.UnsafeStorage},
		{"cpu", code(lv.ERR_CPU_INCOMPATIBLE), policy.Failed, policy.CPUIncompatible},
		{"no domain", code(lv.ERR_NO_DOMAIN), policy.Failed, policy.SourceGone},
		{"auth", code(lv.ERR_AUTH_FAILED), policy.Failed, policy.Unauthorized},
		{"other", code(lv.ERR_OPERATION_FAILED), policy.Failed, policy.LibvirtError},
		{"not libvirt's", errors.New("x"), policy.Failed, policy.LibvirtError},
		{"cut off", errCutOff{code(lv.ERR_SYSTEM_ERROR)}, policy.Unknown, policy.ConnectionLost},
		{"not started", errNotStarted{code(lv.ERR_NO_DOMAIN)}, policy.Failed, policy.SourceGone},
	} {
		result, reason := classify(c.err)
		if result != c.result || reason != c.reason {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, result, reason, c.result, c.reason)
		}
	}
}

func TestConclude(t *testing.T) {
	seen := func(state policy.DomainState, reason int) reading { return reading{state: state, reason: reason} }
	failed := policy.Outcome{Result: policy.Failed, Reason: policy.LibvirtError, Detail: "it broke"}
	aborted := policy.Outcome{Result: policy.Aborted, Reason: policy.Cancelled, Detail: "cancelled"}
	lost := policy.Outcome{Result: policy.Unknown, Reason: policy.ConnectionLost, Detail: "end of file"}
	var nothing policy.Outcome
	runs := seen(policy.StateRunning, int(lv.DOMAIN_RUNNING_BOOTED))
	husk := seen(policy.StatePaused, int(lv.DOMAIN_PAUSED_MIGRATION))
	off := seen(policy.StateShutoff, int(lv.DOMAIN_SHUTOFF_SHUTDOWN))
	moved := seen(policy.StateShutoff, int(lv.DOMAIN_SHUTOFF_MIGRATED))
	for _, c := range []struct {
		name           string
		r              reading
		gone           bool
		event          bool
		migrated       bool
		claim          policy.Outcome
		result         policy.Result
		reason         policy.Reason
		detailIsntBare bool
	}{
		{"error, and it runs here", runs, false, false, false, failed, policy.Failed, policy.LibvirtError, true},
		{"cancelled, and it runs here", runs, false, false, false, aborted, policy.Aborted, policy.Cancelled, true},
		{"connection lost, and it runs here", runs, false, false, false, lost, policy.Failed, policy.ConnectionLost, true},
		{"watched, and it runs here", runs, false, false, false, nothing, policy.Failed, policy.Interrupted, false},
		{"error, and it is paused in the middle", husk, false, false, false, failed, policy.Unknown, policy.NotLocated, true},
		{"watched, and it is paused in the middle", husk, false, false, false, nothing, policy.Unknown, policy.NotLocated, false},
		{"watched, gone by a migration that was seen", reading{}, true, true, true, nothing, policy.Succeeded, policy.Completed, false},
		{"watched, shut off by a migration", moved, false, false, false, nothing, policy.Succeeded, policy.Completed, false},
		{"watched, gone and nobody saw how", reading{}, true, false, false, nothing, policy.Unknown, policy.NotLocated, false},
		{"watched, gone otherwise", reading{}, true, true, false, nothing, policy.Failed, policy.SourceGone, false},
		{"watched, shut off otherwise", off, false, false, false, nothing, policy.Failed, policy.SourceGone, false},
		{"error, gone by a migration", reading{}, true, true, true, failed, policy.Unknown, policy.NotLocated, true},
		{"error, gone and nobody saw how", reading{}, true, false, false, failed, policy.Unknown, policy.NotLocated, true},
		{"connection lost, gone and nobody saw how", reading{}, true, false, false, lost, policy.Unknown, policy.NotLocated, true},
		{"connection lost, gone by a migration that was seen", reading{}, true, true, true, lost, policy.Succeeded, policy.Completed, true},
		{"error, shut off otherwise", off, false, false, false, failed, policy.Failed, policy.SourceGone, true},
		{"error, gone otherwise", reading{}, true, true, false, failed, policy.Failed, policy.SourceGone, true},
		{"another job came", reading{state: policy.StateRunning, job: policy.OtherJob}, false, false, false, nothing, policy.Unknown, policy.NotLocated, false},
	} {
		o := conclude(c.r, c.gone, stop{migrated: c.migrated}, c.event, c.claim)
		if o.Result != c.result || o.Reason != c.reason {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, o.Result, o.Reason, c.result, c.reason)
		}
		if o.Detail == "" || c.detailIsntBare && o.Detail == c.claim.Detail {
			t.Errorf("%s: detail %q", c.name, o.Detail)
		}
	}
}

// TestNothingUnseenBecomesAResult: whatever libvirt claims, success needs the
// domain to be seen gone, and failure needs it to be seen here or dead.
func TestNothingUnseenBecomesAResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reading{
			state:  policy.DomainState(rapid.IntRange(0, 4).Draw(t, "state")),
			reason: rapid.IntRange(0, 15).Draw(t, "reason"),
			job:    policy.Job(rapid.IntRange(0, 3).Draw(t, "job")),
		}
		gone := rapid.Bool().Draw(t, "gone")
		if gone {
			r = reading{}
		}
		s := stop{migrated: rapid.Bool().Draw(t, "migrated")}
		seen := rapid.Bool().Draw(t, "seen")
		claim := rapid.SampledFrom([]policy.Outcome{
			{},
			{Result: policy.Failed, Reason: policy.LibvirtError, Detail: "x"},
			{Result: policy.Aborted, Reason: policy.Cancelled, Detail: "x"},
			{Result: policy.Unknown, Reason: policy.ConnectionLost, Detail: "x"},
		}).Draw(t, "claim")
		o := conclude(r, gone, s, seen, claim)
		active := !gone && r.state != policy.StateShutoff && r.state != policy.StateCrashed
		switch o.Result {
		case policy.Succeeded:
			if active || claim.Result == policy.Failed || claim.Result == policy.Aborted {
				t.Fatalf("success of a domain that is active here, or against libvirt's word: %+v from %+v", o, r)
			}
		case policy.Failed, policy.Aborted:
			if active && (r.state != policy.StateRunning || r.job != policy.NoJob) {
				t.Fatalf("failure of a domain that may be under way: %+v from %+v", o, r)
			}
			if gone && !seen {
				t.Fatalf("failure of a domain that went unseen: %+v", o)
			}
		}
	})
}

func TestPlan(t *testing.T) {
	const always = lv.MIGRATE_LIVE | lv.MIGRATE_PEER2PEER | lv.MIGRATE_ABORT_ON_ERROR
	const never = lv.MIGRATE_UNSAFE | lv.MIGRATE_TUNNELLED | lv.MIGRATE_NON_SHARED_DISK | lv.MIGRATE_NON_SHARED_INC |
		lv.MIGRATE_PAUSED | lv.MIGRATE_OFFLINE | lv.MIGRATE_CHANGE_PROTECTION
	const owned = lv.MIGRATE_PERSIST_DEST | lv.MIGRATE_UNDEFINE_SOURCE
	rapid.Check(t, func(t *rapid.T) {
		o := MigrationOptions{
			AutoConverge: rapid.Bool().Draw(t, "auto-converge"), PostCopy: rapid.Bool().Draw(t, "post-copy"),
			TLS: rapid.Bool().Draw(t, "tls"), ParallelConnections: rapid.IntRange(0, 8).Draw(t, "parallel"),
			Bandwidth: policy.Bytes(rapid.Int64Range(0, 1<<40).Draw(t, "bandwidth")),
		}
		transfer := hypervisor.Transfer{Bandwidth: policy.Bytes(rapid.Int64Range(0, 1<<40).Draw(t, "own bandwidth"))}
		persistent := rapid.Bool().Draw(t, "persistent")
		p := makePlan(o, transfer, persistent)
		if p.flags&always != always || p.flags&never != 0 {
			t.Fatalf("flags %b", p.flags)
		}
		if got := p.flags & owned; persistent && got != owned || !persistent && got != 0 {
			t.Fatalf("persistent %v: flags %b", persistent, p.flags)
		}
		if (p.flags&lv.MIGRATE_POSTCOPY != 0) != o.PostCopy || (p.flags&lv.MIGRATE_TLS != 0) != o.TLS ||
			(p.flags&lv.MIGRATE_AUTO_CONVERGE != 0) != o.AutoConverge ||
			(p.flags&lv.MIGRATE_PARALLEL != 0) != (o.ParallelConnections > 1) {
			t.Fatalf("%+v: flags %b", o, p.flags)
		}
		wanted := o.Bandwidth
		if transfer.Bandwidth > 0 {
			wanted = transfer.Bandwidth
		}
		if p.params.BandwidthSet != (wanted > 0) || p.params.BandwidthSet && p.params.Bandwidth == 0 {
			t.Fatalf("bandwidth %v became %+v", wanted, p.params)
		}
	})
}

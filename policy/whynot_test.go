package policy_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/policy"
)

var update = flag.Bool("update", false, "write docs/why-not.md anew")

// docs/why-not.md is written by this test, with -update, and never by hand: the
// labels and texts of all reasons, with what a person does about each.
func TestWhyNot(t *testing.T) {
	const path = "../docs/why-not.md"
	want := whyNot(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what the reasons are; run: go test ./policy -run TestWhyNot -update", path)
	}
}

func whyNot(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(whyNotHead)
	for _, r := range policy.Reasons() {
		if heading, ok := whyNotSections[r]; ok {
			fmt.Fprintf(&b, "\n## %s\n\n| reason | it means that | what to do |\n|---|---|---|\n", heading)
		}
		todo, ok := whatToDo[r]
		if !ok || todo == "" {
			t.Errorf("%s: nothing is said of what to do", r)
		}
		if strings.Contains(todo, "|") {
			t.Errorf("%s: a | would end the column", r)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r, r.Text(), todo)
	}
	return b.String()
}

const whyNotHead = `# Why isn't it moving?

Every decision has a reason for the host and one for each domain that stays. Three commands show them:

` + "```sh" + `
virtbalance plan
virtbalance explain web1
virtbalance explain web1 node2
` + "```" + `

` + "`plan`" + ` says why this host moves nothing, or what it would move; ` + "`explain`" + ` says it of one domain, with the numbers, host by host.
The same labels are in the log, in ` + "`virtbalance history`" + `, in JSON, and as label ` + "`reason`" + ` of the [metrics](metrics.md).

Read from the top: what holds the whole host up hides what would hold up a domain, and that hides what a target would say.
Where "nothing" stands below, it passes by itself. Keys are explained in [configuration.md](configuration.md).

<!-- Written by: go test ./policy -run TestWhyNot -update -->
`

// whyNotSections are the headings, each above its first reason.
var whyNotSections = map[policy.Reason]string{
	policy.OK:            "Why a move is made",
	policy.NotOverloaded: "Why the host starts nothing now",
	policy.NotRunning:    "Why a domain stays",
	policy.SameHost:      "Why a host does not take a domain",
	policy.Completed:     "How a move ended",
	policy.MovedOn:       "Why an audit cannot tell",
	policy.Unrecognized:  "Between versions",
}

// whatToDo is for the person who reads it at night.
var whatToDo = map[policy.Reason]string{
	policy.OK:            "nothing",
	policy.Overload:      "nothing; if it happens all the time, the host has too much to run, or `policy.high` is too low",
	policy.Drain:         "nothing; `virtbalance undrain` ends it",
	policy.Manual:        "nothing; `virtbalance history` has the move",
	policy.Spread:        "nothing; it is `policy.strategy`",
	policy.Consolidating: "nothing; it is `policy.strategy`",
	policy.RuleBroken:    "nothing; `virtbalance rules VM` shows the rules, `virtbalance label` the hosts' labels",
	policy.Contention:    "nothing; it is `policy.wait_high`",
	policy.Swap:          "nothing; `policy.swaps = false` keeps from it",

	policy.NotOverloaded:     "nothing: balancing relieves overload, it does not even out. If guests suffer all the same, lower `policy.high`, set `policy.wait_high`, or choose `policy.strategy = \"spread\"`",
	policy.NoContention:      "nothing: `policy.wait_high` is set, so use alone moves nothing",
	policy.Sustaining:        "nothing: `policy.samples_over` of `policy.samples_window` samples must agree; fewer act sooner, on shorter spikes",
	policy.DryRun:            "look at what it would do for some days; when you would do the same, set `mode = \"auto\"` or `\"approve\"` and reload",
	policy.NeedsApproval:     "`virtbalance apply` makes what is proposed. The daemon has `mode = \"approve\"`, or the domain has (`virtbalance rules VM --mode auto` takes that back)",
	policy.Superseded:        "look at the new plan: `virtbalance plan`",
	policy.PausedByOperator:  "`virtbalance resume`, when what it was paused for is over",
	policy.NoSample:          "nothing just after a start; else libvirt does not answer: `virsh list`, the daemon's log",
	policy.StaleView:         "nothing: this version gives `alone` or `minority` instead",
	policy.Alone:             "another host's daemon must run and be reached: `virtbalanced --check` there and here, TCP and UDP of `gossip.listen` through the firewalls, the same `gossip.label` and key everywhere",
	policy.Minority:          "start the daemons that are missing (`virtbalance hosts`); after a network split, wait or mend it; `policy.quorum` says how many are enough",
	policy.Settling:          "nothing: `policy.settle` after a move, so that the next decision sees its effect",
	policy.InFlight:          "nothing; migrations that a person began count, too. `policy.max_outbound` allows more at once",
	policy.OutsideWindow:     "nothing: `schedule.windows` and `schedule.blackouts`; `virtbalance status` names the next time. What a person orders and what rules demand goes on",
	policy.JournalUnwritable: "free the disk or mend it: [runbook](runbooks/VirtbalanceJournalUnwritable.md)",
	policy.BreakerOpen:       "find out why moves fail: [runbook](runbooks/VirtbalanceBreakerOpen.md)",
	policy.FrozenHost:        "look at once: [runbook](runbooks/VirtbalanceHostFrozen.md)",
	policy.NameConflict:      "two hosts have one UUID, usually cloned: set a `host_uuid` of its own in libvirtd.conf of one, restart its libvirtd and its daemon",
	policy.NoDomains:         "nothing",

	policy.NotRunning:       "nothing: what is paused or shut down uses no CPU",
	policy.NoStats:          "nothing after a start or a move of the domain; if it stays so, `virsh domstats VM` and the log of libvirtd",
	policy.Passthrough:      "detach the device, or use one that is not of this host; else the domain stays here for good",
	policy.HasSnapshot:      "`virsh snapshot-list VM`; delete or merge what is not needed",
	policy.JobActive:        "nothing: a backup, a block copy or somebody's migration runs; `virsh domjobinfo VM`",
	policy.Unconfirmed:      "bring the daemon of that host back, which `virtbalance explain VM` names; an hour after the domain has come it may be moved without it",
	policy.Transient:        "define the domain, or allow it with `libvirt.move_transient`",
	policy.PinnedDomain:     "`virtbalance rules VM --no-pin` if a rule pins it; `libvirt.move_pinned` if its vCPUs or memory are bound to CPUs or NUMA nodes",
	policy.IgnoredDomain:    "`virtbalance rules VM --no-ignore`",
	policy.PersonsOnly:      "`virtbalance move VM HOST`; or `virtbalance rules VM --mode auto`",
	policy.GroupHere:        "nothing: those beside it would be left behind; `virtbalance rules VM` shows the group",
	policy.HighPriority:     "nothing: it moves when somebody waits for a CPU; or `virtbalance rules VM --priority 5`",
	policy.ManagedElsewhere: "leave it to that manager (Pacemaker, oVirt, Nova, OpenNebula, KubeVirt, or one of `libvirt.managed_namespaces`)",
	policy.UnsafeStorage:    "put its disks on storage that all hosts share, with cache mode `none`; [preflight](preflight.md), row 9. `libvirt.assume_shared_paths` only where you know better than libvirt",
	policy.NotMigratable:    "`virtbalance explain VM` and the log name the device; [preflight](preflight.md), row 8",
	policy.NotInspected:     "nothing for a minute; if it stays so, libvirt does not give out the definition: `virsh dumpxml VM`",
	policy.CoolingDown:      "nothing: it has moved lately, by whomever; `policy.cooldown`. `virtbalance move` does not ask",
	policy.TooSmall:         "nothing: moving it would take less than a twentieth of the excess away",
	policy.NoFeasibleHost:   "see below what each host says: `virtbalance explain VM`. All full: add capacity, [runbook](runbooks/VirtbalanceNoRoom.md)",
	policy.NotNeeded:        "nothing",

	policy.SameHost:           "nothing",
	policy.HostStale:          "is its daemon up, and reached by UDP? `virtbalance hosts`, [runbook](runbooks/VirtbalanceViewStale.md)",
	policy.HostCordoned:       "`virtbalance uncordon HOST` or `virtbalance undrain HOST`",
	policy.HostBlind:          "its daemon cannot measure: libvirt there, [runbook](runbooks/VirtbalanceNotMeasuring.md)",
	policy.HostFrozen:         "look there at once: [runbook](runbooks/VirtbalanceHostFrozen.md)",
	policy.HostPaused:         "`virtbalance resume` on that host",
	policy.HostOverReceive:    "nothing: it would soon want to be rid of it. `policy.receive` fills hosts further; `virtbalance move VM HOST --force-load` does once",
	policy.HostMemory:         "nothing: what the guest may grow to must fit below `policy.memory_receive`, beside what is promised to others",
	policy.HostInboundLimit:   "nothing; `policy.max_inbound` allows more at once",
	policy.HostBackoff:        "nothing: it is asked again after `policy.refused_backoff` or `policy.failed_backoff`; `virtbalance history` says what went wrong",
	policy.HostQuarantined:    "find out why moves to it fail: `virtbalance history`, [runbook](runbooks/VirtbalanceMigrationsFailing.md). It is tried again after `policy.quarantine`, doubled with each failure; `virtbalance move VM HOST` does not ask, and clears it by succeeding",
	policy.CameFromThere:      "nothing: `policy.return_window`, against going to and fro; `virtbalance move VM HOST` does not ask",
	policy.HostMakesRoom:      "nothing: the move is tried again when there is room",
	policy.NoGain:             "nothing: the target would be nearly as loaded as the source is; `policy.min_gain`",
	policy.AlreadyThere:       "a definition was left behind, or another domain has the name: `virsh list --all` there; which of the two is right, a person decides",
	policy.CPUIncompatible:    "give the guest a CPU model that all hosts have (`virsh hypervisor-cpu-baseline`); `host-passthrough` goes only between equal hosts. `virtbalance matrix` shows who takes whom",
	policy.VersionOlder:       "upgrade that host: a guest is never moved to an older QEMU or libvirt",
	policy.MachineUnsupported: "upgrade QEMU there, or give the guest a machine type (or TPM) that both have",
	policy.StorageMissing:     "mount or map the same storage under the same path there; the detail names the file",
	policy.NetworkMissing:     "create the network or bridge of that name there; the detail names it",
	policy.LabelMissing:       "`virtbalance label HOST --add LABEL` gives the host the label; `virtbalance rules VM --no-requires LABEL` takes the demand back",
	policy.AffinityGroup:      "nothing: it follows its group; `virtbalance rules VM --no-affinity GROUP`",
	policy.AntiAffinityGroup:  "nothing, or another host for the group; `virtbalance rules VM --no-anti-affinity GROUP`",
	policy.HostRulesUnknown:   "nothing for a minute, until that daemon has read its domains",
	policy.Unreachable:        "is its daemon up, and TCP of `peer.listen` open? Names and certificates: `virtbalanced --check` there",
	policy.PreflightFailed:    "the detail says what could not be looked at; often a directory that the user virtbalanced may not enter there",
	policy.Unauthorized:       "the certificate of this host is not accepted there: issued by the same authority, for the name that gossip tells, not expired or revoked? See [security](../SECURITY.md)",

	policy.Completed:        "nothing",
	policy.DeadlineExceeded: "the guest writes faster than the network carries, or the network is slower than `policy.bandwidth_mib`: `libvirt.parallel`, `libvirt.max_downtime`, `libvirt.deadline_factor`. The guest goes on where it was",
	policy.Cancelled:        "nothing: a person or a shutdown ended it. The guest goes on where it was",
	policy.ConnectionLost:   "look at the network and at libvirtd on the target; where the guest runs has been asked of both hosts",
	policy.LibvirtError:     "`virtbalance history` has libvirt's words; [runbook](runbooks/VirtbalanceMigrationsFailing.md)",
	policy.SourceGone:       "nothing: it was shut down",
	policy.Interrupted:      "nothing: the guest goes on where it was",
	policy.NotLocated:       "bring the silent host's daemon or libvirt back: [runbook](runbooks/VirtbalanceOutcomeUnknown.md)",
	policy.Duplicated:       "look at once, the disks are in danger: [runbook](runbooks/VirtbalanceHostFrozen.md)",
	policy.PausedAtSource:   "look at once: [runbook](runbooks/VirtbalanceHostFrozen.md)",
	policy.Lost:             "look at once: [runbook](runbooks/VirtbalanceHostFrozen.md)",

	policy.MovedOn: "nothing: the audit of a move (`virtbalance history`) could not tell any more what it had brought",

	policy.Unrecognized: "upgrade the older host; until then it takes any such answer for a no",
}

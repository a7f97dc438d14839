package libvirt

import (
	"fmt"
	"slices"
	"testing"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

func records(ids ...policy.DomainID) []domainStats {
	var all []domainStats
	for _, id := range ids {
		all = append(all, domainStats{DomainCounters: policy.DomainCounters{ID: id, Name: string(id), State: policy.StateRunning}})
	}
	return all
}

func TestRegistryKeepsWhatIsKnownUntilItChanges(t *testing.T) {
	r := newRegistry(time.Minute)
	now := time.Now()
	if d := r.observe(records("a", "b")); d[0].Obstacle != policy.NotInspected || d[1].Obstacle != policy.NotInspected {
		t.Fatalf("new domains: %+v", d)
	}
	if due := r.due(now); !slices.Equal(due, []policy.DomainID{"a", "b"}) {
		t.Fatalf("due: %v", due)
	}
	history := policy.MoveHistory{Count: 3}
	r.learned("a", now, finding{}, rules{history: history})
	r.learned("b", now, finding{policy.HasSnapshot, "one"}, rules{})
	d := r.observe(records("b", "a"))
	if d[0].Obstacle != policy.HasSnapshot || d[1].Obstacle != policy.OK || d[1].History != history {
		t.Errorf("after the inspection: %+v", d)
	}
	if due := r.due(now); len(due) != 0 {
		t.Errorf("due right after: %v", due)
	}
	if due := r.due(now.Add(time.Minute)); len(due) != 2 {
		t.Errorf("due a minute later: %v", due)
	}
	// An event while an inspection runs makes its answer outdated at once.
	r.outdated("a", now.Add(2*time.Second))
	r.learned("a", now.Add(time.Second), finding{}, rules{history: history})
	if due := r.due(now.Add(3 * time.Second)); !slices.Equal(due, []policy.DomainID{"a"}) {
		t.Errorf("due after an event: %v", due)
	}
	// What is gone is forgotten; what comes back is new.
	r.observe(records("b"))
	if d := r.observe(records("a")); d[0].Obstacle != policy.NotInspected || d[0].History != (policy.MoveHistory{}) {
		t.Errorf("a domain that was gone: %+v", d)
	}
}

func TestAFailedInspectionKeepsTheVerdictAndIsTriedAgain(t *testing.T) {
	r := newRegistry(time.Hour)
	now := time.Now()
	r.observe(records("a"))
	r.learned("a", now, finding{policy.HasSnapshot, "one"}, rules{})
	r.forget()
	now = time.Now()
	r.postponed("a", now)
	if d := r.observe(records("a")); d[0].Obstacle != policy.HasSnapshot {
		t.Errorf("verdict: %v", d[0].Obstacle)
	}
	if due := r.due(now.Add(retryInspection / 2)); len(due) != 0 {
		t.Errorf("due too soon: %v", due)
	}
	if due := r.due(now.Add(retryInspection)); len(due) != 1 {
		t.Errorf("not due: %v", due)
	}
}

func TestJobsAreAskedForInTurn(t *testing.T) {
	r := newRegistry(time.Hour)
	var ids []policy.DomainID
	for i := range 20 {
		ids = append(ids, policy.DomainID(fmt.Sprintf("d%02d", i)))
	}
	r.observe(records(ids...))
	if first := r.toAsk(2); len(first) != 20 {
		t.Errorf("of new domains, only %d are asked for", len(first))
	}
	for _, id := range ids {
		r.jobIs(id, policy.NoJob, policy.StateRunning, 0, time.Now())
	}
	seen := map[policy.DomainID]bool{}
	for range 10 {
		turn := r.toAsk(2)
		if len(turn) != 2 {
			t.Fatalf("a turn of %v", turn)
		}
		for _, id := range turn {
			seen[id] = true
		}
	}
	if len(seen) != 20 {
		t.Errorf("ten turns of two reached %d of 20 domains", len(seen))
	}
	r.jobHint("d07")
	if turn := r.toAsk(0); !slices.Equal(turn, []policy.DomainID{"d07"}) {
		t.Errorf("after a hint: %v", turn)
	}
	r.jobIs("d03", policy.MigratingOut, policy.StateRunning, 0, time.Now())
	for range 3 {
		if turn := r.toAsk(0); !slices.Equal(turn, []policy.DomainID{"d03"}) {
			t.Errorf("a domain with a job is asked for each time: %v", turn)
		}
	}
}

func TestTheStateSpeaksWhenTheJobIsOutdated(t *testing.T) {
	r := newRegistry(time.Hour)
	at := func(state policy.DomainState, reason int) policy.Job {
		rec := records("a")
		rec[0].State, rec[0].reason = state, reason
		return r.observe(rec)[0].Job
	}
	migrating := int(lv.DOMAIN_PAUSED_MIGRATION)
	if j := at(policy.StatePaused, migrating); j != policy.MigratingIn {
		t.Errorf("paused for a migration, never asked: %v", j)
	}
	r.jobIs("a", policy.NoJob, policy.StatePaused, migrating, time.Now())
	if j := at(policy.StatePaused, migrating); j != policy.NoJob {
		t.Errorf("paused for a migration of which nothing runs any more: %v", j)
	}
	r.jobIs("a", policy.MigratingOut, policy.StateRunning, 0, time.Now())
	if j := at(policy.StateRunning, 0); j != policy.MigratingOut {
		t.Errorf("leaving: %v", j)
	}
	if j := at(policy.StatePaused, migrating); j != policy.MigratingOut {
		t.Errorf("leaving, at the moment of the switch-over: %v", j)
	}
}

func TestAnIncompleteRecordIsCompleted(t *testing.T) {
	r := newRegistry(time.Hour)
	full := domainStats{
		DomainCounters: policy.DomainCounters{
			ID: "a", VCPUs: 2, Wait: 5 * time.Second, CPUTime: time.Second, StatsKnown: true, Memory: policy.GiB, MemoryMax: 4 * policy.GiB,
		}, resident: true,
	}
	r.observe([]domainStats{full})
	part := domainStats{DomainCounters: policy.DomainCounters{
		ID: "a", CPUTime: 2 * time.Second, StatsKnown: true, Memory: 4 * policy.GiB, MemoryMax: 4 * policy.GiB,
	}}
	d := r.observe([]domainStats{part})[0]
	if d.VCPUs != 2 || d.Wait != 5*time.Second || d.Memory != policy.GiB || d.CPUTime != 2*time.Second {
		t.Errorf("%+v", d)
	}
	d = r.observe([]domainStats{full})[0]
	if d.Wait != 5*time.Second || d.Memory != policy.GiB {
		t.Errorf("%+v", d)
	}
}

// What a guest has in huge pages is not of the memory that hosts tell of.
func TestHugePagesAreCountedApart(t *testing.T) {
	r := newRegistry(time.Hour)
	rec := domainStats{DomainCounters: policy.DomainCounters{
		ID: "a", StatsKnown: true, Memory: 4 * policy.GiB, MemoryMax: 4 * policy.GiB,
	}}
	r.observe([]domainStats{rec})
	r.learned("a", time.Now(), finding{}, rules{hugePages: true})
	if d := r.observe([]domainStats{rec})[0]; d.Memory != 0 || d.MemoryMax != policy.MiB || d.HugePages != 4*policy.GiB {
		t.Errorf("without a resident size: %+v", d)
	}
	rec.Memory, rec.resident = 300*policy.MiB, true // QEMU itself
	if d := r.observe([]domainStats{rec})[0]; d.Memory != 300*policy.MiB || d.MemoryMax != 300*policy.MiB || d.HugePages != 4*policy.GiB {
		t.Errorf("with one: %+v", d)
	}
}

func TestStopsAreRememberedAndBounded(t *testing.T) {
	r := newRegistry(time.Hour)
	t0 := time.Now()
	r.stopped("a", t0.Add(time.Second), true)
	if s, ok := r.stopSince("a", t0); !ok || !s.migrated {
		t.Errorf("%+v, %v", s, ok)
	}
	if _, ok := r.stopSince("a", t0.Add(2*time.Second)); ok {
		t.Error("a stop before the time asked for counts")
	}
	for i := range 10 * stopsKept {
		r.stopped(policy.DomainID(fmt.Sprint(i)), t0.Add(time.Duration(i)*time.Second), false)
	}
	if n := len(r.stops); n > 2*stopsKept+1 {
		t.Errorf("%d stops are kept", n)
	}
}

func TestPlausible(t *testing.T) {
	now := time.Now()
	if h := plausible(policy.MoveHistory{Last: now.Add(time.Hour), Count: 1}, now); !h.Last.Equal(now) || h.Count != 1 {
		t.Errorf("%+v", h)
	}
	if h := plausible(policy.MoveHistory{Last: now.Add(-time.Hour)}, now); !h.Last.Equal(now.Add(-time.Hour)) {
		t.Errorf("%+v", h)
	}
}

func TestPursuit(t *testing.T) {
	h := &Hypervisor{moves: map[policy.DomainID]*pursuit{}}
	p, err := h.pursue("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.pursue("a"); err == nil {
		t.Error("two pursuits of one domain")
	}
	p.hold()
	p.release()
	if _, err := h.pursue("a"); err == nil {
		t.Error("forgotten while somebody holds it")
	}
	p.finished(&lv.DomainJobInfo{Downtime: 1})
	p.finished(&lv.DomainJobInfo{Downtime: 2})
	if stats := <-p.final; stats.Downtime != 2 {
		t.Errorf("not the last figures: %+v", stats)
	}
	p.release()
	again, err := h.pursue("a")
	if err != nil {
		t.Fatal(err)
	}
	if !again.start() || again.abandon() {
		t.Error("a migration that has been asked for was abandoned")
	}
	never := &pursuit{h: h, id: "b"}
	if !never.abandon() || never.start() {
		t.Error("an abandoned migration was asked for")
	}
}

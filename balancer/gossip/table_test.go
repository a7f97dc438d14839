package gossip

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// tableOf returns the table of host "self" with one member, "b", in epoch 7.
func tableOf(t *testing.T) *table {
	t.Helper()
	table := newTable("self", 10, time.Hour)
	m := meta{facts: policy.HostFacts{Name: "b", Capacity: policy.Load{CPU: 8000, Memory: 64 * policy.GiB}}, epoch: 7}
	table.join("b", netip.MustParseAddrPort("10.0.0.2:17450"), m, noon)
	return table
}

func TestAccept(t *testing.T) {
	usual := policy.HostState{Used: policy.Load{CPU: 4000, Memory: 32 * policy.GiB}, Pressure: 0.1}
	with := func(change func(*policy.HostState)) policy.HostState {
		s := usual
		change(&s)
		return s
	}
	of := func(host policy.HostID, epoch, seq uint32, s policy.HostState) digest {
		return digest{host: keyOf(host), epoch: epoch, seq: seq, state: s}
	}
	for _, tt := range []struct {
		name  string
		d     digest
		after time.Duration // since digest 10 was accepted
		want  Cause
		ok    bool
	}{
		{name: "the next", d: of("b", 7, 11, usual), ok: true},
		{name: "with a gap", d: of("b", 7, 200, usual), ok: true},
		{name: "the same again", d: of("b", 7, 10, usual), want: causeDuplicate},
		{name: "an older one", d: of("b", 7, 9, usual), want: causeDuplicate},
		{name: "far ahead", d: of("b", 7, 5000, usual), want: CauseWildSequence},
		{name: "far ahead after an hour of silence", d: of("b", 7, 5000, usual), after: time.Hour, ok: true},
		{name: "at the end of the numbers", d: of("b", 7, math.MaxUint32, usual), after: 24 * time.Hour, want: CauseWildSequence},
		{name: "of a former life", d: of("b", 6, 11, usual), want: CauseOtherEpoch},
		{name: "of a future life", d: of("b", 8, 1, usual), want: CauseOtherEpoch},
		{name: "of nobody", d: of("c", 7, 11, usual), want: CauseUnknownHost},
		{name: "of this host", d: of("self", 7, 11, usual), want: CauseUnknownHost},
		{
			name: "over full, within reason", ok: true,
			d: of("b", 7, 11, with(func(s *policy.HostState) { s.Used.CPU, s.Promised.CPU = 9000, 9000 })),
		},
		{
			name: "CPU that it has not", want: CauseAbsurd,
			d: of("b", 7, 11, with(func(s *policy.HostState) { s.Used.CPU = 20000 })),
		},
		{
			name: "memory that it has not", want: CauseAbsurd,
			d: of("b", 7, 11, with(func(s *policy.HostState) { s.Used.Memory = 200 * policy.GiB })),
		},
		{
			name: "promises beyond measure", want: CauseAbsurd,
			d: of("b", 7, 11, with(func(s *policy.HostState) { s.Promised.Memory = 1024 * policy.GiB })),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := tableOf(t)
			if _, why, ok := table.accept(of("b", 7, 10, usual).append(nil), noon); !ok {
				t.Fatalf("the first digest was refused: %s", why)
			}
			now := noon.Add(tt.after + time.Second)
			tt.d.age = 300 * time.Millisecond
			news, why, ok := table.accept(tt.d.append(nil), now)
			if ok != tt.ok || (!ok && why != tt.want) {
				t.Fatalf("accepted %v (%s), want %v (%s)", ok, why, tt.ok, tt.want)
			}
			host := table.hosts(noon, time.Minute)[0]
			if !ok {
				if host.HostState != usual || !host.Received.Equal(noon) {
					t.Errorf("what was refused changed the state: %+v", host)
				}
				return
			}
			born := now.Add(-tt.d.age)
			if host.HostState != tt.d.state || !host.Received.Equal(born) || !news.born.Equal(born) {
				t.Errorf("state %+v received %s, want %+v at %s", host.HostState, host.Received, tt.d.state, born)
			}
		})
	}
}

func TestPressureBeyondAllIsAbsurd(t *testing.T) {
	record := digest{host: keyOf("b"), epoch: 7, seq: 1}.append(nil)
	record[len(record)-10], record[len(record)-9] = 0xff, 0xff // pressure of 6.55
	if _, why, ok := tableOf(t).accept(record, noon); ok || why != CauseAbsurd {
		t.Errorf("accepted %v, %s", ok, why)
	}
}

func TestHostThatDoesNotKnowItsCapacityYet(t *testing.T) {
	s := policy.HostState{Used: policy.Load{CPU: 12000, Memory: 99 * policy.GiB}, Flags: policy.Blind}
	if !plausible(s, policy.Load{}) {
		t.Error("its state is refused")
	}
	if plausible(s, policy.Load{CPU: 1000}) {
		t.Error("the CPU that it knows does not count")
	}
}

func TestNewEpochForgetsTheFormerLife(t *testing.T) {
	table := tableOf(t)
	table.accept(digest{host: keyOf("b"), epoch: 7, seq: 900}.append(nil), noon)
	addr := netip.MustParseAddrPort("10.0.0.2:17450")
	if _, isNew := table.join("b", addr, meta{facts: policy.HostFacts{Name: "b"}, epoch: 8}, noon); isNew {
		t.Error("a restart was taken for a new host")
	}
	if len(table.hosts(noon, time.Minute)) != 0 {
		t.Error("the state of the former life is still told")
	}
	if _, why, ok := table.accept(digest{host: keyOf("b"), epoch: 8, seq: 1}.append(nil), noon); !ok {
		t.Errorf("the first digest of the new life was refused: %s", why)
	}
	table.join("b", addr, meta{facts: policy.HostFacts{Name: "renamed"}, epoch: 8}, noon)
	if hosts := table.hosts(noon, time.Minute); len(hosts) != 1 || hosts[0].Name != "renamed" {
		t.Errorf("new facts in the same life: %+v", hosts)
	}
}

func TestTheCrowdIsBounded(t *testing.T) {
	table := newTable("self", 3, time.Hour)
	for i := range 2 {
		id := policy.HostID(fmt.Sprintf("h%d", i))
		if why, err := table.admissible(id); err != nil {
			t.Fatalf("%s: %s, %v", id, why, err)
		}
		table.join(id, netip.MustParseAddrPort("10.0.0.2:17450"), meta{}, noon)
	}
	if why, err := table.admissible("h2"); err == nil || why != CauseTooManyHosts {
		t.Errorf("a fourth host of three: %s, %v", why, err)
	}
	if _, err := table.admissible("h1"); err != nil {
		t.Errorf("a member was refused: %v", err)
	}
	for _, id := range []policy.HostID{"", "Big", "a/b", "a b", "../x"} {
		if why, err := table.admissible(id); err == nil || why != CauseBadMeta {
			t.Errorf("ID %q: %s, %v", id, why, err)
		}
	}
}

func TestKnownCountsTheLostAndNotTheGone(t *testing.T) {
	table := newTable("self", 100, time.Hour)
	for i := range 4 {
		id := policy.HostID(fmt.Sprintf("h%d", i))
		facts := policy.HostFacts{Name: "node-" + string(id)}
		table.join(id, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 17450), meta{facts: facts, epoch: 1}, noon)
		table.answered(id, noon)
	}
	table.accept(digest{host: keyOf("h0"), epoch: 1, seq: 1, goodbye: true}.append(nil), noon)
	if got := len(table.hosts(noon, time.Minute)); got != 0 {
		t.Errorf("%d hosts: one that said goodbye is no target", got)
	}
	table.leave("h0") // in good order
	table.leave("h1") // crashed
	if got := table.known(noon); got != 4 {
		t.Errorf("known: %d, want this host, two members and the lost one", got)
	}
	if got := table.lost(noon); len(got) != 1 || got[0].Addr().As4()[3] != 1 {
		t.Errorf("lost: %v, want host 1", got)
	}
	table.accept(digest{host: keyOf("h2"), epoch: 1, seq: 1}.append(nil), noon)
	want := []policy.MissingHost{{ID: "h1", Name: "node-h1", LastSeen: noon}, {ID: "h3", Name: "node-h3", LastSeen: noon}}
	if got := table.missing(noon); !slices.Equal(got, want) {
		t.Errorf("missing: %+v, want the lost one and the member that has told nothing", got)
	}
	later := noon.Add(2 * time.Hour)
	if got := table.lost(later); len(got) != 0 {
		t.Errorf("still looked for after the expiry: %v", got)
	}
	if got := table.missing(later); len(got) != 1 || got[0].ID != "h3" {
		t.Errorf("still missing after the expiry: %v, want the member alone", got)
	}
	if got := table.known(later); got != 3 {
		t.Errorf("known after the expiry: %d, want 3", got)
	}
}

// Hosts that never answered are hearsay: they count while somebody tells of
// them, keep nobody out who has answered, and are not looked for for long.
func TestMadeUpHosts(t *testing.T) {
	table := newTable("self", 10, 24*time.Hour)
	addr := netip.MustParseAddrPort("10.0.0.2:17450")
	table.join("real", addr, meta{epoch: 1}, noon)
	table.answered("real", noon)
	table.leave("real") // it crashed
	for i := range 20 {
		id := policy.HostID(fmt.Sprintf("fake%d", i))
		if _, err := table.admissible(id); err == nil {
			table.join(id, addr, meta{epoch: 1}, noon)
		}
	}
	if got := table.size(); got != 10 {
		t.Fatalf("%d members, want as many as there may be", got)
	}
	if table.swamped() {
		t.Error("swamped by nine")
	}
	if _, err := table.admissible("real"); err != nil {
		t.Errorf("a host that has answered is kept out by those that have not: %v", err)
	}
	const hearsay = 10 * time.Second
	if got := table.known(noon); got != 2 {
		t.Errorf("known: %d, want this host and the real one: nobody tells of the others", got)
	}
	for i := range 4 {
		table.accept(digest{host: keyOf(policy.HostID(fmt.Sprintf("fake%d", i))), epoch: 1, seq: 1}.append(nil), noon)
	}
	for _, tt := range []struct {
		after          time.Duration
		known, telling int
	}{{time.Second, 6, 5}, {hearsay, 6, 1}, {unprovenExpiry, 2, 1}} {
		at := noon.Add(tt.after)
		if known, telling := table.known(at), table.telling(at, hearsay); known != tt.known || telling != tt.telling {
			t.Errorf("after %s: %d known, %d telling, want %d and %d", tt.after, known, telling, tt.known, tt.telling)
		}
	}
	for i := range 20 {
		table.leave(policy.HostID(fmt.Sprintf("fake%d", i)))
	}
	if got := table.known(noon); got != 6 {
		t.Errorf("known when the others have been found dead: %d, want this host, the real one and those that were told of", got)
	}
	if got := table.lost(noon.Add(unprovenExpiry)); len(got) != 1 {
		t.Errorf("%d hosts are looked for, want the real one", len(got))
	}
}

// Newcomers are let in at a bounded pace, and known hosts at any.
func TestNewcomersComeInTurn(t *testing.T) {
	table := newTable("self", 5000, time.Hour)
	come := func(id string) bool {
		_, err := table.admissible(policy.HostID(id))
		if err == nil {
			table.join(policy.HostID(id), netip.MustParseAddrPort("10.0.0.2:17450"), meta{epoch: 1}, noon)
		}
		return err == nil
	}
	if !come("real") {
		t.Fatal("the first is refused")
	}
	table.answered("real", noon)
	table.leave("real")
	n := 0
	for i := range 3000 {
		if come(fmt.Sprintf("fake%d", i)) {
			n++
		}
	}
	if n < 499 || n > 1500 { // some come in the time that this takes
		t.Errorf("%d newcomers at once", n)
	}
	if !table.swamped() {
		t.Error("not swamped")
	}
	if !come("real") {
		t.Error("one that has answered waits with the newcomers")
	}
	if addrs := table.proven(8); len(addrs) != 1 {
		t.Errorf("%d have answered, want 1", len(addrs))
	}
}

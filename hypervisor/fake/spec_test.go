package fake_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

const world = `{
  "migration": {"keepalive": "5s"},
  "hosts": [
    {"name": "h1", "cpu_millis": 4000, "memory": "8GiB", "load": {"sine": {"mean_millis": 300, "amplitude_millis": 100, "period": "1m"}}},
    {"name": "h2", "cpu_millis": 4000, "memory": "8GiB"}
  ],
  "domains": [
    {"name": "vm1", "host": "h1", "memory": "512MiB", "demand": 250, "obstacle": "has_snapshot"},
    {"name": "vm2", "host": "h2", "memory": "1GiB", "demand": {"trace": {"interval": "10s", "cpu_millis": [100, 200]}}}
  ],
  "faults": [{"kind": "fail", "domain": "vm1", "at": 0.5}],
  "timeline": [{"at": "1m30s", "do": "power-off", "host": "h2"}]
}`

func TestParse(t *testing.T) {
	s, err := fake.Parse(strings.NewReader(world))
	if err != nil {
		t.Fatal(err)
	}
	if s.Migration.Keepalive != fake.Duration(5*time.Second) || s.Migration.Setup != fake.DefaultMigration().Setup {
		t.Errorf("migration %+v", s.Migration)
	}
	d := s.Domains[0]
	if d.Memory != 512*fake.MiB || d.Demand.Constant != 250 || d.Obstacle != policy.HasSnapshot {
		t.Errorf("vm1 %+v", d)
	}
	if a := s.Timeline[0]; time.Duration(a.At) != 90*time.Second || a.Do != fake.PowerOff {
		t.Errorf("timeline %+v", a)
	}
}

// What is written down is read back as it was.
func TestSpecRoundTrip(t *testing.T) {
	for _, s := range []fake.Spec{fake.Default(), pair()} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := fake.Parse(strings.NewReader(string(b)))
		if err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		if b2, err := json.Marshal(again); err != nil || string(b2) != string(b) {
			t.Errorf("%v\n%s\n%s", err, b, b2)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"keepalive"`, `"keepalife"`, `unknown field "keepalife"`},
		{`"5s"`, `"5"`, `"5" is no duration such as "1m30s"`},
		{`"5s"`, `"-5s"`, `"-5s" is no duration`},
		{`"512MiB"`, `"512MB"`, `"512MB" is no size such as "512MiB"`},
		{`"512MiB"`, `"9999999999GiB"`, `is no size`},
		{`"512MiB"`, `"0MiB"`, `domains[0].memory`},
		{`"name": "h2"`, `"name": "h1"`, `hosts[1].name ("h1") is there twice`},
		{`"host": "h2", "memory"`, `"host": "h3", "memory"`, `domains[1].host ("h3") is not among hosts`},
		{`"cpu_millis": 4000, "memory": "8GiB", "load"`, `"cpu_millis": 0, "memory": "8GiB", "load"`, `hosts[0].cpu_millis (0) must be within`},
		{`"period": "1m"`, `"period": "1ns"`, `hosts[0].load: sine.period (1ns) must be at least 64ms`},
		{`[100, 200]`, `[]`, `domains[1].demand: trace needs values`},
		{`[100, 200]`, `[-1]`, `trace.cpu_millis[0] (-1)`},
		{`"demand": 250`, `"demand": "much"`, `a demand is a number of millicores or an object, not "much"`},
		{`"demand": 250`, `"demand": {"constant": 1, "sine": {}}`, `only one of`},
		{`"demand": 250`, `"demand": {"wave": 1}`, `unknown field "wave"`},
		{`"demand": 250`, `"demand": {"steps": [{"at": "2s", "cpu_millis": 1}, {"at": "1s", "cpu_millis": 1}]}`, `steps[1].at (1s)`},
		{`"kind": "fail"`, `"kind": "bad luck"`, `faults[0]: kind ("bad luck") is unknown`},
		{`"at": 0.5`, `"at": 50`, `at (50) must be within 0..1`},
		{`"do": "power-off"`, `"do": "explode"`, `timeline[0]: do ("explode") is unknown`},
		{`"host": "h2"}]`, `"host": "h9"}]`, `timeline[0]: power-off: host ("h9") is not among hosts`},
	} {
		text := strings.Replace(world, c.old, c.new, 1)
		if text == world {
			t.Fatalf("%s is not in the world", c.old)
		}
		if _, err := fake.Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %s", c.new, err, c.want)
		}
	}
	if _, err := fake.Parse(strings.NewReader(world + "{}")); err == nil {
		t.Error("something after the world was accepted")
	}
}

// Every fault is told at once.
func TestValidateTellsAll(t *testing.T) {
	err := fake.Spec{Hosts: []fake.HostSpec{{}}, Domains: []fake.DomainSpec{{Host: "h2"}}}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("%v", err)
	}
}

func TestIDsDependOnTheNameAlone(t *testing.T) {
	if fake.DomainID("vm1") != fake.DomainID("vm1") || fake.DomainID("vm1") == fake.DomainID("vm2") {
		t.Error("domain IDs")
	}
	if string(fake.HostID("x")) == string(fake.DomainID("x")) {
		t.Error("a host and a domain share an ID")
	}
	if id := string(fake.HostID("h1")); len(id) != 36 || id[14] != '8' || strings.ToLower(id) != id {
		t.Errorf("%s is no lower-case version 8 UUID", id)
	}
}

// The demand of a single guest, read from what it uses.
func TestProfiles(t *testing.T) {
	second := fake.Duration(time.Second)
	sine := 0.0
	for k := range 64 { // 10 s of a period of 20 s are 32 of its 64 steps
		if k < 32 {
			sine += 1000 + math.Round(500*math.Sin(2*math.Pi*(float64(k)+0.5)/64))
		}
	}
	for name, c := range map[string]struct {
		p    fake.Profile
		want time.Duration // used in 10 s
	}{
		"constant": {fake.Constant(700), 7 * time.Second},
		"steps": {
			fake.Steps(fake.Step{At: 2 * second, CPU: 500}, fake.Step{At: 6 * second, CPU: 1000}),
			6 * time.Second,
		},
		"repeated steps": {
			fake.Profile{Steps: []fake.Step{{At: 1 * second, CPU: 1000}}, Repeat: 4 * second},
			(3 + 3 + 1) * time.Second,
		},
		"trace": {
			fake.Profile{Trace: &fake.Trace{Interval: 4 * second, CPU: []policy.MilliCPU{100, 500}}},
			(400 + 2000 + 200) * time.Millisecond,
		},
		"sine": {
			fake.Profile{Sine: &fake.Sine{Mean: 1000, Amplitude: 500, Period: 20 * second}},
			time.Duration(sine / 32 * float64(10*time.Millisecond)),
		},
	} {
		spec := pair()
		spec.Domains[0].VCPUs, spec.Domains[0].Demand = 2, c.p
		spec.Domains[1].Demand = fake.Constant(0)
		w := newWorld(t, spec)
		w.Advance(10 * time.Second)
		if got := counters(t, sample(t, w, "h1"), "vm1").CPUTime; got != c.want {
			t.Errorf("%s: used %s, want %s", name, got, c.want)
		}
	}
}

func TestDemandChangesWhenTold(t *testing.T) {
	w := newWorld(t, pair())
	w.Advance(10 * time.Second)
	hot := fake.Steps(fake.Step{At: 0, CPU: 1000}, fake.Step{At: fake.Duration(5 * time.Second), CPU: 0})
	do(t, w, fake.Action{Do: fake.SetDemand, Domain: "vm1", Demand: &hot})
	load := fake.Constant(100)
	do(t, w, fake.Action{At: fake.Duration(15 * time.Second), Do: fake.SetLoad, Host: "h1", Demand: &load})
	w.Advance(10 * time.Second)
	s := sample(t, w, "h1")
	if d := counters(t, s, "vm1"); d.CPUTime != 11*time.Second {
		t.Errorf("vm1 used %s, want 6s + 5s", d.CPUTime)
	}
	if want := 10*time.Second + 5*1400*time.Millisecond + 5*500*time.Millisecond; s.Host.Busy != want {
		t.Errorf("host busy %s, want %s", s.Host.Busy, want)
	}
	if err := w.Do(fake.Action{Do: fake.PowerOff, Host: "h9"}); err == nil {
		t.Error("an unknown host was powered off")
	}
}

// Whatever is accepted as a world is one that works.
func FuzzParse(f *testing.F) {
	f.Add(world)
	b, err := json.Marshal(fake.Default())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add(`{"hosts":[{"name":"a","cpu_millis":1,"memory":"1MiB","link":"1B"},{"name":"b","cpu_millis":10000000,"memory":"1024GiB"}],
		"migration":{"setup":"0s","max_downtime":"0s","switch_over":"0s","keepalive":"0s"},
		"domains":[{"name":"v","host":"b","memory":"1MiB","dirty_rate":"1024GiB","working_set":"1B","demand":{"steps":[{"at":"0s","cpu_millis":9999999}],"repeat":"1ms"}}],
		"timeline":[{"do":"migrate","domain":"v","to":"a"},{"at":"1s","do":"cable-out","host":"a"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := fake.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		w, err := fake.New(s)
		if err != nil {
			t.Fatalf("parsed, but: %v", err)
		}
		w.Advance(2 * time.Second)
		if v := w.Violations(); len(v) > 0 && !strings.Contains(v[0], "lacks") {
			t.Errorf("violations %q", v)
		}
	})
}

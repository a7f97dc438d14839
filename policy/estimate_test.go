package policy_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

// counters is a host with two CPUs and one domain, whose counters grow as told.
type counters struct{ s policy.Sample }

func newCounters() *counters {
	c := &counters{}
	c.s = policy.Sample{At: start, DomainsKnown: true, Host: policy.HostCounters{
		Known: true, PressureKnown: true, Busy: time.Hour, Total: 2 * time.Hour,
		MemoryTotal: 64 * policy.GiB, MemoryAvailable: 48 * policy.GiB,
	}}
	c.s.Domains = []policy.DomainCounters{{
		ID: "d", Name: "web", State: policy.StateRunning, VCPUs: 2, StatsKnown: true,
		CPUTime: time.Hour, Memory: 4 * policy.GiB, MemoryMax: 8 * policy.GiB,
	}}
	return c
}

// after returns the sample dt later, with the host busy for a share of it and
// the domain on so many CPUs.
func (c *counters) after(dt time.Duration, busy, cpus float64) policy.Sample {
	c.s.At = c.s.At.Add(dt)
	c.s.Host.Total += 2 * dt
	c.s.Host.Busy += time.Duration(busy * float64(2*dt))
	d := c.s.Domains[0]
	d.CPUTime += time.Duration(cpus * float64(dt))
	c.s.Domains = []policy.DomainCounters{d}
	return c.s
}

func TestFirstSampleIsNotAMeasurement(t *testing.T) {
	e := &policy.Estimator{TimeConstant: time.Minute}
	c := newCounters()
	if u := e.Observe(c.s); u.Known {
		t.Errorf("known after one sample: %+v", u)
	}
	if d := e.Domain(c.s.Domains[0]); d.Known {
		t.Errorf("the domain is known after one sample: %+v", d)
	}
	u := e.Observe(c.after(20*time.Second, 0.5, 1))
	if !u.Known || math.Abs(float64(u.Recent)-0.5) > 1e-9 || u.Memory != 16*policy.GiB {
		t.Errorf("after two: %+v", u)
	}
	d := e.Domain(c.s.Domains[0])
	if !d.Known || d.Demand.CPU != 1000 || d.Demand.Memory != 4*policy.GiB || d.MemoryMax != 8*policy.GiB || d.Obstacle != policy.OK {
		t.Errorf("after two: %+v", d)
	}
}

func TestSmoothingFollowsElapsedTime(t *testing.T) {
	often, seldom := &policy.Estimator{TimeConstant: time.Minute}, &policy.Estimator{TimeConstant: time.Minute}
	a, b := newCounters(), newCounters()
	often.Observe(a.s)
	seldom.Observe(b.s)
	often.Observe(a.after(10*time.Second, 0.2, 0))
	seldom.Observe(b.after(10*time.Second, 0.2, 0))
	var u policy.Utilization
	for range 6 {
		u = often.Observe(a.after(10*time.Second, 0.8, 0))
	}
	w := seldom.Observe(b.after(time.Minute, 0.8, 0))
	if math.Abs(float64(u.Smoothed-w.Smoothed)) > 1e-9 {
		t.Errorf("six samples say %v, one over the same time %v", u.Smoothed, w.Smoothed)
	}
	if want := 0.2 + 0.6*(1-math.Exp(-1)); math.Abs(float64(w.Smoothed)-want) > 1e-9 {
		t.Errorf("after one time constant %v, want %v", w.Smoothed, want)
	}
}

func TestCountersThatGoBackYieldNothing(t *testing.T) {
	e := &policy.Estimator{TimeConstant: time.Minute}
	c := newCounters()
	e.Observe(c.s)
	e.Observe(c.after(20*time.Second, 0.5, 1))
	c.s.Host.Busy -= time.Hour
	c.s.Domains[0].CPUTime = 0 // the guest was restarted
	u := e.Observe(c.after(20*time.Second, 0.5, 1))
	if u.Known || u.Smoothed != 0.5 {
		t.Errorf("a counter that went back gives %+v", u)
	}
	if d := e.Domain(c.s.Domains[0]); d.Demand.CPU != 1000 {
		t.Errorf("a restarted guest uses %v", d.Demand.CPU)
	}
	if u := e.Observe(c.after(20*time.Second, 0.7, 1)); !u.Known || math.Abs(float64(u.Recent)-0.7) > 1e-9 {
		t.Errorf("the next sample gives %+v", u)
	}
}

func TestFailedSourcesAreNotZero(t *testing.T) {
	e := &policy.Estimator{TimeConstant: time.Minute}
	c := newCounters()
	e.Observe(c.s)
	e.Observe(c.after(20*time.Second, 0.5, 1))

	blind := c.after(20*time.Second, 0.5, 1)
	blind.DomainsKnown, blind.Domains, blind.Host.Known = false, nil, false
	if u := e.Observe(blind); u.Known {
		t.Errorf("an unread host is known: %+v", u)
	}
	if d := e.Domain(c.s.Domains[0]); !d.Known || d.Demand.CPU != 1000 {
		t.Errorf("libvirt was silent and the domain became %+v", d)
	}

	mute := c.after(20*time.Second, 0.5, 1)
	mute.Domains[0].StatsKnown = false
	mute.Domains[0].CPUTime = 0
	e.Observe(mute)
	d := e.Domain(mute.Domains[0])
	if d.Demand.CPU != 1000 || d.Obstacle != policy.NoStats {
		t.Errorf("a domain without figures became %+v", d)
	}
}

func TestObstacles(t *testing.T) {
	e := &policy.Estimator{}
	for _, test := range []struct {
		set  func(*policy.DomainCounters)
		want policy.Reason
	}{
		{func(*policy.DomainCounters) {}, policy.OK},
		{func(d *policy.DomainCounters) { d.Obstacle = policy.Passthrough }, policy.Passthrough},
		{func(d *policy.DomainCounters) { d.Job = policy.MigratingOut }, policy.JobActive},
		{func(d *policy.DomainCounters) { d.State = policy.StatePaused }, policy.NotRunning},
		{func(d *policy.DomainCounters) { d.StatsKnown = false }, policy.NoStats},
	} {
		c := newCounters().s.Domains[0]
		test.set(&c)
		if got := e.Domain(c).Obstacle; got != test.want {
			t.Errorf("obstacle %v, want %v", got, test.want)
		}
	}
}

func TestEstimatesStayWithinWhatWasMeasured(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &policy.Estimator{TimeConstant: time.Minute}
		c := newCounters()
		e.Observe(c.s)
		low, high := 1.0, 0.0
		for range rapid.IntRange(1, 20).Draw(t, "samples") {
			busy := rapid.Float64Range(0, 1).Draw(t, "busy")
			low, high = min(low, busy), max(high, busy)
			dt := time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second
			u := e.Observe(c.after(dt, busy, busy))
			const rounding = 1e-6
			if float64(u.Smoothed) < low-rounding || float64(u.Smoothed) > high+rounding {
				t.Fatalf("smoothed %v of samples within %v..%v", u.Smoothed, low, high)
			}
		}
	})
}

func TestForecastFollowsATrendToTheHorizon(t *testing.T) {
	e := &policy.Estimator{Horizon: time.Minute}
	c := newCounters()
	e.Observe(c.s)
	e.Observe(c.after(10*time.Second, 0.50, 1.0))
	u := e.Observe(c.after(10*time.Second, 0.55, 1.1))
	if math.Abs(float64(u.Ahead)-0.85) > 1e-6 { // six times as far again
		t.Errorf("forecast %v", u.Ahead)
	}
	if d := e.Domain(c.s.Domains[0]); d.Demand.CPU != 1100 || d.Trend != 600 {
		t.Errorf("demand %v, trend %v", d.Demand.CPU, d.Trend)
	}
	for range 20 {
		e.Observe(c.after(10*time.Second, 0.9, 1.9))
	}
	e.Observe(c.after(10*time.Second, 0.95, 1.99))
	if d := e.Domain(c.s.Domains[0]); d.Demand.CPU+d.Trend > 2000 {
		t.Errorf("two vCPUs are forecast to use %v", d.Demand.CPU+d.Trend)
	}
	u = e.Observe(c.after(10*time.Second, 0.1, 0.1))
	if d := e.Domain(c.s.Domains[0]); u.Ahead < 0 || d.Demand.CPU+d.Trend < 0 {
		t.Errorf("a negative forecast: %v, %v", u.Ahead, d.Demand.CPU+d.Trend)
	}
}

// TestWaitingOnAHostWithIdleTimeIsNoDemand: guests that all want the CPU in the
// same moments wait for one another on a half idle host. It was taken for an
// overload of 108 %, and a guest was moved away from it.
func TestWaitingOnAHostWithIdleTimeIsNoDemand(t *testing.T) {
	e := &policy.Estimator{}
	c := newCounters()
	e.Observe(c.s)
	c.s.Domains[0].Wait += 5 * time.Second
	u := e.Observe(c.after(10*time.Second, 0.58, 1))
	d := e.Domain(c.s.Domains[0])
	if d.Demand.CPU != 1000 || math.Abs(float64(d.Wait)-0.25) > 1e-9 || math.Abs(float64(u.Ahead)-0.58) > 1e-9 {
		t.Errorf("demand %v and wait %v on a host that is forecast at %v, want 1000, 25%% and 58%%", d.Demand.CPU, d.Wait, u.Ahead)
	}
}

func TestDemandIsUseAndWait(t *testing.T) {
	e := &policy.Estimator{}
	c := newCounters()
	e.Observe(c.s)
	c.s.Domains[0].Wait += 5 * time.Second
	u := e.Observe(c.after(10*time.Second, 1, 1))
	d := e.Domain(c.s.Domains[0])
	if d.Demand.CPU != 1500 || math.Abs(float64(d.Wait)-0.25) > 1e-9 {
		t.Errorf("demand %v, wait %v; half a CPU was waited for", d.Demand.CPU, d.Wait)
	}
	if u.Recent != 1 || math.Abs(float64(u.Ahead)-1.25) > 1e-9 {
		t.Errorf("used %v, demanded %v; half of two CPUs was waited for", u.Recent, u.Ahead)
	}
}

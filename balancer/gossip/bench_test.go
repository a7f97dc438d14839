package gossip_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/virtbalance/virtbalance/balancer/gossip"
	"github.com/virtbalance/virtbalance/policy"
)

// udpHeader is what UDP and IPv4 add to each packet.
const udpHeader = 28

// figures are what the gossip of a fleet costs and achieves.
type figures struct {
	hosts      int
	together   time.Duration // from a start of all at once to a full view everywhere
	interval   time.Duration
	perHost    float64 // bytes sent a second, UDP and IP headers included
	packets    float64 // packets sent a second
	delivered  float64 // share of the digests sent that each other host got
	age50      time.Duration
	age99      time.Duration
	cpuPercent float64 // of one core per host, the whole test counted
}

// measure runs a fleet of n hosts for a while of virtual time. Every host
// publishes once in an interval, at a phase of its own.
func measure(tb testing.TB, n int, span time.Duration) figures {
	f := newFleet(tb)
	fig := figures{hosts: n}
	f.grow(n)
	fig.together = f.within(10*time.Minute, "all hosts together", f.whole(n))
	fig.interval = f.hosts[0].Stats().Interval
	// The news of a join of all at once takes up the packets for a while; what
	// is measured is the steady state.
	time.Sleep(time.Duration(n) * time.Second / 5)
	silent := f.totals()

	// The memory in MiB numbers the states, so that a receiver's state tells
	// which one it is and the sender's record how old.
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	var mu sync.Mutex
	published := make(map[policy.HostID][]time.Time, n)
	for _, h := range f.hosts {
		publishers.Go(func() {
			time.Sleep(rand.N(fig.interval))
			for tick := time.NewTicker(fig.interval); ; {
				mu.Lock()
				s := busy(1000)
				s.Used.Memory = policy.Bytes(len(published[h.id])) * policy.MiB
				published[h.id] = append(published[h.id], time.Now())
				mu.Unlock()
				h.Publish(s)
				select {
				case <-tick.C:
				case <-stop:
					tick.Stop()
					return
				}
			}
		})
	}
	time.Sleep(5 * fig.interval)

	// The CPU time is taken while nobody looks at the views, which costs more
	// here than the gossip does.
	cpu := cpuTime()
	time.Sleep(span / 4)
	fig.cpuPercent = 100 * (cpuTime() - cpu).Seconds() / (float64(n) * span.Seconds() / 4)

	before := f.totals()
	ages := make([]int, 100_000) // by millisecond
	for began := time.Now(); time.Since(began) < span; time.Sleep(time.Second) {
		synctest.Wait()
		for _, h := range f.hosts {
			for _, other := range h.Hosts() {
				mu.Lock()
				age := time.Since(published[other.ID][other.Used.Memory/policy.MiB])
				mu.Unlock()
				ages[min(int(age.Milliseconds()), len(ages)-1)]++
			}
		}
	}
	after := f.totals()
	hostSeconds := float64(n) * span.Seconds()
	fig.packets = float64(after.PacketsSent-before.PacketsSent) / hostSeconds
	fig.perHost = float64(after.PacketBytesSent+after.StreamBytesSent-before.PacketBytesSent-before.StreamBytesSent)/hostSeconds + udpHeader*fig.packets
	fig.age50, fig.age99 = quantile(ages, 0.5), quantile(ages, 0.99)

	close(stop)
	publishers.Wait()
	time.Sleep(2 * fig.interval)
	all := f.totals()
	fig.delivered = float64(all.Accepted-silent.Accepted) / (float64(all.Sent-silent.Sent) * float64(n-1))
	f.end()
	return fig
}

func (f *fleet) totals() (sum gossip.Stats) {
	for _, h := range f.hosts {
		s := h.Stats()
		sum.Sent += s.Sent
		sum.Accepted += s.Accepted
		sum.JoinAttempts += s.JoinAttempts
		sum.PacketsSent += s.PacketsSent
		sum.PacketBytesSent += s.PacketBytesSent
		sum.StreamBytesSent += s.StreamBytesSent
	}
	return sum
}

// quantile of a histogram by milliseconds.
func quantile(histogram []int, q float64) time.Duration {
	total := 0
	for _, n := range histogram {
		total += n
	}
	seen := 0
	for ms, n := range histogram {
		if seen += n; float64(seen) >= q*float64(total) {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkGossip prints what a fleet's gossip costs and achieves, in virtual
// time: bytes sent a second and host, delivered digests, age of the states.
func BenchmarkGossip(b *testing.B) {
	for _, n := range []int{3, 30, 100, 300} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			for b.Loop() {
				fig := bubble(b, func(t *testing.T) figures { return measure(t, n, time.Minute) })
				b.ReportMetric(fig.perHost/1000, "kB/s/host")
				b.ReportMetric(fig.packets, "packets/s/host")
				b.ReportMetric(100*fig.delivered, "%delivered")
				b.ReportMetric(fig.age50.Seconds(), "s-age-p50")
				b.ReportMetric(fig.age99.Seconds(), "s-age-p99")
				b.ReportMetric(fig.interval.Seconds(), "s-interval")
				b.ReportMetric(fig.together.Seconds(), "s-to-join")
				b.ReportMetric(fig.cpuPercent, "%core/host")
			}
		})
	}
}

// bubble runs a measurement in virtual time from a benchmark: testing/synctest
// wants a test, so one is made of it.
func bubble(b *testing.B, f func(t *testing.T) figures) (fig figures) {
	all := func(string, string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{{Name: b.Name(), F: func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { fig = f(t) })
	}}}) {
		b.Fatal("the measurement failed")
	}
	return fig
}

// BenchmarkGossipOnSockets prints what gossip costs on real sockets, in real
// time and with the kernel's share: CPU per host and second.
func BenchmarkGossipOnSockets(b *testing.B) {
	for _, n := range []int{30, 100} {
		b.Run(fmt.Sprintf("hosts=%d", n), func(b *testing.B) {
			for b.Loop() {
				ctx, cancel := context.WithCancel(b.Context())
				var runs sync.WaitGroup
				var hosts []*gossip.Gossip
				for i := 1; i <= n; i++ {
					o := onLoopback(i)
					if i > 1 {
						o.Join = []string{hosts[0].Addr().String()}
					}
					g, err := gossip.New(o)
					if err != nil {
						b.Fatal(err)
					}
					hosts = append(hosts, g)
					runs.Go(func() {
						if err := g.Run(ctx); err != nil {
							b.Error(err)
						}
					})
				}
				publish := time.NewTicker(2 * time.Second / time.Duration(n))
				run := func(span time.Duration) {
					for i, began := 0, time.Now(); time.Since(began) < span; i++ {
						<-publish.C
						hosts[i%n].Publish(busy(1000))
					}
				}
				run(time.Duration(n) * time.Second / 5)
				const span = 10 * time.Second
				cpu := cpuTime()
				run(span)
				b.ReportMetric(100*(cpuTime()-cpu).Seconds()/(float64(n)*span.Seconds()), "%core/host")
				b.ReportMetric(float64(hosts[0].Stats().Members), "members")
				publish.Stop()
				cancel()
				runs.Wait()
			}
		})
	}
}

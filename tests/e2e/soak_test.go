//go:build lab

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

var soakFor = flag.Duration("soak", 5*time.Minute, "how long the soak test lasts")

// resources are what a daemon may not use more and more of, as it tells
// Prometheus, and by how much the highest value of the last third of a soak may
// exceed that of the second: some noise, and no growth.
var resources = []struct {
	metric      string
	more, share float64
}{
	{"go_goroutines", 6, 0},
	{"process_open_fds", 4, 0},
	{"go_threads", 4, 0},
	{"process_resident_memory_bytes", 2 << 20, 0.10},
}

// TestSoak: five guests change their minds about their load every few seconds,
// for as long as -soak says. No daemon grows; a guest is moved by one entry of
// somebody's history at a time, each with its reason, never within its cooldown;
// and none of the guests ever stops.
func TestSoak(t *testing.T) {
	const cooldown = 30 * time.Second
	w := newShow(t, lab.Options{Hosts: 3}, stage.Settings{
		Over: 2, Window: 3, Settle: 3 * time.Second, Cooldown: cooldown,
		Policy: "low = 10\nreceive = 50\nstop = 58\nhigh = 65\ncooldown_max = \"30s\"\n",
	})
	rng := rand.New(rand.NewPCG(1, 2))
	var guests []*lab.Guest
	var watches []*lab.Watch
	for i := range 5 {
		g := w.guest(fmt.Sprintf("h%d", i%3+1), lab.GuestSpec{Name: fmt.Sprintf("g%d", i), Load: 5, FillMiB: 8, Persistent: true})
		watch, err := g.Watch(w.ctx)
		w.must(err)
		guests, watches = append(guests, g), append(watches, watch)
	}

	seen := map[string]map[string][]float64{} // values by host, by metric
	for began := time.Now(); time.Since(began) < *soakFor; time.Sleep(2 * time.Second) {
		g := guests[rng.IntN(len(guests))]
		if host, err := w.lab.RunningOn(w.ctx, g.Name); err == nil {
			// It may be on its way, and gone when the key is pressed.
			_ = g.SetLoad(w.ctx, host, []int{3, 8, 15, 25}[rng.IntN(4)])
		}
		if time.Since(began) < *soakFor/3 {
			continue // warming up
		}
		for host := range w.daemons {
			for metric, v := range scrape(w, w.host(host)) {
				if seen[host] == nil {
					seen[host] = map[string][]float64{}
				}
				seen[host][metric] = append(seen[host][metric], v)
			}
		}
	}

	type move struct {
		ended    time.Time
		from, to string
	}
	moves := map[string][]move{}
	for host := range w.daemons {
		w.must(w.daemons[host].Client.SetPaused(w.ctx, true))
		w.until(time.Minute, "nothing moves", func() bool { return len(w.status(host).Operations) == 0 })
		for _, o := range w.history(host) {
			if o.Result == policy.Succeeded {
				moves[o.Move.Name] = append(moves[o.Move.Name], move{o.Ended, host, o.ToName})
			}
			if o.Move.Why == policy.OK || o.Reason == policy.OK {
				t.Errorf("%s says of %s neither why it began nor how it ended: %+v", host, o.Move.Name, o)
			}
		}
	}
	total := 0
	for i, g := range guests {
		at, list := fmt.Sprintf("h%d", i%3+1), moves[g.Name]
		slices.SortFunc(list, func(a, b move) int { return a.ended.Compare(b.ended) })
		for j, m := range list {
			if m.from != at {
				t.Errorf("%s went from %s to %s, but was on %s: a move is missing", g.Name, m.from, m.to, at)
			}
			if j > 0 && m.ended.Sub(list[j-1].ended) < cooldown {
				t.Errorf("%s was moved again after %s", g.Name, m.ended.Sub(list[j-1].ended))
			}
			at = m.to
		}
		total += len(list)
		if where := w.lab.Where(w.ctx, g.Name); len(where) != 1 || where[0].Host.Name != at || where[0].QEMUs != 1 {
			t.Errorf("%s is at %+v; by history it should be on %s", g.Name, where, at)
		}
		record, err := watches[i].Stop()
		w.must(err)
		if err := record.Err(); err != nil {
			t.Errorf("%s did not go on undisturbed: %v", g.Name, err)
		}
	}
	if total == 0 {
		t.Error("nothing was moved, so nothing was tried")
	}
	t.Logf("%s, %d moves", *soakFor, total)
	for host := range w.daemons {
		for _, r := range resources {
			values := seen[host][r.metric]
			half := len(values) / 2
			if half == 0 {
				t.Fatalf("%s has no metric %s", host, r.metric)
			}
			early, late := slices.Max(values[:half]), slices.Max(values[half:])
			t.Logf("%s: %s at most %.0f, then %.0f", host, r.metric, early, late)
			if late > early*(1+r.share)+r.more {
				t.Errorf("%s: %s grows: at most %.0f in the second third, %.0f in the last", host, r.metric, early, late)
			}
		}
	}
}

// scrape reads the metrics without labels that a host's daemon serves, on the
// host, whose network is not ours.
func scrape(w *show, h *lab.Host) map[string]float64 {
	w.Helper()
	const get = `exec 3<>/dev/tcp/127.0.0.1/17452; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`
	text, err := h.Exec(w.ctx, "bash", "-c", get)
	w.must(err)
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = v
		}
	}
	return out
}

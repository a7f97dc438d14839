//go:build lab

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// TestOneCoolHost: four hosts are overloaded at once, and one has room, but not for
// all that they would give. What it has used and promised after each grant is
// within its receive mark.
func TestOneCoolHost(t *testing.T) {
	// Three guests make a host hot; the cool host, which is empty, has room for one
	// or two of them.
	const receive = 60
	w := newShow(t, lab.Options{Hosts: 5, Capacity: 36}, stage.Settings{
		Policy: "low = 10\nreceive = 60\nstop = 62\nhigh = 65\n",
	})
	hot := []string{"h1", "h2", "h3", "h4"}
	loads := map[*lab.Guest]int{}
	for _, host := range hot {
		w.must(w.daemons[host].Client.SetPaused(w.ctx, true))
		var guests []*lab.Guest
		for _, name := range []string{"a", "b", "c"} {
			guests = append(guests, w.guest(host, lab.GuestSpec{Name: name + host, Load: idle, Persistent: true}))
		}
		load := loadFor(w, host, 0.7, guests...)
		for _, g := range guests {
			loads[g] = load
		}
	}
	for g, load := range loads {
		on, err := w.lab.RunningOn(w.ctx, g.Name)
		w.must(err)
		w.must(g.SetLoad(w.ctx, on, load))
	}
	for _, host := range hot {
		w.must(w.daemons[host].Client.SetPaused(w.ctx, false))
	}
	moved := func() (n int) {
		for _, host := range hot {
			n += len(succeeded(w, host))
		}
		return n
	}
	w.until(90*time.Second, "a guest has moved", func() bool { return moved() > 0 })
	time.Sleep(20 * time.Second) // for whatever else would come

	// Each answer is logged with what is used and promised after it. That is the
	// figure that has a limit: afterwards guests may want more than they did.
	granted := 0
	for line := range strings.Lines(w.daemons["h5"].LogOfAllLives()) {
		if !strings.Contains(line, "asked for room") || !strings.Contains(line, "answer=ok") {
			continue
		}
		_, rest, _ := strings.Cut(line, " cpu=")
		percent, _, _ := strings.Cut(rest, "%")
		after, err := strconv.ParseFloat(percent, 64)
		w.must(err)
		granted++
		t.Logf("h5 granted a place, and had then used and promised %.1f %%", after)
		if after > receive {
			t.Errorf("h5 promised beyond its receive mark: %s", line)
		}
	}
	if granted == 0 {
		t.Error("h5 granted nothing, and yet a guest has moved there")
	}
}

// succeeded returns the names of the guests that a host has moved away.
func succeeded(w *show, host string) []string {
	w.Helper()
	var names []string
	for _, o := range w.history(host) {
		if o.Result == policy.Succeeded {
			names = append(names, o.Move.Name)
		}
	}
	return names
}

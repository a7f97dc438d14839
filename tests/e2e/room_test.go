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

// TestOneCoolHost: two hosts are overloaded at once, and one has room, but not for
// all that they would give. What it has used and promised after each grant is
// within its receive mark.
func TestOneCoolHost(t *testing.T) {
	// Three guests of 30 % of a host each make it hot; the cool host has room for
	// one of them, or for two where the machine gives its guests less than they
	// want. The marks are low so that this holds on a busy machine, too.
	const receive = 45
	w := newShow(t, lab.Options{Hosts: 3}, stage.Settings{
		Policy: "low = 10\nreceive = 45\nstop = 50\nhigh = 60\n",
	})
	guests := []string{"a", "b", "c"}
	for _, host := range []string{"h1", "h2"} {
		for _, name := range guests {
			w.guest(host, lab.GuestSpec{Name: name + host, Load: 4, Persistent: true})
		}
	}
	w.guest("h3", lab.GuestSpec{Name: "cool", Load: 3, Persistent: true})
	for _, host := range []string{"h1", "h2"} {
		for _, name := range guests {
			w.must(w.lab.Guest(name+host).SetLoad(w.ctx, w.host(host), 18))
		}
	}
	moved := func() int { return len(succeeded(w, "h1")) + len(succeeded(w, "h2")) }
	w.until(90*time.Second, "a guest has moved", func() bool { return moved() > 0 })
	time.Sleep(20 * time.Second) // for whatever else would come

	// Each answer is logged with what is used and promised after it. That is the
	// figure that has a limit: afterwards guests may want more than they did.
	granted := 0
	for line := range strings.Lines(w.daemons["h3"].LogOfAllLives()) {
		if !strings.Contains(line, "asked for room") || !strings.Contains(line, "answer=ok") {
			continue
		}
		_, rest, _ := strings.Cut(line, " cpu=")
		percent, _, _ := strings.Cut(rest, "%")
		after, err := strconv.ParseFloat(percent, 64)
		w.must(err)
		granted++
		t.Logf("h3 granted a place, and had then used and promised %.1f %%", after)
		if after > receive {
			t.Errorf("h3 promised beyond its receive mark: %s", line)
		}
	}
	if granted == 0 {
		t.Error("h3 granted nothing, and yet a guest has moved there")
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

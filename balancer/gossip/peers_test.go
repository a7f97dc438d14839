package gossip

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestPeersFileSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	table := tableOf(t)
	table.answered("b", noon)
	if err := table.savePeers(path, noon); err != nil {
		t.Fatal(err)
	}
	restarted := newTable("self", 10, time.Hour)
	if err := restarted.loadPeers(path, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := restarted.lost(noon.Add(time.Minute)); len(got) != 1 || got[0].String() != "10.0.0.2:17450" {
		t.Errorf("to look for after a restart: %v", got)
	}
	if got := restarted.missing(noon.Add(time.Minute)); len(got) != 1 || got[0] != (policy.MissingHost{ID: "b", Name: "b", LastSeen: noon}) {
		t.Errorf("missing after a restart: %+v", got)
	}
	if got := restarted.known(noon.Add(time.Minute)); got != 2 {
		t.Errorf("known after a restart: %d, want 2", got)
	}
	if err := restarted.loadPeers(path, noon.Add(2*time.Hour)); err != nil || restarted.known(noon.Add(2*time.Hour)) != 1 {
		t.Errorf("known after the expiry: %d, %v", restarted.known(noon.Add(2*time.Hour)), err)
	}

	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("the state directory holds %v, %v; want the file alone", left, err)
	}
}

func TestPeersFileFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "peers.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	table := newTable("self", 10, time.Hour)
	if err := table.loadPeers(filepath.Join(dir, "none"), noon); err != nil {
		t.Errorf("no file yet: %v", err)
	}
	if err := table.loadPeers(write(`{"version":1,"peers":`), noon); err == nil || !strings.Contains(err.Error(), "peers.json") {
		t.Errorf("torn file: %v", err)
	}
	if err := table.loadPeers(write(`{"version":99}`), noon); err != nil {
		t.Errorf("file of a newer version: %v", err)
	}
	// Entries that cannot be are left out; the rest is used.
	if err := table.loadPeers(write(`{"version":1,"peers":{
		"self":{"addr":"10.0.0.1:17450","last_seen":"2026-01-01T11:59:00Z"},
		"../x":{"addr":"10.0.0.3:17450","last_seen":"2026-01-01T11:59:00Z"},
		"noport":{"addr":"10.0.0.4:0","last_seen":"2026-01-01T11:59:00Z"},
		"future":{"name":"\u001b[31mred\u0000","addr":"10.0.0.5:17450","last_seen":"2036-01-01T00:00:00Z"},
		"old":{"addr":"10.0.0.6:17450","last_seen":"2025-01-01T00:00:00Z"}}}`), noon); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(table.lost(noon)); got != "[10.0.0.5:17450]" {
		t.Errorf("to look for: %s", got)
	}
	if got := table.missing(noon); len(got) != 1 || got[0].Name != "[31mred" {
		t.Errorf("missing: %+v; want a name that spoils no terminal", got)
	}
	if got := table.lost(noon.Add(2 * time.Hour)); len(got) != 0 {
		t.Errorf("a date in the future keeps a host for ever: %v", got)
	}
	if err := table.savePeers(filepath.Join(dir, "no", "such", "dir"), noon); err == nil {
		t.Error("a directory that is not there was written to")
	}
}

func TestPeersAreBounded(t *testing.T) {
	p := peers{expiry: time.Hour, max: 3, seen: make(map[policy.HostID]peer)}
	for i := range 10 {
		p.note(policy.HostID(fmt.Sprint(i)), peer{
			Addr:     netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i+1)),
			LastSeen: noon.Add(time.Duration(i) * time.Second),
		})
	}
	if len(p.seen) != 3 || p.seen["9"].Addr.Port() != 10 || p.seen["7"].Addr.Port() != 8 {
		t.Errorf("kept %v, want the three seen last", p.seen)
	}
}

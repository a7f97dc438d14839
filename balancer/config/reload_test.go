package config

import (
	"log/slog"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestReloadable(t *testing.T) {
	running := Default()
	next := Default()
	next.Mode = policy.AutoMode
	next.LogLevel = slog.LevelDebug
	next.Host.Labels = []string{"ssd"}
	next.Sampling.Interval = 10 * time.Second
	next.Policy.Marks.High = 0.85
	next.Gossip.Listen = netip.MustParseAddrPort("0.0.0.0:1")
	next.Gossip.Join = []string{"hv2"}
	next.Libvirt.PostCopy = true

	changes, restart := Reloadable(running, next)
	wantChanges := []Change{
		{"mode", `"dry-run"`, `"auto"`},
		{"log_level", `"info"`, `"debug"`},
		{"host.labels", `[]`, `["ssd"]`},
		{"sampling.interval", `"20s"`, `"10s"`},
		{"policy.high", `80`, `85`},
	}
	wantRestart := []Change{
		{"libvirt.post_copy", "false", "true"},
		{"gossip.listen", `"0.0.0.0:17450"`, `"0.0.0.0:1"`},
		{"gossip.join", `[]`, `["hv2"]`},
	}
	if !reflect.DeepEqual(changes, wantChanges) {
		t.Errorf("changes %v\nwant    %v", changes, wantChanges)
	}
	if !reflect.DeepEqual(restart, wantRestart) {
		t.Errorf("need restart %v\nwant         %v", restart, wantRestart)
	}

	merged := Live(running, next)
	if got, none := Reloadable(running, merged); !reflect.DeepEqual(got, wantChanges) || none != nil {
		t.Errorf("Live took over %v and %v", got, none)
	}
	if !reflect.DeepEqual(running, Default()) {
		t.Error("Live changed what it was given")
	}
}

func TestReloadableWithoutAChange(t *testing.T) {
	if a, b := Reloadable(Default(), Default()); a != nil || b != nil {
		t.Errorf("got %v, %v", a, b)
	}
}

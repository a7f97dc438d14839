package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestParseReadsUnits(t *testing.T) {
	c, err := Parse("c.toml", []byte(`
mode = "auto"
log_level = "debug"

[host]
cpu_capacity = 2.5
labels = ["ssd", "rack=b4"]

[libvirt]
bandwidth_mib = 250
deadline_factor = 4

[sampling]
interval = "10s"

[policy]
high = 77.5
receive = 7
low = 3
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Mode = policy.AutoMode
	want.LogLevel = slog.LevelDebug
	want.Host.CPUCapacity = 2500
	want.Host.Labels = []string{"ssd", "rack=b4"}
	want.Libvirt.Bandwidth = 250 * policy.MiB
	want.Libvirt.DeadlineFactor = 4
	want.Sampling.Interval = 10 * time.Second
	want.Policy.Marks.High, want.Policy.Marks.Receive, want.Policy.Marks.Low = 0.775, 0.07, 0.03
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	c, err := Parse("c.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %+v", c)
	}
}

// Each fault is one line that names the file, the line where it can be known,
// the key, the value and what would be right.
func TestFaults(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string
	}{
		{
			"misspelt key", "[policy]\n\nhihg = 80\n",
			[]string{"c.toml:3: unknown key policy.hihg; did you mean policy.high?"},
		},
		{
			"key in the wrong section", "high = 80\n",
			[]string{"c.toml:1: unknown key high; did you mean policy.high?"},
		},
		{
			"key under the wrong section", "[host]\ntime_constant = \"10s\"\n",
			[]string{"c.toml:2: unknown key host.time_constant; did you mean sampling.time_constant?"},
		},
		{
			"dotted and upper case", "policy.High = 80\n",
			[]string{"c.toml:1: unknown key policy.High; did you mean policy.high?"},
		},
		{
			"key like no other", "[gossip]\nfrobnicate = 1\n",
			[]string{"c.toml:2: unknown key gossip.frobnicate; config.example.toml lists them all"},
		},
		{
			"misspelt section is told once", "[polcy]\nhigh = 80\nlow = 10\n",
			[]string{"c.toml:1: unknown section [polcy]; did you mean [policy]?"},
		},
		{
			"section like no other", "[x.y]\nz = 1\n",
			[]string{"c.toml:1: unknown section [x.y]; there are: schedule, host, libvirt, sampling, policy, gossip, peer, api, metrics"},
		},
		{
			"section as a value", "\npolicy = 80\n",
			[]string{"c.toml:2: policy is a section: write [policy] on a line of its own and its keys below"},
		},
		{
			"section as a list", "[[policy]]\nhigh = 1\n",
			[]string{"c.toml:1: policy is a section: write [policy] on a line of its own and its keys below"},
		},
		{
			"key as a section", "[policy.high]\nx = 1\n",
			[]string{"c.toml:1: policy.high (a table) must be a number of percent, such as 80"},
		},
		{
			"several kinds at once",
			"mode = \"automatic\"\n[sampling]\ninterval = 20\n[policy]\nhigh = \"80%\"\nmax_moves = 1.5\nlow = nan\n[gossip]\njoin = [\"a\", 1]\ninsecure = \"no\"\n[libvirt]\nbandwidth_mib = 1e3\n",
			[]string{
				`c.toml:1: mode ("automatic") must be one of "dry-run", "approve", "auto"`,
				`c.toml:3: sampling.interval (20) must be a duration in quotes, such as "20s" or "1h30m"`,
				`c.toml:5: policy.high ("80%") must be a number of percent, such as 80`,
				`c.toml:6: policy.max_moves (1.5) must be a whole number`,
				`c.toml:7: policy.low (NaN) must be a number of percent, such as 80`,
				`c.toml:9: gossip.join (["a", 1]) must be a list of strings, such as ["a", "b"]`,
				`c.toml:10: gossip.insecure ("no") must be true or false`,
				`c.toml:12: libvirt.bandwidth_mib (1000) must be a whole number of MiB, such as 100`,
			},
		},
		{
			"inline table", "policy = { high = 80, lwo = 1 }\n",
			[]string{"c.toml:1: unknown key policy.lwo; did you mean policy.low?"},
		},
		{
			"not TOML", "[policy\nhigh = 1\n",
			[]string{"c.toml:2: expected '.' or ']' to end table name, but got '\\n' instead"},
		},
		{
			"crossed marks, and more", "[policy]\nhigh = 60\nlow = 64\nsamples_over = 7\n",
			[]string{
				"c.toml: policy.receive (64) must exceed policy.low (64)",
				"c.toml: policy.high (60) must exceed policy.stop (75)",
				"c.toml: policy.samples_over (7) must be within 1..policy.samples_window (6)",
			},
		},
		{
			"stale too soon", "[policy]\nstale_after = \"30s\"\n",
			[]string{"c.toml: policy.stale_after (30s) must be at least twice sampling.interval (20s), or one late sample stops everything"},
		},
		{
			"paths", "state_dir = \"state\"\n[api]\nsocket = \"\"\n[host]\nproc = \"proc\"\n[gossip]\nkey_file = \"k\"\n[peer]\nca_file = \"\"\n[libvirt]\nassume_shared_paths = [\"/\", \"/a/\"]\n",
			[]string{
				`c.toml: state_dir ("state") must be an absolute path`,
				`c.toml: host.proc ("proc") must be an absolute path`,
				`c.toml: libvirt.assume_shared_paths ("/") must be absolute paths of directories, without a slash at the end`,
				`c.toml: libvirt.assume_shared_paths ("/a/") must be absolute paths of directories, without a slash at the end`,
				`c.toml: gossip.key_file ("k") must be an absolute path`,
				`c.toml: peer.ca_file ("") must be an absolute path`,
				`c.toml: api.socket ("") must be an absolute path of at most 107 bytes`,
			},
		},
		{
			"host", "[host]\nname = \"a b\"\ncpu_capacity = -1\nlabels = [\"a\", \"-x\", \"a\"]\n",
			[]string{
				`c.toml: host.name ("a b") must be at most 64 bytes without white space`,
				`c.toml: host.cpu_capacity (-1) must not be negative; 0 means all CPUs`,
				`c.toml: host.labels ("-x") must be 1 to 63 letters, digits or any of . _ / = - inside`,
				`c.toml: host.labels ("a") must not occur twice`,
			},
		},
		{
			"libvirt", "[libvirt]\nuri = \"system\"\nmigrate_uri = \"qemu+tls://x/system\"\nmigration_address = \"h:1/\"\nparallel = 300\nbandwidth_mib = -1\nmax_downtime = \"-1s\"\ndeadline_factor = 0.5\ndeadline_min = \"1ms\"\ncall_timeout = \"0s\"\n",
			[]string{
				`c.toml: libvirt.uri ("system") must be a libvirt URI such as "qemu:///system"`,
				`c.toml: libvirt.migrate_uri ("qemu+tls://x/system") must be a libvirt URI with {host} for the target, such as "qemu+tls://{host}/system"`,
				`c.toml: libvirt.migration_address ("h:1/") must be a name or an address, without a port`,
				`c.toml: libvirt.parallel (300) must be within 0..255`,
				`c.toml: libvirt.bandwidth_mib (-1) must not be negative; 0 is unlimited`,
				`c.toml: libvirt.max_downtime (-1s) must be whole milliseconds within 0s..2000s, the limit of QEMU; 0s leaves the hypervisor's default`,
				`c.toml: libvirt.deadline_factor (0.5) must be within 1..100`,
				`c.toml: libvirt.deadline_min (1ms) must be at least 1s`,
				`c.toml: libvirt.call_timeout (0s) must be within 1s..10m`,
			},
		},
		{
			"sampling", "[sampling]\ninterval = \"1ms\"\ntime_constant = \"0s\"\n",
			[]string{
				"c.toml: sampling.interval (1ms) must be within 1s..10m",
				"c.toml: sampling.time_constant (0s) must be positive and at most 1h",
			},
		},
		{
			"addresses", "[gossip]\nadvertise = \"0.0.0.0:17450\"\njoin = [\"a:b\", \"hv2\", \"[::1]:1\", \"fe80::1\"]\nlabel = \"\"\n[peer]\nlisten = \"17451\"\n[metrics]\nlisten = \":99999\"\n",
			[]string{
				`c.toml: gossip.advertise ("0.0.0.0:17450") must be an address at which other hosts reach this one`,
				`c.toml: gossip.join ("a:b") must be names or addresses with or without a port, such as "hv2.example" or "10.0.0.2:17450"`,
				`c.toml: gossip.label ("") must be 1 to 64 bytes without white space`,
				`c.toml: peer.listen ("17451") must be host:port, such as "0.0.0.0:17450" or "[::]:17450"`,
				`c.toml: metrics.listen (":99999") must be host:port, such as "0.0.0.0:17450" or "[::]:17450"`,
			},
		},
		{
			"name for an address", "[gossip]\nlisten = \"hv1:17450\"\nadvertise = 17450\n",
			[]string{
				`c.toml:2: gossip.listen ("hv1:17450") must be an IP address and a port, such as "0.0.0.0:17450" or "[::]:17450"`,
				`c.toml:3: gossip.advertise (17450) must be an IP address and a port, such as "0.0.0.0:17450" or "[::]:17450"`,
			},
		},
		{
			"peer", "[peer]\ncert_file = \"c.pem\"\nclient_key_file = \"\"\nreserve_ttl = \"1s\"\n[gossip]\nlisten = \"\"\n",
			[]string{
				`c.toml: gossip.listen ("") must not be empty; "0.0.0.0:17450" is every address of the host`,
				`c.toml: peer.cert_file ("c.pem") must be an absolute path`,
				`c.toml: peer.client_cert_file ("/etc/pki/libvirt/clientcert.pem") and peer.client_key_file ("") must be set together`,
				`c.toml: peer.reserve_ttl (1s) must be within 5s..10m`,
			},
		},
		{
			"one port twice", "[api]\nlisten = \"127.0.0.1:17452\"\n[peer]\nlisten = \"10.0.0.1:1\"\n[gossip]\nlisten = \"10.0.0.2:1\"\n",
			[]string{`c.toml: metrics.listen ("0.0.0.0:17452") must differ from api.listen ("127.0.0.1:17452")`},
		},
		{
			"insecure with a key", "[gossip]\ninsecure = true\nkey_file = \"/k\"\n",
			[]string{`c.toml: gossip.insecure (true) must not be set together with gossip.key_file ("/k"): gossip is either encrypted or not`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("c.toml", []byte(tt.file))
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); got != strings.Join(tt.want, "\n") {
				t.Errorf("got:\n%s\nwant:\n%s", got, strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestFaultsAreLimited(t *testing.T) {
	var file strings.Builder
	for i := range 25 {
		fmt.Fprintf(&file, "x%d = 1\n", i)
	}
	_, err := Parse("c.toml", []byte(file.String()))
	if err == nil || strings.Count(err.Error(), "\n") != 20 || !strings.HasSuffix(err.Error(), "\nc.toml: faults beyond these: 5") {
		t.Errorf("got %v", err)
	}
}

func TestInsecurePeerNeedsNoCertificates(t *testing.T) {
	_, err := Parse("c.toml", []byte("[peer]\ninsecure = true\nca_file = \"\"\ncert_file = \"\"\nkey_file = \"\"\n"))
	if err != nil {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "absent.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	large := filepath.Join(dir, "large.toml")
	if err := os.WriteFile(large, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("large file: %v", err)
	}
}

func TestDeadline(t *testing.T) {
	l := Libvirt{DeadlineFactor: 3, DeadlineMin: time.Minute}
	for predicted, want := range map[time.Duration]time.Duration{
		0: time.Minute, 20 * time.Second: time.Minute, 30 * time.Second: 90 * time.Second,
	} {
		if got := l.Deadline(predicted); got != want {
			t.Errorf("Deadline(%s) = %s, want %s", predicted, got, want)
		}
	}
}

// Whatever the bytes: no panic, and a Config that comes without an error is
// valid and, written down key by key, reads as itself.
func FuzzParse(f *testing.F) {
	b, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("policy.high = 81.25\n[gossip]\njoin=['a']\n[[x]]\ny=1\n[[x]]\n\"\" = {a=1}"))
	f.Add([]byte("mode = 1979-05-27\n[policy]\nlow = -inf\nlow2 = 0x7fffffffffffffff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.toml", data)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.toml:") {
					t.Errorf("a line of the error does not begin with the file: %q", line)
				}
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("parsed and not valid: %v", err)
		}
		again := Default()
		was := c.keys()
		for i, k := range again.keys() {
			if err := k.set(was[i].get()); err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
		}
		if changes, restart := Reloadable(c, again); len(changes)+len(restart) > 0 {
			t.Errorf("changed by being written down: %v %v", changes, restart)
		}
	})
}

package libvirt

import (
	"strings"
	"testing"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// arrivalOf is a domain that a host takes in unless its parts say otherwise:
// the XML describes the domain, and the host is one that has everything which
// the cases below name, unless they spoil it.
func arrivalOf(t *testing.T, xml string) *arrival {
	t.Helper()
	a := &arrival{
		Description: hypervisor.Description{
			Domain: testDomain, Name: "a", XML: xml, MemoryMax: policy.GiB,
			Source: policy.HostFacts{ID: "source", HypervisorVersion: 7_002_000, LibvirtVersion: 9_000_000, CPUFingerprint: 1, CPUModel: "X"},
			Files: []hypervisor.File{
				{Path: "/nfs/a", FileSystem: "nfs4", Size: 10, Identity: "inode/5"},
				{Path: "/nfs/base", FileSystem: "nfs4", Size: 5, Identity: "inode/4"},
				{Path: "/iso/i", FileSystem: "ext4", Size: 7, Identity: "ext4/1/inode/9"},
				{Path: "/fw/code.fd", FileSystem: "ext4", Size: 3, Identity: "ext4/1/inode/2"},
			},
		},
		site: site{
			facts:    policy.HostFacts{ID: "target", HypervisorVersion: 7_002_000, LibvirtVersion: 9_000_000, CPUFingerprint: 1, CPUModel: "X"},
			memory:   proc.Memory{Total: 8 << 30, Available: 4 << 30, HugePageSize: 2 << 20},
			machine:  answer{ok: true},
			tpm:      true,
			networks: map[string]network{"n": {exists: true, active: true, portGroups: []string{"g"}}},
			links:    map[string]nic{"br0": {exists: true, bridge: true, mtu: 1500}, "eth0": {exists: true, mtu: 1500}, "ovs": {exists: true, mtu: 9000}},
			files: map[string]sight{
				"/nfs/a":      {File: hypervisor.File{Path: "/nfs/a", FileSystem: "nfs", Size: 12, Identity: "inode/5"}},
				"/nfs/base":   {File: hypervisor.File{Path: "/nfs/base", FileSystem: "nfs4", Size: 5, Identity: "inode/4"}},
				"/iso/i":      {File: hypervisor.File{Path: "/iso/i", FileSystem: "xfs", Size: 7, Identity: "xfs/8/inode/1"}},
				"/fw/code.fd": {File: hypervisor.File{Path: "/fw/code.fd", FileSystem: "xfs", Size: 3}},
				"/fw":         {File: hypervisor.File{Path: "/fw", FileSystem: "xfs"}},
			},
			freePages: map[policy.Bytes]uint64{2 * policy.MiB: 512},
		},
	}
	a.site.nodes, a.site.cpus = map[int]bool{0: true, 1: true}, map[int]bool{0: true, 1: true, 2: true, 3: true}
	a.site.tsc.frequency = 2_000_000_000
	if err := a.dom.Unmarshal(xml); err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	plainGuest = `<domain type='kvm'><name>a</name><memory unit='GiB'>1</memory></domain>`
	diskGuest  = `<domain><devices>
	  <disk type='file' device='disk'><source file='/nfs/a'/><backingStore type='file'><format type='qcow2'/><source file='/nfs/base'/><backingStore/></backingStore><target dev='vda'/></disk>
	  <disk type='file' device='cdrom'><source file='/iso/i'/><target dev='sda'/><readonly/></disk></devices></domain>`
	firmwareGuest = `<domain><os><loader readonly='yes' type='pflash'>/fw/code.fd</loader><nvram>/fw/a_VARS.fd</nvram></os></domain>`
	passedThrough = `<domain><cpu mode='host-passthrough'/></domain>`
	onTSC         = `<domain><clock offset='utc'><timer name='tsc' frequency='2000000000'/></clock></domain>`
	onHugePages   = `<domain><memory unit='GiB'>1</memory><memoryBacking><hugepages/></memoryBacking></domain>`
)

func nicGuest(inner string) string {
	return `<domain><devices><interface ` + inner + `</interface></devices></domain>`
}

func TestArrivalChecks(t *testing.T) {
	for _, c := range []struct {
		check, name, xml string
		spoil            func(*arrival)
		want             policy.Reason
		detail           string
	}{
		{"other host", "same UUID", plainGuest, func(a *arrival) { a.site.facts.ID = "source" }, policy.SameHost, "source"},

		{"not there yet", "UUID", plainGuest, func(a *arrival) { a.site.uuidHere = "it is defined here" }, policy.AlreadyThere, "defined"},
		{"not there yet", "name", plainGuest, func(a *arrival) { a.site.nameHere = "it is active here" }, policy.AlreadyThere, "active"},

		{"versions", "newer here", plainGuest, func(a *arrival) { a.site.facts.HypervisorVersion = 8_000_000 }, policy.OK, ""},
		{"versions", "older QEMU", plainGuest, func(a *arrival) { a.site.facts.HypervisorVersion = 7_001_009 }, policy.VersionOlder, "QEMU is 7.1.9 here and 7.2.0"},
		{"versions", "older libvirt", plainGuest, func(a *arrival) { a.site.facts.LibvirtVersion = 8_000_000 }, policy.VersionOlder, "libvirt is 8.0.0"},

		{"host CPU", "equal", passedThrough, nil, policy.OK, ""},
		{"host CPU", "different", passedThrough, func(a *arrival) { a.site.facts.CPUFingerprint = 2 }, policy.CPUIncompatible, "microcode"},
		{"host CPU", "not told", passedThrough, func(a *arrival) { a.Source.CPUFingerprint, a.site.facts.CPUFingerprint = 0, 0 }, policy.CPUIncompatible, ""},
		{"host CPU", "of no concern to a named model", plainGuest, func(a *arrival) { a.site.facts.CPUFingerprint = 2 }, policy.OK, ""},
		{"host CPU", "maximum", `<domain><cpu mode='maximum'/></domain>`, func(a *arrival) { a.site.facts.CPUFingerprint = 2 }, policy.CPUIncompatible, ""},

		{"CPU model", "libvirt says no", plainGuest, func(a *arrival) { a.site.cpu = finding{policy.CPUIncompatible, "avx512 is missing"} }, policy.CPUIncompatible, "avx512"},
		{"machine type", "libvirt says no", plainGuest, func(a *arrival) { a.site.machine = answer{detail: "pc-9 unknown"} }, policy.MachineUnsupported, "pc-9"},

		{"TSC frequency", "equal", onTSC, nil, policy.OK, ""},
		{"TSC frequency", "different", onTSC, func(a *arrival) { a.site.tsc.frequency = 3 }, policy.CPUIncompatible, "cannot scale"},
		{"TSC frequency", "different, but it can be scaled", onTSC, func(a *arrival) { a.site.tsc.frequency, a.site.tsc.scaling = 3, true }, policy.OK, ""},
		{"TSC frequency", "not known", onTSC, func(a *arrival) { a.site.tsc.frequency = 0 }, policy.CPUIncompatible, "does not know"},

		{"disks", "the same", diskGuest, nil, policy.OK, ""},
		{"disks", "missing", diskGuest, missing("/nfs/a"), policy.StorageMissing, "disk vda: /nfs/a does not exist"},
		{"disks", "backing file missing", diskGuest, missing("/nfs/base"), policy.StorageMissing, "backing file"},
		{"disks", "another file under the same path", diskGuest, see("/nfs/a", func(s *sight) { s.Identity = "inode/6" }), policy.StorageMissing, "another file"},
		{"disks", "another file system", diskGuest, see("/nfs/a", func(s *sight) { s.Identity, s.FileSystem = "", "ext4" }), policy.StorageMissing, "ext4 here and on nfs4"},
		{"disks", "not to be looked at, on the same kind", diskGuest, see("/nfs/a", func(s *sight) { s.denied, s.Identity, s.FileSystem = true, "", "nfs4" }), policy.OK, ""},
		{"disks", "not to be looked at, on another kind", diskGuest, see("/nfs/a", func(s *sight) { s.denied, s.FileSystem = true, "ext4" }), policy.PreflightFailed, "may not look"},
		{"disks", "never looked for", diskGuest, func(a *arrival) { delete(a.site.files, "/nfs/a") }, policy.PreflightFailed, ""},
		{"disks", "a source of an older version told nothing", diskGuest, func(a *arrival) { a.Files = nil }, policy.OK, ""},

		{"media", "the same size", diskGuest, nil, policy.OK, ""},
		{"media", "missing", diskGuest, missing("/iso/i"), policy.StorageMissing, "/iso/i"},
		{"media", "another size", diskGuest, see("/iso/i", func(s *sight) { s.Size = 8 }), policy.StorageMissing, "8 bytes here and 7"},
		{"media", "firmware of another size", firmwareGuest, see("/fw/code.fd", func(s *sight) { s.Size = 4 }), policy.StorageMissing, "firmware"},
		{"media", "kernel missing", `<domain><os><kernel>/nfs/a</kernel></os></domain>`, missing("/nfs/a"), policy.StorageMissing, "kernel"},

		{"directories", "there", firmwareGuest, nil, policy.OK, ""},
		{"directories", "missing", firmwareGuest, missing("/fw"), policy.StorageMissing, "firmware variables"},
		{"directories", "not to be looked at", firmwareGuest, see("/fw", func(s *sight) { s.denied = true }), policy.OK, ""},
		{
			"directories", "made by libvirtd", `<domain><os><nvram>/var/lib/libvirt/qemu/nvram/a</nvram></os></domain>`,
			func(a *arrival) {
				dir := "/var/lib/libvirt/qemu/nvram"
				a.site.files[dir] = sight{File: hypervisor.File{Path: dir}, missing: true}
			}, policy.OK, "",
		},

		{"networks", "bridge", nicGuest(`type='bridge'><source bridge='br0'/><mtu size='1500'/>`), nil, policy.OK, ""},
		{"networks", "no bridge", nicGuest(`type='bridge'><source bridge='br1'/>`), nil, policy.NetworkMissing, "br1"},
		{"networks", "not a bridge", nicGuest(`type='bridge'><source bridge='eth0'/>`), nil, policy.NetworkMissing, "not a bridge"},
		{"networks", "Open vSwitch", nicGuest(`type='bridge'><source bridge='ovs'/><virtualport type='openvswitch'><parameters interfaceid='x'/></virtualport>`), nil, policy.OK, ""},
		{"networks", "too small packets", nicGuest(`type='bridge'><source bridge='br0'/><mtu size='9000'/>`), nil, policy.NetworkMissing, "9000"},
		{"networks", "macvtap", nicGuest(`type='direct'><source dev='eth0' mode='bridge'/>`), nil, policy.OK, ""},
		{"networks", "no device for macvtap", nicGuest(`type='direct'><source dev='eth7' mode='bridge'/>`), nil, policy.NetworkMissing, "eth7"},
		{"networks", "network", nicGuest(`type='network'><source network='n' portgroup='g'/>`), nil, policy.OK, ""},
		{"networks", "no network", nicGuest(`type='network'><source network='m'/>`), nil, policy.NetworkMissing, "no network m"},
		{"networks", "inactive network", nicGuest(`type='network'><source network='n'/>`), func(a *arrival) { a.site.networks["n"] = network{exists: true} }, policy.NetworkMissing, "not active"},
		{"networks", "no port group", nicGuest(`type='network'><source network='n' portgroup='h'/>`), nil, policy.NetworkMissing, "port group h"},

		{"TPM", "swtpm", `<domain><devices><tpm><backend type='emulator'/></tpm></devices></domain>`, nil, policy.OK, ""},
		{"TPM", "no swtpm", `<domain><devices><tpm><backend type='emulator'/></tpm></devices></domain>`, func(a *arrival) { a.site.tpm = false }, policy.MachineUnsupported, "swtpm"},

		{"CPU numbers", "there", `<domain><vcpu cpuset='0-3,^2'>1</vcpu></domain>`, nil, policy.OK, ""},
		{"CPU numbers", "not there", `<domain><cputune><vcpupin vcpu='0' cpuset='2-5'/></cputune></domain>`, nil, policy.PinnedDomain, "no CPU 4"},
		{"CPU numbers", "nonsense", `<domain><cputune><emulatorpin cpuset='all'/></cputune></domain>`, nil, policy.PreflightFailed, "all"},
		{"NUMA nodes", "there", `<domain><numatune><memory mode='strict' nodeset='0-1'/></numatune></domain>`, nil, policy.OK, ""},
		{"NUMA nodes", "not there", `<domain><numatune><memnode cellid='0' mode='strict' nodeset='2'/></numatune></domain>`, nil, policy.PinnedDomain, "no NUMA node 2"},

		{"memory", "enough", plainGuest, nil, policy.OK, ""},
		{"memory", "too little", plainGuest, func(a *arrival) { a.MemoryMax = 5 * policy.GiB }, policy.HostMemory, "5.0 GiB"},
		{"memory", "huge pages", onHugePages, nil, policy.OK, ""},
		{"memory", "too few huge pages", onHugePages, func(a *arrival) { a.site.freePages[2*policy.MiB] = 511 }, policy.HostMemory, "512 huge pages"},
		{"memory", "no such huge pages", `<domain><memory unit='GiB'>1</memory><memoryBacking><hugepages><page size='1' unit='G'/></hugepages></memoryBacking></domain>`, nil, policy.HostMemory, "no huge pages of 1.0 GiB"},
		{"memory", "nonsense", `<domain><memory unit='parsec'>1</memory><memoryBacking><hugepages/></memoryBacking></domain>`, nil, policy.PreflightFailed, "parsec"},
	} {
		t.Run(c.check+"/"+c.name, func(t *testing.T) {
			a := arrivalOf(t, c.xml)
			if c.spoil != nil {
				c.spoil(a)
			}
			for _, check := range arrivalChecks {
				got := check.find(a)
				switch {
				case check.name == c.check:
					if got.Reason != c.want || !strings.Contains(got.Detail, c.detail) {
						t.Errorf("got %v: %s\nwant %v: ...%s...", got.Reason, got.Detail, c.want, c.detail)
					}
				case got.Reason != policy.OK && c.want != policy.OK && c.check == "versions":
				case got.Reason != policy.OK && c.check != "media" && c.check != "disks":
					t.Errorf("the check of %s has an opinion, too: %v: %s", check.name, got.Reason, got.Detail)
				}
			}
		})
	}
}

func missing(path string) func(*arrival) {
	return see(path, func(s *sight) { *s = sight{File: hypervisor.File{Path: s.Path}, missing: true} })
}

func see(path string, spoil func(*sight)) func(*arrival) {
	return func(a *arrival) {
		s := a.site.files[path]
		spoil(&s)
		a.site.files[path] = s
	}
}

// TestEveryCheckOfAnArrivalIsTested keeps the table above complete.
func TestEveryCheckOfAnArrivalHasARow(t *testing.T) {
	rows := map[int]bool{}
	for _, c := range arrivalChecks {
		rows[c.row] = true
	}
	for _, o := range obstacles {
		rows[o.row] = true
	}
	for _, row := range []int{1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15, 16, 19, 21, 23} {
		if !rows[row] {
			t.Errorf("nothing checks row %d", row)
		}
	}
}

func TestHugePagesByGuestNode(t *testing.T) {
	a := arrivalOf(t, `<domain><memory unit='KiB'>3145728</memory>
	  <memoryBacking><hugepages><page size='1' unit='GiB' nodeset='1'/><page size='2048' unit='KiB' nodeset='0'/></hugepages></memoryBacking>
	  <cpu><numa><cell id='0' cpus='0' memory='1048576' unit='KiB'/><cell id='1' cpus='1' memory='2' unit='GiB'/></numa></cpu></domain>`)
	got, err := hugePages(&a.dom, a.site.memory)
	if err != nil || len(got) != 2 || got[0] != (pages{policy.GiB, 2}) || got[1] != (pages{2 * policy.MiB, 512}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseSet(t *testing.T) {
	for in, want := range map[string]int{"0": 1, "0-3": 4, "0-3,^2": 3, "1, 5-6": 3, "^1": 0} {
		if set, err := parseSet(in); err != nil || len(set) != want {
			t.Errorf("%q: %v, %v", in, set, err)
		}
	}
	for _, in := range []string{"", "a", "3-1", "-1", "0-99999999", "1,,2"} {
		if set, err := parseSet(in); err == nil {
			t.Errorf("%q is accepted as %v", in, set)
		}
	}
}

func TestCapabilities(t *testing.T) {
	var n node
	err := n.parse(`<capabilities><host><uuid> 6D4F3E0E-0000-4000-8000-000000000001 </uuid>
	  <cpu><counter name='tsc' frequency='2893202000' scaling='yes'/></cpu>
	  <topology><cells num='2'><cell id='0'><cpus num='2'><cpu id='0'/><cpu id='2'/></cpus></cell><cell id='1'><cpus num='1'><cpu id='1'/></cpus></cell></cells></topology>
	</host></capabilities>`)
	if err != nil || n.id != someHost || len(n.nodes) != 2 || len(n.cpus) != 3 || n.tsc.frequency != 2893202000 || !n.tsc.scaling {
		t.Errorf("%+v, %v", n, err)
	}
	if err := n.parse(`<capabilities>`); err == nil {
		t.Error("half of the capabilities are accepted")
	}
}

func TestFingerprintTellsEveryPart(t *testing.T) {
	cpu := proc.CPUInfo{Model: "m", Microcode: "1", Flags: []string{"a", "b"}}
	n := node{hypervisorVersion: 1, libvirtVersion: 2}
	base := fingerprint(cpu, "6.1", n)
	seen := map[uint64]string{base: "the base"}
	for name, f := range map[string]uint64{
		"model":     fingerprint(proc.CPUInfo{Model: "n", Microcode: "1", Flags: cpu.Flags}, "6.1", n),
		"microcode": fingerprint(proc.CPUInfo{Model: "m", Microcode: "2", Flags: cpu.Flags}, "6.1", n),
		"flags":     fingerprint(proc.CPUInfo{Model: "m", Microcode: "1", Flags: []string{"a"}}, "6.1", n),
		"kernel":    fingerprint(cpu, "6.2", n),
		"QEMU":      fingerprint(cpu, "6.1", node{hypervisorVersion: 2, libvirtVersion: 2}),
		"libvirt":   fingerprint(cpu, "6.1", node{hypervisorVersion: 1, libvirtVersion: 1}),
	} {
		if other, ok := seen[f]; ok {
			t.Errorf("another %s looks like %s", name, other)
		}
		seen[f] = name
	}
	if fingerprint(cpu, "6.1", n) != base {
		t.Error("not the same twice")
	}
}

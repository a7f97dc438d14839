package libvirt

import (
	"encoding/xml"
	"fmt"

	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/policy"
)

func otherHost(a *arrival) finding {
	if a.Source.ID == a.site.facts.ID {
		return because(policy.SameHost, "source and target have the same host UUID %s", a.Source.ID)
	}
	return finding{}
}

func notThereYet(a *arrival) finding {
	switch {
	case a.site.uuidHere != "":
		return finding{policy.AlreadyThere, a.site.uuidHere}
	case a.site.nameHere != "":
		return finding{policy.AlreadyThere, a.site.nameHere}
	default:
		return finding{}
	}
}

// versions never lets a guest go to an older QEMU, which might not understand
// its state, nor to an older libvirt, which might not understand its
// definition.
func versions(a *arrival) finding {
	for _, v := range []struct {
		what        string
		there, here uint32
	}{
		{"QEMU", a.Source.HypervisorVersion, a.site.facts.HypervisorVersion},
		{"libvirt", a.Source.LibvirtVersion, a.site.facts.LibvirtVersion},
	} {
		if v.here < v.there {
			return because(policy.VersionOlder, "%s is %s here and %s on the source",
				v.what, versionText(v.here), versionText(v.there))
		}
	}
	return finding{}
}

func versionText(v uint32) string {
	return fmt.Sprintf("%d.%d.%d", v/1_000_000, v/1000%1000, v%1000)
}

// hostCPU lets a guest that sees the CPU of its host go only to a host that is
// equal in everything that makes up what it sees: libvirt does not compare.
func hostCPU(a *arrival) finding {
	if c := a.dom.CPU; c == nil || c.Mode != "host-passthrough" && c.Mode != "maximum" {
		return finding{}
	}
	if a.Source.CPUFingerprint == 0 || a.Source.CPUFingerprint != a.site.facts.CPUFingerprint {
		return because(policy.CPUIncompatible,
			"the guest sees the host's own CPU (%s), and this host (%s) differs in CPU, microcode, kernel, QEMU or libvirt",
			a.Source.CPUModel, a.site.facts.CPUModel)
	}
	return finding{}
}

// cpuModel reports what libvirt here says of the guest's CPU.
func cpuModel(a *arrival) finding {
	return a.site.cpu
}

// compareCPU asks whether the emulator here can give the guest its CPU. A CPU
// that is the host's own cannot be compared in this way.
func compareCPU(c *lv.Connect, d *libvirtxml.Domain) (finding, error) {
	if d.CPU == nil || d.CPU.Model == nil {
		return finding{}, nil
	}
	desc, err := xml.Marshal(d.CPU)
	if err != nil {
		return finding{}, fmt.Errorf("write the CPU's description: %w", err)
	}
	emulator, arch, machine := platform(d)
	result, err := c.CompareHypervisorCPU(emulator, arch, machine, d.Type, string(desc),
		lv.CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)
	switch {
	case err == nil && result == lv.CPU_COMPARE_INCOMPATIBLE:
		return because(policy.CPUIncompatible, "libvirt holds the guest's CPU to be incompatible with this host"), nil
	case err == nil, noSupport(err): // other architectures are checked at the start of the migration
		return finding{}, nil
	case hasCode(err, lv.ERR_CPU_INCOMPATIBLE):
		return finding{policy.CPUIncompatible, message(err)}, nil
	case lost(err):
		return finding{}, err
	default:
		return finding{policy.PreflightFailed, message(err)}, nil
	}
}

func machineType(a *arrival) finding {
	if !a.site.machine.ok {
		return because(policy.MachineUnsupported, "%s", a.site.machine.detail)
	}
	return finding{}
}

// tscMatches compares the frequency of the time stamp counter for a guest that
// counts on it. libvirt refuses a mismatch itself, but late.
func tscMatches(a *arrival) finding {
	wanted := tscFrequency(&a.dom)
	here := a.site.tsc
	if wanted == 0 || here.frequency == wanted || here.scaling {
		return finding{}
	}
	if here.frequency == 0 {
		return because(policy.CPUIncompatible, "the guest needs a TSC of %d Hz, and libvirt does not know that of this host", wanted)
	}
	return because(policy.CPUIncompatible, "the guest needs a TSC of %d Hz; this host has %d Hz and cannot scale it", wanted, here.frequency)
}

// tpmHere asks for swtpm where the guest has an emulated TPM.
func tpmHere(a *arrival) finding {
	if a.dom.Devices == nil {
		return finding{}
	}
	for _, t := range a.dom.Devices.TPMs {
		if t.Backend != nil && t.Backend.Emulator != nil && !a.site.tpm {
			return because(policy.MachineUnsupported, "the guest has an emulated TPM, and there is no swtpm here")
		}
	}
	return finding{}
}

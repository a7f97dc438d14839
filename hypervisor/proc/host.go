package proc

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// CPUInfo identifies the CPU model. It describes the first processor: hosts
// whose processors differ are outside what live migration supports.
type CPUInfo struct {
	Model string // "AMD EPYC 7763 64-Core Processor"; empty where the kernel has no name for it

	// Microcode is the revision as printed, "0xa0011d5". Empty on
	// architectures and in guests that do not show one.
	Microcode string

	Flags []string // features, sorted, each once
}

// Fingerprint returns 16 hexadecimal digits that are equal for equal sets of
// features, whatever their order. It is for noticing a difference cheaply, not
// for deciding whether a guest can run: that is libvirt's to say.
func (c CPUInfo) Fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join(c.Flags, " ")))
	return hex.EncodeToString(sum[:8])
}

// CPUInfo reads cpuinfo.
func (f FS) CPUInfo() (CPUInfo, error) {
	path, b, err := f.read("cpuinfo")
	if err != nil {
		return CPUInfo{}, err
	}
	return parseCPUInfo(path, b)
}

func parseCPUInfo(path string, b []byte) (CPUInfo, error) {
	var c CPUInfo
	seen := false
	for line := range strings.Lines(string(b)) {
		key, val, ok := strings.Cut(line, ":")
		if !ok {
			if seen && strings.TrimSpace(line) == "" && len(c.Flags) > 0 {
				break // the end of the first processor
			}
			continue
		}
		val = strings.TrimSpace(val)
		switch strings.TrimSpace(key) {
		case "processor":
			seen = true
		case "model name", "cpu model", "cpu": // x86, MIPS, POWER
			if c.Model == "" {
				c.Model = val
			}
		case "microcode":
			c.Microcode = val
		case "flags", "Features", "features": // x86, ARM, s390
			c.Flags = strings.Fields(val)
			slices.Sort(c.Flags)
			c.Flags = slices.Compact(c.Flags)
		}
	}
	if !seen && len(c.Flags) == 0 {
		return CPUInfo{}, &ParseError{Path: path, Line: 1, What: "no processor in the file"}
	}
	return c, nil
}

// KernelVersion returns the kernel's release, "6.1.0-13-amd64".
func (f FS) KernelVersion() (string, error) { return f.word("sys/kernel/osrelease") }

// BootID returns the random name that the kernel gave this boot. Two readings
// are equal exactly when the host did not reboot between them.
func (f FS) BootID() (string, error) { return f.word("sys/kernel/random/boot_id") }

package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strings"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// node is what libvirt says of its host. It changes only when libvirtd is
// restarted, so it is read once for each session.
type node struct {
	id   policy.HostID // empty on drivers that have none
	name string

	libvirtVersion, hypervisorVersion uint32

	nodes, cpus map[int]bool // that exist, by number
	tsc         struct {
		frequency uint64 // Hz, zero if libvirt does not tell
		scaling   bool
	}
}

func readNode(c *lv.Connect) (node, error) {
	var n node
	caps, err := c.GetCapabilities()
	if err != nil {
		return n, fmt.Errorf("read capabilities: %w", err)
	}
	if err := n.parse(caps); err != nil {
		return n, fmt.Errorf("read capabilities: %w", err)
	}
	if n.name, err = c.GetHostname(); err != nil {
		return n, fmt.Errorf("read the host's name: %w", err)
	}
	if n.libvirtVersion, err = c.GetLibVersion(); err != nil {
		return n, fmt.Errorf("read libvirt's version: %w", err)
	}
	if n.hypervisorVersion, err = c.GetVersion(); err != nil {
		return n, fmt.Errorf("read the hypervisor's version: %w", err)
	}
	return n, nil
}

// parse takes what is wanted from the capabilities.
func (n *node) parse(capabilities string) error {
	var c struct {
		Host struct {
			UUID     string `xml:"uuid"`
			Counters []struct {
				Name      string `xml:"name,attr"`
				Frequency uint64 `xml:"frequency,attr"`
				Scaling   string `xml:"scaling,attr"`
			} `xml:"cpu>counter"`
			Cells []struct {
				ID   int `xml:"id,attr"`
				CPUs []struct {
					ID int `xml:"id,attr"`
				} `xml:"cpus>cpu"`
			} `xml:"topology>cells>cell"`
		} `xml:"host"`
	}
	if err := xml.Unmarshal([]byte(capabilities), &c); err != nil {
		return err
	}
	n.id = policy.HostID(strings.ToLower(strings.TrimSpace(c.Host.UUID)))
	n.nodes, n.cpus = make(map[int]bool), make(map[int]bool)
	for _, cell := range c.Host.Cells {
		n.nodes[cell.ID] = true
		for _, cpu := range cell.CPUs {
			n.cpus[cpu.ID] = true
		}
	}
	for _, t := range c.Host.Counters {
		if t.Name == "tsc" {
			n.tsc.frequency, n.tsc.scaling = t.Frequency, t.Scaling == "yes"
		}
	}
	return nil
}

// errNoHostID is what a driver without host UUIDs (test:///) gets.
var errNoHostID = errors.New("libvirt reports no host UUID: set host_uuid in libvirtd.conf")

// Facts describes the host. It fails while libvirt is not connected.
func (h *Hypervisor) Facts(context.Context) (policy.HostFacts, error) {
	s, err := h.control.current()
	if err != nil {
		return policy.HostFacts{}, err
	}
	return h.factsOf(s.node)
}

func (h *Hypervisor) factsOf(n node) (policy.HostFacts, error) {
	var f policy.HostFacts
	if n.id == "" {
		return f, errNoHostID
	}
	memory, err := h.host.capacity()
	if err != nil {
		return f, fmt.Errorf("read the host's memory: %w", err)
	}
	cpus := h.opts.CPUCapacity
	if cpus == 0 {
		stat, err := h.proc.Stat()
		if err != nil {
			return f, fmt.Errorf("count the host's CPUs: %w", err)
		}
		cpus = float64(stat.CPU.Online)
	}
	info, err := h.proc.CPUInfo()
	if err != nil {
		return f, fmt.Errorf("identify the host's CPU: %w", err)
	}
	kernel, err := h.proc.KernelVersion()
	if err != nil {
		return f, fmt.Errorf("read the kernel's version: %w", err)
	}
	return policy.HostFacts{
		ID:   n.id,
		Name: n.name,
		Capacity: policy.Load{
			CPU:    policy.MilliCPU(math.Round(cpus * 1000)),
			Memory: memory,
		},
		CPUFingerprint:    fingerprint(info, kernel, n),
		CPUModel:          info.Model,
		LibvirtVersion:    n.libvirtVersion,
		HypervisorVersion: n.hypervisorVersion,
		Labels:            h.opts.Labels,
	}, nil
}

// fingerprint is FNV-1a over everything that a host-passthrough guest can
// notice or that decides what it is offered.
func fingerprint(c proc.CPUInfo, kernel string, n node) uint64 {
	sum := fnv.New64a()
	for _, part := range []string{
		c.Model, c.Microcode, strings.Join(c.Flags, " "), kernel,
		fmt.Sprint(n.hypervisorVersion), fmt.Sprint(n.libvirtVersion),
	} {
		_, _ = io.WriteString(sum, part)
		_, _ = sum.Write([]byte{0}) // so that no two lists of parts run together
	}
	return sum.Sum64()
}

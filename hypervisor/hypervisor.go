package hypervisor

import (
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Transfer is one migration to start.
type Transfer struct {
	Domain policy.DomainID
	// URI is where the source's libvirt reaches the target's libvirt.
	URI string
	// MaxDowntime is how long the guest may stand still at the switch-over;
	// zero leaves the hypervisor's default.
	MaxDowntime time.Duration
	// Bandwidth per second; zero is unlimited.
	Bandwidth policy.Bytes
}

// Description is what a source tells a target about a domain.
type Description struct {
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	// XML is the migratable domain XML without secrets; empty on hypervisors
	// that have none.
	XML string `json:"xml,omitempty"`
	// InactiveXML is the persistent definition, empty if there is none. It is
	// kept in the journal so that a person could define the domain again.
	InactiveXML string `json:"inactive_xml,omitempty"`
	Persistent  bool   `json:"persistent"`
	Autostart   bool   `json:"autostart"`
	VCPUs       int    `json:"vcpus"`

	MemoryMax policy.Bytes     `json:"memory_max_bytes"`
	Source    policy.HostFacts `json:"source"`

	// Files are the files and devices that the domain needs, as the source
	// sees them, so that the target can tell whether it sees the same.
	Files []File `json:"files,omitempty"`
}

// File is a file or block device as one host sees it.
type File struct {
	Path string       `json:"path"`
	Size policy.Bytes `json:"size_bytes,omitempty"`
	// FileSystem is the type of the file system that holds it, in the words of
	// the kernel's mount table.
	FileSystem string `json:"file_system,omitempty"`
	// Identity is equal on two hosts that see the same file and different on
	// two that don't; empty where that cannot be told.
	Identity string `json:"identity,omitempty"`
}

// Handoff is what the target sets on a domain that has arrived.
type Handoff struct {
	Autostart bool               `json:"autostart"`
	History   policy.MoveHistory `json:"history"`
}

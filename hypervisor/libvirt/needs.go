package libvirt

import (
	"path/filepath"
	"slices"

	"libvirt.org/go/libvirtxml"
)

// need is a path that a domain takes for granted on its host.
type need struct {
	path string
	what string // for people
	kind needKind
}

type needKind uint8

const (
	// sameFile: written, or read together with what is written. The target
	// must see the very same file.
	sameFile needKind = iota
	// equalFile: only read. The target must have one of the same size.
	equalFile
	// parentDir: made by libvirt or QEMU if it is absent; the directory must
	// be there.
	parentDir
)

// needs lists the paths of a domain, each once.
func needs(d *libvirtxml.Domain) []need {
	var all []need
	add := func(path, what string, kind needKind) {
		known := slices.ContainsFunc(all, func(n need) bool { return n.path == path })
		if path != "" && !known {
			all = append(all, need{path, what, kind})
		}
	}
	if os := d.OS; os != nil {
		add(os.Kernel, "kernel", equalFile)
		add(os.Initrd, "initial RAM disk", equalFile)
		add(os.DTB, "device tree", equalFile)
		if os.Loader != nil {
			add(os.Loader.Path, "firmware", equalFile)
		}
		if os.NVRam != nil {
			path := os.NVRam.NVRam
			if os.NVRam.Source != nil {
				path = sourcePath(os.NVRam.Source)
			}
			// Its content travels with the guest's memory.
			add(path, "firmware variables", parentDir)
		}
	}
	if d.Devices == nil {
		return all
	}
	for _, disk := range d.Devices.Disks {
		kind := sameFile
		if disk.ReadOnly != nil || disk.Device == "cdrom" {
			kind = equalFile
		}
		name := "disk " + diskName(disk)
		add(sourcePath(disk.Source), name, kind)
		for b := disk.BackingStore; !endOfChain(b); b = b.BackingStore {
			add(sourcePath(b.Source), name+", backing file", kind)
		}
	}
	for _, c := range d.Devices.Serials {
		if c.Source != nil && c.Source.File != nil {
			add(c.Source.File.Path, "serial port", parentDir)
		}
	}
	for _, c := range d.Devices.Consoles {
		if c.Source != nil && c.Source.File != nil {
			add(c.Source.File.Path, "console", parentDir)
		}
	}
	return all
}

// sourcePath is the path of a source that has one on the host.
func sourcePath(s *libvirtxml.DomainDiskSource) string {
	switch {
	case s == nil:
		return ""
	case s.File != nil:
		return s.File.File
	case s.Block != nil:
		return s.Block.Dev
	default:
		return ""
	}
}

// place is the path that has to exist for a need.
func (n need) place() string {
	if n.kind == parentDir {
		return filepath.Dir(n.path)
	}
	return n.path
}

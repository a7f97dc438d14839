package libvirt

import (
	"net/netip"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/policy"
)

// sharedFileSystems are the types, as the mount table names them, of file
// systems that several hosts can have mounted at once. It is the list by which
// libvirt decides (virFileIsSharedFS in its src/util/virfile.c), since it
// refuses everything else anyway. Those that are coherent show each host what
// another has written even through its page cache (virFileIsClusterFS).
var sharedFileSystems = map[string]struct{ coherent bool }{
	"acfs":           {},
	"afs":            {},
	"beegfs":         {},
	"ceph":           {coherent: true},
	"cifs":           {},
	"fuse.glusterfs": {coherent: true},
	"fuse.quobyte":   {},
	"gfs2":           {coherent: true},
	"gpfs":           {},
	"nfs":            {},
	"nfs4":           {},
	"ocfs2":          {coherent: true},
	"smb3":           {},
	"smbfs":          {},
}

// sharedPools are the types of storage pools whose volumes other hosts reach.
var sharedPools = []string{"gluster", "iscsi", "iscsi-direct", "netfs", "rbd"}

// dropCacheSince is the version of QEMU from which it drops its page cache
// when it hands a disk over, so that any cache mode is safe.
const dropCacheSince = 4_000_000

// storage allows disks that other hosts see as this one does, and nothing that
// is merely not known to be local.
func storage(s *subject) finding {
	for _, d := range s.disks() {
		if d.ReadOnly != nil || d.Device == "cdrom" {
			// Never written; the target checks that it has the file as well.
			continue
		}
		coherent, f := s.source(d, d.Source)
		if f.Reason != policy.OK {
			return f
		}
		// libvirt does not look below the top image, but a chain that ends on
		// a local file is not shared.
		for b := d.BackingStore; !endOfChain(b); b = b.BackingStore {
			if _, f := s.source(d, b.Source); f.Reason != policy.OK {
				return f
			}
		}
		if f := s.cacheMode(d, coherent); f.Reason != policy.OK {
			return f
		}
	}
	return finding{}
}

// endOfChain reports that there is no backing file: nothing is said of one, or
// an empty element says that there is none.
func endOfChain(b *libvirtxml.DomainDiskBackingStore) bool {
	return b == nil || b.Format == nil && (b.Source == nil || *b.Source == libvirtxml.DomainDiskSource{})
}

// source judges where the data of a disk is. coherent means that the page
// cache does not stand between the hosts.
func (s *subject) source(d libvirtxml.DomainDisk, src *libvirtxml.DomainDiskSource) (coherent bool, f finding) {
	unsafe := func(format string, args ...any) (bool, finding) {
		f := because(policy.UnsafeStorage, format, args...)
		f.Detail = "disk " + diskName(d) + ": " + f.Detail
		return false, f
	}
	if src == nil {
		return true, finding{} // an empty drive
	}
	if src.DataStore != nil {
		if _, f := s.source(d, src.DataStore.Source); f.Reason != policy.OK {
			return false, f
		}
	}
	switch {
	case src.File != nil && src.File.File == "":
		return true, finding{}
	case src.File != nil:
		path := src.File.File
		if s.assumedShared(path) {
			return false, finding{}
		}
		fs, err := s.fsType(path)
		if err != nil {
			return unsafe("the file system of %s cannot be told: %v", path, err)
		}
		kind, ok := sharedFileSystems[fs]
		if !ok {
			return unsafe("%s is on %s, which other hosts do not share", path, fs)
		}
		return kind.coherent, finding{}
	case src.Block != nil:
		dev := src.Block.Dev
		if s.assumedShared(dev) || strings.HasPrefix(dev, "/dev/rbd") {
			return false, finding{}
		}
		return unsafe("%s may be a device of this host alone", dev)
	case src.Network != nil:
		if h, local := localServer(src.Network); local {
			return unsafe("%s is served by this host (%s)", src.Network.Protocol, h)
		}
		return true, finding{}
	case src.Volume != nil:
		kind := s.pools[src.Volume.Pool]
		if !slices.Contains(sharedPools, kind) {
			return unsafe("storage pool %s of type %q is not known to be shared", src.Volume.Pool, kind)
		}
		return false, finding{}
	default:
		return unsafe("a kind of storage that is not known to be shared")
	}
}

// assumedShared reports that the configuration vouches for a path.
func (s *subject) assumedShared(path string) bool {
	return slices.ContainsFunc(s.opts.AssumeSharedPaths, func(prefix string) bool {
		return within(path, prefix)
	})
}

// localServer returns the address of a server that only this host reaches.
func localServer(n *libvirtxml.DomainDiskSourceNetwork) (string, bool) {
	for _, h := range n.Hosts {
		if h.Socket != "" {
			return h.Socket, true
		}
		if h.Name == "localhost" {
			return h.Name, true
		}
		if a, err := netip.ParseAddr(h.Name); err == nil && (a.IsLoopback() || a.IsUnspecified()) {
			return h.Name, true
		}
	}
	return "", false
}

// cacheMode refuses modes in which the target could read what the source's
// page cache still holds back.
func (s *subject) cacheMode(d libvirtxml.DomainDisk, coherent bool) finding {
	mode := ""
	if d.Driver != nil {
		mode = d.Driver.Cache
	}
	switch mode {
	case "none", "directsync":
		return finding{}
	case "unsafe":
		return because(policy.UnsafeStorage, "disk %s: cache mode unsafe never writes back when asked to", diskName(d))
	}
	if coherent || s.qemu >= dropCacheSince {
		return finding{}
	}
	if mode == "" {
		mode = "default"
	}
	return because(policy.UnsafeStorage, "disk %s: cache mode %s needs a QEMU that drops its cache", diskName(d), mode)
}

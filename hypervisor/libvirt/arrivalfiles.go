package libvirt

import (
	"slices"
	"strings"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// disksSeen asks that this host sees the very disks that the source sees,
// under the same path.
func disksSeen(a *arrival) finding { return a.filesSeen(sameFile) }

// mediaSeen asks that what the guest only reads is here as well: libvirt
// counts it as safe to migrate and looks for it when it is too late.
func mediaSeen(a *arrival) finding { return a.filesSeen(equalFile) }

// directoriesSeen asks for the directories of files that are made when they
// are absent.
func directoriesSeen(a *arrival) finding { return a.filesSeen(parentDir) }

func (a *arrival) filesSeen(kind needKind) finding {
	for _, n := range needs(&a.dom) {
		if n.kind != kind {
			continue
		}
		here, looked := a.site.files[n.place()]
		if !looked {
			return because(policy.PreflightFailed, "%s: nobody looked for %s", n.what, n.place())
		}
		there := slices.IndexFunc(a.Files, func(f hypervisor.File) bool { return f.Path == n.place() })
		var source hypervisor.File
		if there >= 0 {
			source = a.Files[there]
		}
		if f := compareFile(n, source, here); f.Reason != policy.OK {
			return f
		}
	}
	return finding{}
}

// compareFile compares what the two hosts see. A zero source was not told.
func compareFile(n need, source hypervisor.File, here sight) finding {
	missing := func(format string, args ...any) finding {
		f := because(policy.StorageMissing, format, args...)
		f.Detail = n.what + ": " + f.Detail
		return f
	}
	_, shared := sharedFileSystems[here.FileSystem]
	switch {
	case here.missing && n.kind == parentDir && ownedByLibvirt(here.Path):
		return finding{} // libvirtd makes it
	case here.missing:
		return missing("%s does not exist here", here.Path)
	case here.denied && (n.kind == parentDir || shared && here.FileSystem == source.FileSystem):
		return finding{} // a failure would be libvirt's, and early
	case here.denied:
		return because(policy.PreflightFailed, "%s: this daemon may not look at %s", n.what, here.Path)
	case n.kind == parentDir || source.Path == "":
		return finding{}
	case n.kind == equalFile:
		if here.Size != source.Size {
			return missing("%s has %d bytes here and %d on the source", here.Path, here.Size, source.Size)
		}
	case here.Identity != "" && source.Identity != "" && here.Identity != source.Identity:
		return missing("%s is another file here than on the source (%s, %s)", here.Path, here.Identity, source.Identity)
	case source.FileSystem != "" && family(source.FileSystem) != family(here.FileSystem):
		return missing("%s is on %s here and on %s on the source", here.Path, here.FileSystem, source.FileSystem)
	}
	return finding{}
}

// family names the file systems that are one under several names.
func family(fs string) string {
	switch fs {
	case "nfs4":
		return "nfs"
	case "smb3", "smbfs":
		return "cifs"
	default:
		return fs
	}
}

// ownedByLibvirt reports directories that libvirtd makes when it needs them.
func ownedByLibvirt(path string) bool {
	return strings.HasPrefix(path, "/var/lib/libvirt/") || strings.HasPrefix(path, "/run/libvirt/")
}

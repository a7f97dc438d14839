package lab

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options say what lab to build. The zero value is a usable lab of three hosts.
type Options struct {
	// Name tells labs on one machine apart; see DefaultName.
	Name string
	// Dir holds the lab's files. It must not exist, be empty, or be a lab's.
	// Default: /tmp/vblab-NAME. It must not be below /run, which every host
	// hides behind its own.
	Dir string
	// Hosts is how many hosts there are, named h1, h2 and so on. Default: 3.
	Hosts int
	// Capacity is the CPU time a host may use, in percent of one core: 60 is
	// 60 ms in every 100 ms. Default: 60.
	Capacity int
	// MemoryMiB limits the memory of a host and is what its /proc/meminfo
	// shows. Default: 1024.
	MemoryMiB int
	// KeepaliveInterval and KeepaliveCount are libvirt's, for libvirtd and for
	// peer-to-peer migrations: a dead peer is noticed after about interval x
	// (count + 1). Whole seconds. Defaults: libvirt's own 5 s and 5, which
	// takes 27 s to notice; 1 s and 3 take 4 s.
	KeepaliveInterval time.Duration
	KeepaliveCount    int
	// Weight is the lab's claim to the machine's CPUs against everything else
	// on it, where one busy process has 1024 on cgroup v1 (and 100 on v2, to
	// which the value is converted). Default: 8192: without it a lab on a busy
	// machine gets no more than one of the busy processes.
	Weight int
}

// withDefaults fills in what is not set and says all that is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.Name == "" {
		o.Name = DefaultName()
	}
	setDefault(&o.Dir, filepath.Join(os.TempDir(), tagOf(o.Name)))
	setDefault(&o.Hosts, 3)
	setDefault(&o.Capacity, 60)
	setDefault(&o.MemoryMiB, 1024)
	setDefault(&o.KeepaliveInterval, 5*time.Second)
	setDefault(&o.KeepaliveCount, 5)
	setDefault(&o.Weight, 8192)

	var faults []error
	fault := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(validName.MatchString(o.Name), "lab name %q: must be 1 to 32 of a-z, 0-9 and -", o.Name)
	fault(filepath.IsAbs(o.Dir), "lab directory %q: must be an absolute path", o.Dir)
	fault(!strings.HasPrefix(o.Dir+"/", "/run/") && !strings.HasPrefix(o.Dir+"/", "/var/run/"),
		"lab directory %q: must not be below /run, which every host hides behind its own", o.Dir)
	// A unix socket's path has room for 107 bytes, and libvirt's is the longest here.
	longest := filepath.Join(o.Dir, "hosts/h99/run/libvirt/libvirt-sock-ro")
	fault(len(longest) <= 107, "lab directory %q: too long by %d bytes for the path of a socket", o.Dir, len(longest)-107)
	fault(o.Hosts >= 1 && o.Hosts <= maxHosts, "hosts %d: must be from 1 to %d", o.Hosts, maxHosts)
	fault(o.Capacity >= 1, "capacity %d %%: must be 1 or more", o.Capacity)
	fault(o.MemoryMiB >= 128, "memory %d MiB: must be 128 or more", o.MemoryMiB)
	fault(o.KeepaliveInterval >= time.Second && o.KeepaliveInterval%time.Second == 0,
		"keepalive interval %s: must be whole seconds", o.KeepaliveInterval)
	fault(o.KeepaliveCount >= 1, "keepalive count %d: must be 1 or more", o.KeepaliveCount)
	fault(o.Weight >= 2, "weight %d: must be 2 or more", o.Weight)
	return o, errors.Join(faults...)
}

// maxHosts keeps the hosts' addresses, 10.77.0.11 and up, in one small network.
const maxHosts = 99

var validName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// tagPrefix begins the name of every control group and directory of a lab, so
// that what belongs to labs can be told from everything else on the machine.
const tagPrefix = "vblab-"

func tagOf(name string) string { return tagPrefix + name }

// DefaultName is $VBLAB_NAME or, if that is not set, a name made from the
// working directory's Go module: the same in every directory of one checkout,
// different in another checkout, so that two people's labs do not collide.
func DefaultName() string {
	if name := os.Getenv("VBLAB_NAME"); name != "" {
		return name
	}
	dir, err := os.Getwd()
	if err != nil {
		return "default"
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			dir = d
			break
		}
	}
	return NameFor(filepath.Base(dir), dir)
}

// NameFor makes a valid lab name that begins with the readable text and is
// different for different keys.
func NameFor(readable, key string) string {
	sum := sha1.Sum([]byte(key))
	clean := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(readable), "-")
	clean = strings.Trim(clean[:min(len(clean), 24)], "-")
	return strings.TrimPrefix(fmt.Sprintf("%s-%x", clean, sum[:3]), "-")
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

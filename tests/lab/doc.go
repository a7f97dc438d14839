// Package lab makes several real hypervisor hosts on one Linux machine, for
// tests and demonstrations.
//
// Each host is a set of namespaces (PID, mount, network, UTS, IPC, control
// group) with a libvirtd of its own, its own host UUID, its own address, its own
// CPU capacity and its own /proc/stat, so that whatever runs on it takes it for
// a machine. Guests are real QEMU processes and migrate for real.
//
//	l, err := lab.Up(ctx, lab.Options{Hosts: 3})
//	defer l.Down(ctx)
//	g, err := l.Host("h1").StartGuest(ctx, lab.GuestSpec{Name: "vm1", Load: 60})
//	took, err := g.Migrate(ctx, l.Host("h1"), l.Host("h2"))
//
// Tests use package labtest; people use the command lab.
package lab

// Package hypervisor holds the words in which the daemon and a hypervisor speak
// of one migration. What a hypervisor must be able to do is said by its
// consumer, as balancer.Hypervisor.
//
// Below it, proc reads the host, libvirt adapts the real hypervisor (the only
// cgo), and fake is a simulated one that works.
package hypervisor

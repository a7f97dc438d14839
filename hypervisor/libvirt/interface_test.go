package libvirt_test

import (
	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
)

var _ balancer.Hypervisor = (*libvirt.Hypervisor)(nil)

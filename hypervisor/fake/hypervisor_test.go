package fake_test

import (
	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
)

var _ balancer.Hypervisor = (*fake.Hypervisor)(nil)

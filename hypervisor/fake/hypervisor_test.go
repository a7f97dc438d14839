package fake_test

import (
	"reflect"
	"testing"

	"github.com/virtbalance/virtbalance/balancer"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
)

var _ balancer.Hypervisor = (*fake.Hypervisor)(nil)

// Nothing that ends, starts or defines a domain can be asked of it.
func TestHypervisorOffersNothingElse(t *testing.T) {
	offered := reflect.TypeFor[*fake.Hypervisor]()
	needed := reflect.TypeFor[balancer.Hypervisor]()
	for method := range offered.Methods() {
		name := method.Name
		if _, ok := needed.MethodByName(name); !ok {
			t.Errorf("it has a method %s that the balancer does not need", name)
		}
	}
}

package fake_test

import (
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// One goroutine drives a world from event to event, and is told of the end of a
// migration at the instant of its end.
func Example() {
	w, err := fake.New(fake.Default())
	if err != nil {
		panic(err)
	}
	w.Advance(time.Minute)
	a, err := w.Begin("h1", hypervisor.Transfer{Domain: fake.DomainID("batch1"), URI: "sim://h3"})
	if err != nil {
		panic(err)
	}
	a.Then(func(o policy.Outcome) {
		fmt.Printf("%s after %s, guest stopped for %s\n", o.Result, o.Duration.Round(time.Millisecond), o.Downtime.Round(time.Millisecond))
		fmt.Print(w.Report())
	})
	w.Advance(time.Minute)
	// Output:
	// succeeded after 4.376s, guest stopped for 176ms
	// 2026-01-01 00:01:04.376
	// h1        60.0% 9.0 GiB free
	//   db1          running  0.90 CPU
	//   web1         running  1.30 CPU
	// h2        33.6% 11.0 GiB free
	//   mail1        running  0.25 CPU
	//   web2         running  0.94 CPU
	// h3        46.2% 8.0 GiB free
	//   batch1       running  0.95 CPU
	//   cache1       running  0.35 CPU
	//   gpu1         running  0.40 CPU
}

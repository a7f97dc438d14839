package sim_test

import (
	"testing"

	"github.com/virtbalance/virtbalance/policy/sim"
)

func TestOverloadTests(t *testing.T) {
	// 1, 2, ..., 12 hundredths, the newest first; its quartiles are the 3rd and
	// the 10th, its median deviation is 3 hundredths.
	var rising []float64
	for i := range 12 {
		rising = append(rising, float64(12-i)/100)
	}
	for _, c := range []struct {
		name    string
		test    sim.OverloadTest
		history []float64
		mark    float64
	}{
		{"thr", sim.Above(0.8), rising, 0.8},
		{"iqr", sim.AboveIQR(1.5), rising, 1 - 1.5*0.07},
		{"iqr, too short", sim.AboveIQR(1.5), rising[:11], 0.7},
		{"mad", sim.AboveMAD(2.5), rising, 1 - 2.5*0.03},
		{"mad, too short", sim.AboveMAD(2.5), nil, 0.7},
		{"lr, too short", sim.Predicted(1.2), rising[:9], 0.7},
	} {
		if c.test(c.mark-1e-9, c.history) || !c.test(c.mark+1e-9, c.history) {
			t.Errorf("%s: the mark is not %v", c.name, c.mark)
		}
	}
	if rising[0] != 0.12 {
		t.Error("a test has changed the history")
	}
	// The line through the last ten goes on to 0.13, whatever the load is.
	for safety, want := range map[float64]bool{1/0.13 - 1e-6: false, 1/0.13 + 1e-6: true} {
		if got := sim.Predicted(safety)(2, rising); got != want {
			t.Errorf("lr with a safety of %v: %v", safety, got)
		}
	}
}

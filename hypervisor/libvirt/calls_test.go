package libvirt

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// hang returns a function for call that returns when release is closed.
func hang(release <-chan struct{}) func() (int, error) {
	return func() (int, error) {
		<-release
		return 1, nil
	}
}

func TestCallReturnsAtItsDeadlineAndIsCountedUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(16)
		sick := make(chan string, 1)
		cn := &conn{sick: sick}
		release := make(chan struct{})
		began := time.Now()
		_, err := call(t.Context(), c, task{what: "ask", limit: 3 * time.Second, conn: cn}, hang(release))
		if took := time.Since(began); !errors.Is(err, errOverdue) || took != 3*time.Second {
			t.Errorf("returned %v after %v", err, took)
		}
		if hung, overdue := c.counts(); hung != 1 || overdue != 1 {
			t.Errorf("hung %d, overdue %d", hung, overdue)
		}
		select {
		case why := <-sick:
			if why != "ask did not return in time" {
				t.Errorf("complaint: %s", why)
			}
		default:
			t.Error("the connection was not condemned")
		}
		close(release)
		synctest.Wait()
		if hung, overdue := c.counts(); hung != 0 || overdue != 1 {
			t.Errorf("after the end: hung %d, overdue %d", hung, overdue)
		}
	})
}

func TestCallReturnsWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(16)
		release := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := call(ctx, c, task{what: "ask", limit: 3 * time.Second}, hang(release))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v", err)
		}
		if hung, _ := c.counts(); hung != 0 {
			t.Errorf("hung %d before its deadline", hung)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if hung, _ := c.counts(); hung != 1 {
			t.Errorf("hung %d after its deadline, though nobody waits any more", hung)
		}
		close(release)
		synctest.Wait()
	})
}

func TestOneDomainThatHangsIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(16)
		sick := make(chan string, 1)
		cn := &conn{sick: sick}
		release := make(chan struct{})
		ask := func(id policy.DomainID) error {
			_, err := call(t.Context(), c, task{what: "ask", limit: time.Second, domain: id, conn: cn}, hang(release))
			return err
		}
		if err := ask("first"); !errors.Is(err, errOverdue) {
			t.Fatal(err)
		}
		began := time.Now()
		if err := ask("first"); !errors.Is(err, errStuck) || time.Since(began) != 0 {
			t.Errorf("the second call on a stuck domain: %v after %v", err, time.Since(began))
		}
		if len(sick) != 0 {
			t.Errorf("one stuck domain condemned the connection: %s", <-sick)
		}
		if err := ask("second"); !errors.Is(err, errOverdue) {
			t.Errorf("a call on another domain: %v", err)
		}
		if err := ask("third"); !errors.Is(err, errOverdue) {
			t.Errorf("a call on a third domain: %v", err)
		}
		if len(sick) != 1 {
			t.Error("three stuck domains did not condemn the connection")
		}
		close(release)
		synctest.Wait()
		free := func() (int, error) { return 7, nil }
		if n, err := call(t.Context(), c, task{what: "ask", limit: time.Second, domain: "third", conn: cn}, free); n != 7 || err != nil {
			t.Errorf("after the domain came back: %d, %v", n, err)
		}
	})
}

func TestTooManyHungCallsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(3)
		release := make(chan struct{})
		for i := range 4 {
			select {
			case <-c.tooMany:
				if i < 3 {
					t.Fatalf("reported at %d hung calls", i)
				}
			default:
				if i >= 3 {
					t.Fatal("not reported")
				}
			}
			_, _ = call(t.Context(), c, task{what: "ask", limit: time.Second}, hang(release))
		}
		close(release)
		synctest.Wait()
	})
}

func TestPlacesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(maxCalls)
		release := make(chan struct{})
		for range maxCalls {
			go func() { _, _ = call(t.Context(), c, task{what: "ask", limit: time.Hour}, hang(release)) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		after := 0
		_, err := call(ctx, c, task{what: "ask", limit: time.Hour, after: func() { after++ }}, hang(release))
		if !errors.Is(err, context.DeadlineExceeded) || after != 1 {
			t.Errorf("a call too many: %v; after ran %d times", err, after)
		}
		close(release)
		synctest.Wait()
		if len(c.slots) != 0 {
			t.Errorf("%d places are still taken", len(c.slots))
		}
	})
}

func TestCallErrorKeepsTheCodeAndSpeaksPlainly(t *testing.T) {
	c := newCalls(1)
	_, err := call(t.Context(), c, task{what: "locate", limit: time.Minute}, func() (int, error) {
		return 0, lv.Error{Code: lv.ERR_NO_DOMAIN, Message: "Domain not found"}
	})
	if !noDomain(err) || err.Error() != "locate: Domain not found" {
		t.Errorf("%v", err)
	}
}

func TestConnIsClosedByTheLastToLeave(t *testing.T) {
	c := &conn{sick: make(chan string, 1)}
	if !c.enter() || !c.enter() {
		t.Fatal("an open connection refuses a call")
	}
	c.drop()
	if c.enter() {
		t.Error("a dropped connection accepts a call")
	}
	c.leave()
	if c.active != 1 || !c.closing {
		t.Errorf("one call left: %d active", c.active)
	}
	c.leave()
	if c.active != 0 {
		t.Errorf("no call left: %d active", c.active)
	}
}

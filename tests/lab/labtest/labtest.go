// Package labtest makes labs for Go tests.
package labtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
)

// Up builds a lab that lives as long as the test. Unless the options name it,
// it has a name made from the test's name and the working directory, so that
// different tests can run at the same time, as can the same one in another
// checkout, and that whatever a killed run of this test left behind is cleared
// away first.
//
// On a machine where no lab can be built the test fails: who runs tests that
// need a lab wants to know. When a test fails, what libvirtd, the programs
// started by Node.Start, and the boot of each host have to say is logged.
func Up(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	if o.Name == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		o.Name = lab.NameFor(t.Name(), dir+" "+t.Name())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := lab.Down(ctx, o); err != nil {
		t.Fatalf("clear away an earlier lab: %v", err)
	}
	l, err := lab.Up(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			logFiles(t, l)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Down(ctx); err != nil {
			t.Errorf("take the lab down: %v", err)
		}
	})
	return l
}

// logFiles logs the ends of the lab's logs.
func logFiles(t testing.TB, l *lab.Lab) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"hosts/*/boot.log", "hosts/*/output/*", "hosts/*/root/var/log/libvirt/libvirtd.log"} {
		found, err := filepath.Glob(filepath.Join(l.Dir(), pattern))
		if err != nil {
			t.Error(err)
		}
		files = append(files, found...)
	}
	const most = 1500
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || len(b) == 0 {
			continue
		}
		t.Logf("---- %s\n%s", f, b[max(0, len(b)-most):])
	}
}

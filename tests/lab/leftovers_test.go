//go:build lab

package lab_test

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// leftovers lists what there is of a lab on this machine, and every network
// device outside of labs.
func leftovers(t *testing.T, name string) []string {
	t.Helper()
	tag := "vblab-" + name
	var found []string
	note := func(kind, what string) { found = append(found, kind+" "+what) }

	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, tag) {
			note("mount", line)
		}
	}
	devices, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		note("network device", d.Name)
	}
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == tag {
			note("control group", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if p == "/proc/self" || filepath.Base(p) == "self" {
			continue
		}
		group, _ := os.ReadFile(p + "/cgroup")
		args, _ := os.ReadFile(p + "/cmdline")
		stat, _ := os.ReadFile(p + "/stat")
		// the dead wait for this machine's first process, which is not ours
		dead := bytes.Contains(stat, []byte(") Z ")) || len(stat) == 0
		if !dead && (bytes.Contains(group, []byte(tag+"\n")) || bytes.Contains(group, []byte(tag+"/")) || bytes.Contains(args, []byte(tag))) {
			note("process", filepath.Base(p)+" "+string(args))
		}
	}
	files, err := filepath.Glob(filepath.Join(os.TempDir(), tag+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		note("file", f)
	}
	slices.Sort(found)
	return found
}

func wantNothingLeft(t *testing.T, before []string, name string) {
	t.Helper()
	after := leftovers(t, name)
	for _, what := range after {
		if !slices.Contains(before, what) {
			t.Errorf("left behind: %s", what)
		}
	}
}

func buildCommand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return path
}

// "lab up" is killed at ever later moments; whatever it was doing, "lab down"
// cleans up, and so does a second "lab up" go on from there.
func TestKilledHalfWay(t *testing.T) {
	command := buildCommand(t)
	name := lab.NameFor("killed", t.TempDir())
	before := leftovers(t, name)
	ctx := within(t, 2*time.Minute)
	o := lab.Options{Name: name, Hosts: 2}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := lab.Down(ctx, o); err != nil {
			t.Error(err)
		}
	})
	finished := false
	for round, after := 0, time.Duration(0); !finished; round++ {
		up := exec.CommandContext(ctx, command, "--name", name, "up", "--hosts", "2")
		if err := up.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = up.Process.Kill() })
		finished = up.Wait() == nil
		timer.Stop()
		if round%3 == 2 { // this time go on from the ruins
			l, err := lab.Up(ctx, o)
			if err != nil {
				t.Fatalf("up after a kill at %s: %v", after, err)
			}
			for _, s := range l.Status(ctx) {
				if !s.Running || s.Err != nil || s.CapacityPercent != 60 {
					t.Errorf("up after a kill at %s: %+v", after, s)
				}
			}
		}
		if err := lab.Down(ctx, o); err != nil {
			t.Fatalf("down after a kill at %s: %v", after, err)
		}
		wantNothingLeft(t, before, name)
		if t.Failed() {
			t.Fatalf("killed after %s", after)
		}
		after += max(30*time.Millisecond, after/6) // some twenty rounds, however slow the machine
	}
}

func TestDownWithoutTheDirectory(t *testing.T) {
	name := lab.NameFor("lost", t.TempDir())
	before := leftovers(t, name)
	ctx := within(t, time.Minute)
	o := lab.Options{Name: name, Hosts: 2}
	l, err := lab.Up(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Host("h1").StartGuest(ctx, lab.GuestSpec{Name: "vm1"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Host("h1").Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := l.Host("h2").PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(l.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Up(ctx, o); err == nil {
		t.Error("up went on with a lab that has lost its directory")
	}
	for range 2 {
		if err := lab.Down(ctx, o); err != nil {
			t.Fatal(err)
		}
		wantNothingLeft(t, before, name)
	}
	if _, err := lab.Open(o); err == nil {
		t.Error("a lab that is down can be opened")
	}
}

func TestSideBySide(t *testing.T) {
	base := t.TempDir()
	a := labtest.Up(t, lab.Options{Hosts: 1, Name: lab.NameFor("a", base)})
	b := labtest.Up(t, lab.Options{Hosts: 1, Name: lab.NameFor("b", base)})
	ctx := within(t, time.Minute)
	if a.Host("h1").UUID == b.Host("h1").UUID {
		t.Error("hosts of two labs have the same UUID")
	}
	for _, l := range []*lab.Lab{a, b} {
		if _, err := l.Host("h1").StartGuest(ctx, lab.GuestSpec{Name: "vm" + l.Name()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Down(ctx); err != nil {
		t.Fatal(err)
	}
	if on, err := b.RunningOn(ctx, "vm"+b.Name()); err != nil || on != b.Host("h1") {
		t.Errorf("after the other lab went down: guest on %v, %v", on, err)
	}
	if len(b.Where(ctx, "vm"+a.Name())) != 0 {
		t.Error("a lab knows a guest of the other one")
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := lab.Options{Name: lab.NameFor("foreign", dir), Dir: dir, Hosts: 1}
	if _, err := lab.Up(within(t, time.Minute), o); err == nil {
		t.Error("a lab was built in a directory that is not a lab's")
	}
	if err := lab.Down(within(t, time.Minute), o); err == nil {
		t.Error("down accepted a directory that is not a lab's")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

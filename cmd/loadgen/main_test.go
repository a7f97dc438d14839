package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program, so that signals and exit codes
// are tested as users meet them.
func TestMain(m *testing.M) {
	if os.Getenv("LOADGEN_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "LOADGEN_TEST_MAIN=1")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

func TestExitCodes(t *testing.T) {
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "stat"), []byte("garbage\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"--help", 0, "Usage:", ""},
		{"--version", 0, "loadgen ", ""},
		{"--min 70 --max 40", 2, "", "loadgen: --min 70 must be below --max 40\n"},
		{"--min 40 --max 70 --proc " + garbage, 2, "", "loadgen: " + garbage + `/stat:1: starts with "garbage", not with "cpu"` + "\n"},
		{"--min 40 --max 70 --metrics-listen nowhere", 2, "", "loadgen: --metrics-listen nowhere: listen tcp: address nowhere: missing port in address\n"},
		{"--min 0 --max 1 --duration 300ms --report 100ms", 0, "CPU Usage: ", ""},
	}
	for _, tt := range tests {
		cmd, stdout, stderr := program(t, strings.Fields(tt.args)...)
		if code := exitCode(cmd.Run()); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", tt.args, code, tt.code)
		}
		if !strings.Contains(stdout.String(), tt.stdout) || tt.stdout == "" && stdout.Len() > 0 {
			t.Errorf("%s: stdout %q, want %q", tt.args, stdout, tt.stdout)
		}
		if tt.stderr != "" && stderr.String() != tt.stderr {
			t.Errorf("%s: stderr %q, want %q", tt.args, stderr, tt.stderr)
		}
	}
}

func TestSignalsEndItWithASummary(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd, _, stderr := program(t, "--min", "10", "--max", "20", "--report", "100ms")
		cmd.Stdout = nil
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out := bufio.NewReader(pipe)
		first, err := out.ReadString('\n')
		if err != nil || !strings.HasPrefix(first, "CPU Usage: ") {
			t.Errorf("first line %q, %v", first, err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err != nil {
			t.Fatal(err)
		}
		if code := exitCode(cmd.Wait()); code != 0 || !strings.Contains(string(rest), "in band") {
			t.Errorf("%v: exit code %d, last lines %q, stderr %q", sig, code, rest, stderr)
		}
	}
}

func TestStrictSaysThatABandIsOutOfReach(t *testing.T) {
	// This machine has fewer CPUs than 40 % of such a host.
	cmd, stdout, stderr := program(t, "--min", "40", "--max", "70", "--strict", "--proc", idleHost(t, 4096))
	if code := exitCode(cmd.Run()); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, text := range []string{stdout.String(), stderr.String()} {
		if !strings.Contains(text, "out of reach: the affinity to ") || !strings.Contains(text, "less than min 40.0") {
			t.Errorf("said %q", text)
		}
	}
}

// idleHost keeps a stat file of an idle host of many CPUs up to date.
func idleHost(t *testing.T, cpus int) (root string) {
	t.Helper()
	root = t.TempDir()
	start := time.Now()
	write := func() {
		idle := 1000000 + int(time.Since(start).Seconds()*100)*cpus
		text := fmt.Sprintf("cpu 1000 0 0 %d\n%s", idle, strings.Repeat("cpu0 0 0 0 0\n", cpus))
		tmp := filepath.Join(root, "stat")
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return
		}
		_, _ = f.WriteAt([]byte(text), 0)
		_ = f.Close()
	}
	write()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				write()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return root
}

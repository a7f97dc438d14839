package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Node is a place in the lab where commands run: a host, or the machine that
// the hosts are plugged into, which stands for an administrator's computer in
// the same network.
type Node struct {
	// Name is h1, h2 ... or "machine". It is also the node's host name.
	Name string
	// Address is its IPv4 address in the lab's network.
	Address string

	lab *Lab
}

// machineName is the node that every lab has besides its hosts.
const machineName = "machine"

// dir is where the node keeps its files.
func (n *Node) dir(elem ...string) string {
	return filepath.Join(append([]string{n.lab.opts.Dir, "hosts", n.Name}, elem...)...)
}

// first finds the node's first process. There is no record of it to go stale: it
// is the one in the node's control group that has PID 1 in its innermost
// namespace.
func (n *Node) first() (p procID, ok bool) {
	pids, err := n.lab.groups.processes(n.Name)
	if err != nil {
		return procID{}, false
	}
	depth := 2 // the machine's PID namespace lies in ours,
	if n.Name != machineName {
		depth = 3 // and the hosts' in the machine's
	}
	for _, pid := range pids {
		inner, err := namespacePIDs(pid)
		if err != nil || len(inner) != depth || inner[depth-1] != 1 {
			continue
		}
		if p, err := identify(pid); err == nil && p.alive() {
			return p, true
		}
	}
	return procID{}, false
}

// init is the first process of a node that has started up; ok is false when it
// is off. A node that is starting, or whose start was cut short, is off: its
// first process still runs the script, and not what the script ends with.
func (n *Node) init() (p procID, ok bool) {
	p, ok = n.first()
	if !ok {
		return p, false
	}
	args := commandLine(p.PID)
	return p, len(args) > 0 && args[0] == "sleep"
}

// Running reports whether the node has power.
func (n *Node) Running() bool {
	_, ok := n.init()
	return ok
}

// launch is a command to start on a node.
type launch struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	session        bool // a session of its own: no terminal, no signals from one
}

// start starts a command on the node. The process is a child of this one.
func (n *Node) start(l launch) (*exec.Cmd, error) {
	if len(l.args) == 0 {
		return nil, errors.New("no command")
	}
	init, ok := n.init()
	if !ok {
		return nil, fmt.Errorf("%s is off", n.Name)
	}
	if frozen, err := n.lab.groups.frozen(n.Name); err == nil && frozen {
		return nil, fmt.Errorf("%s is frozen", n.Name)
	}
	cmd := exec.Command(program(l.args[0]), l.args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = l.stdin, l.stdout, l.stderr
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: l.session}
	started, err := n.lab.groups.enter(n.Name, n.Name != machineName, cmd)
	if err == nil {
		defer started()
		err = inNamespaces(init, namespacesAll, cmd.Start)
	}
	if err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", l.args[0], n.Name, err)
	}
	return cmd, nil
}

// ExecError says how a command on a node went wrong.
type ExecError struct {
	Node   string
	Args   []string
	Stderr string
	Err    error // an *exec.ExitError if the command ran
}

func (e *ExecError) Error() string {
	s := fmt.Sprintf("%s: %s: %v", e.Node, strings.Join(e.Args, " "), e.Err)
	if text := strings.TrimSpace(e.Stderr); text != "" {
		s += ": " + text
	}
	return s
}

func (e *ExecError) Unwrap() error { return e.Err }

// errStuck says that a killed command has not ended.
var errStuck = errors.New("it was killed, but does not end; is the host frozen?")

// Exec runs a command on the node, as root, and returns its standard output.
// The error is an *ExecError. When ctx ends the command is killed.
func (n *Node) Exec(ctx context.Context, args ...string) (string, error) {
	var out, errOut bytes.Buffer
	err := n.Run(ctx, nil, &out, &errOut, args...)
	switch {
	case errors.Is(err, errStuck): // and may still write
		return "", &ExecError{n.Name, args, "", err}
	case err != nil:
		return out.String(), &ExecError{n.Name, args, errOut.String(), err}
	}
	return out.String(), nil
}

// Run runs a command on the node with the given standard streams, each of which
// may be nil. When ctx ends the command is killed.
func (n *Node) Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args ...string) error {
	cmd, err := n.start(launch{args: args, stdin: stdin, stdout: stdout, stderr: stderr})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		select {
		case <-done: //nolint:errcheck // the end of ctx is why it ended
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
			return fmt.Errorf("%w; %w", context.Cause(ctx), errStuck)
		}
	}
}

// Process is a command that runs on a node in the background.
type Process struct {
	// Name is what Start was given.
	Name string
	// PID is the process as this machine counts, HostPID as the host does.
	PID, HostPID int
	// Output is the file that has its standard output and standard error.
	Output string

	id   procID
	done chan struct{}
	err  error
}

// Start starts a command on the node in the background, as root. What it prints
// goes to the file Process.Output, which is new with each call. The process
// ends with the node's power, or with the lab; a test need not end it.
func (n *Node) Start(name string, args ...string) (*Process, error) {
	output := n.dir("output", name)
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(output)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd, err := n.start(launch{args: args, stdout: f, stderr: f, session: true})
	if err != nil {
		return nil, err
	}
	p := &Process{Name: name, PID: cmd.Process.Pid, Output: output, done: make(chan struct{})}
	// A child of ours keeps its PID until it is waited for, so this is it.
	p.id, err = identify(p.PID)
	if err == nil {
		var inner []int
		if inner, err = namespacePIDs(p.PID); err == nil {
			p.HostPID = inner[len(inner)-1]
		}
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", name, n.Name, err)
	}
	return p, nil
}

// Signal sends the process a signal; to one that has ended it does nothing.
func (p *Process) Signal(sig syscall.Signal) error { return p.id.signal(sig) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits until the process has ended and returns how: nil for exit code 0,
// or an *exec.ExitError. It returns ctx's error if that ends first.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Kill ends the process by SIGKILL and waits until it has ended.
func (p *Process) Kill(ctx context.Context) error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// Text returns what the process has printed so far.
func (p *Process) Text() string {
	b, err := os.ReadFile(p.Output)
	if err != nil {
		return ""
	}
	return string(b)
}

// programs returns the node's processes that run the named program.
func (n *Node) programs(name string) []procID {
	return n.find(func(args []string) bool { return filepath.Base(args[0]) == name })
}

// find returns the node's processes with a matching command line.
func (n *Node) find(match func(args []string) bool) []procID {
	pids, err := n.lab.groups.processes(n.Name)
	if err != nil {
		return nil
	}
	var found []procID
	for _, pid := range pids {
		p, err := identify(pid)
		if args := commandLine(pid); err == nil && len(args) > 0 && match(args) {
			found = append(found, p)
		}
	}
	return found
}

// SignalProgram sends a signal to every process of the node that runs the named
// program, such as SIGSTOP to "libvirtd" on a host, or SIGKILL to "hostproc" on the
// machine, which takes /proc/stat away from all hosts. It returns how many there
// were.
func (n *Node) SignalProgram(name string, sig syscall.Signal) (int, error) {
	found := n.programs(name)
	for _, p := range found {
		if err := p.signal(sig); err != nil {
			return 0, fmt.Errorf("signal %s on %s: %w", name, n.Name, err)
		}
	}
	return len(found), nil
}

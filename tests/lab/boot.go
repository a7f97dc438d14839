package lab

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

//go:embed boot
var bootScripts embed.FS

// boot makes a node's namespaces and starts its first process, which runs the
// script of that name there, reports when all is mounted, waits for plug to have plugged in
// its network, and then only holds the namespaces and reaps orphans.
//
// If this program is killed on the way, the script reads end of file instead of
// the word to go on, and ends, and with it the half-made node. So a node that
// runs has been plugged in.
func (n *Node) boot(ctx context.Context, script string, env []string, plug func(init procID) error) error {
	text, err := bootScripts.ReadFile("boot/" + script)
	if err != nil {
		return err
	}
	scriptPath := n.dir(script)
	if err := os.WriteFile(scriptPath, text, 0o644); err != nil {
		return err
	}
	logPath := n.dir("boot.log")
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	goIn, goOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer goIn.Close()
	defer goOut.Close()
	readyIn, readyOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyIn.Close()
	defer readyOut.Close()

	attributes := &syscall.SysProcAttr{Setsid: true}
	var cmd *exec.Cmd
	if n.Name == machineName {
		// No IPC and cgroup namespaces: hostproc runs here, and reads the hosts'
		// control groups under their names on this machine.
		cmd = exec.Command("sh", "-eu", scriptPath, n.Name)
		attributes.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS
	} else {
		// Not by clone flags, for two reasons: a PID namespace within the
		// machine's can only be made by a process that is in there itself; and
		// the root of a cgroup namespace is the group that its maker is in at
		// that moment, so the host's group has to be entered before.
		cmd = exec.Command("unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--uts", "--ipc", "--cgroup",
			"sh", "-eu", scriptPath, n.Name)
	}
	cmd.Env = environment(env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = goIn, log, log
	cmd.ExtraFiles = []*os.File{readyOut}
	cmd.Dir = "/"
	cmd.SysProcAttr = attributes
	started, err := n.lab.groups.enter(n.Name, false, cmd)
	if err != nil {
		return err
	}
	defer started()
	if n.Name == machineName {
		err = cmd.Start()
	} else {
		// A host's namespaces grow out of the machine's: its mounts are a copy,
		// with hostproc's in it, and its PID namespace lies within, so that the end
		// of the machine's first process is the end of everything.
		machine, ok := n.lab.machine.init()
		if !ok {
			return errors.New("the machine is off")
		}
		err = inNamespaces(machine, syscall.CLONE_NEWPID|syscall.CLONE_NEWNS, cmd.Start)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	go func() { _ = cmd.Wait() }() // reap it, whenever it ends

	fail := func(err error) error {
		_ = cmd.Process.Kill()
		text, _ := os.ReadFile(logPath)
		return fmt.Errorf("start %s: %w: %s", n.Name, err, strings.TrimSpace(string(text)))
	}
	readyOut.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if line, err := bufio.NewReader(readyIn).ReadString('\n'); err != nil || line != "ready\n" {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("its first process ended")
		}
		return fail(errors.Join(ctx.Err(), err))
	}
	if err := n.lab.groups.settle(n.Name); err != nil {
		return fail(err)
	}
	init, ok := n.first()
	if !ok {
		return fail(errors.New("its first process is not to be found"))
	}
	if err := plug(init); err != nil {
		return fail(err)
	}
	if _, err := io.WriteString(goOut, "go\n"); err != nil {
		return fail(err)
	}
	err = poll(ctx, time.Millisecond, func() (bool, error) {
		if _, ok := n.init(); ok {
			return true, nil
		}
		if !init.alive() {
			return false, errors.New("its first process ended")
		}
		return false, nil
	})
	if err != nil {
		return fail(err)
	}
	return nil
}

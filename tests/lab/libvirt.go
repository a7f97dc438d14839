package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// writeLibvirtConfig configures libvirtd and its QEMU driver for a host that has
// no systemd, D-Bus, udev, dnsmasq or virtlogd.
func (h *Host) writeLibvirtConfig() error {
	o := h.lab.opts
	keepalive := fmt.Sprintf("keepalive_interval = %d\nkeepalive_count = %d\n",
		int(o.KeepaliveInterval/time.Second), o.KeepaliveCount)
	libvirtd := fmt.Sprintf(`host_uuid = %q
listen_tcp = 1
listen_tls = 1
listen_addr = %q
auth_tcp = "none"
auth_tls = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
ca_file = "%[3]s/cacert.pem"
cert_file = "%[3]s/servercert.pem"
key_file = "%[3]s/serverkey.pem"
log_filters = "1:qemu_migration 3:*"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
`, h.UUID, h.Address, h.PKI())
	qemu := fmt.Sprintf(`user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
stdio_handler = "file"
max_core = 0
migration_address = %[1]q
migration_host = %[1]q
default_tls_x509_cert_dir = %[2]q
`, h.Address, h.PKI())
	for name, text := range map[string]string{"libvirtd.conf": libvirtd, "qemu.conf": qemu} {
		if err := os.WriteFile(h.root("etc/libvirt/"+name), []byte(text+keepalive), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// URI leads to the host's libvirtd from outside the lab, past its network.
// Within the lab's network it is qemu+tcp://h1/system, or
// qemu+tls://h1/system?pkipath=/etc/libvirt/pki.
func (h *Host) URI() string {
	return "qemu+unix:///system?socket=" + h.Path("/run/libvirt/libvirt-sock")
}

// MigrationURI is what a peer-to-peer migration to this host names as its
// destination.
func (h *Host) MigrationURI() string { return "qemu+tcp://" + h.Name + "/system" }

// Virsh runs virsh on the host's libvirtd and returns its standard output. It
// runs outside the host: it costs none of its CPU time, and works with its cable
// pulled. (For what the client's place matters, use Exec(ctx, "virsh", ...).)
func (h *Host) Virsh(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"-q", "-c", h.URI()}, args...)
	cmd := exec.CommandContext(ctx, program("virsh"), args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return out.String(), &ExecError{h.Name, append([]string{"virsh"}, args[3:]...), errOut.String(), err}
	}
	return out.String(), nil
}

func (h *Host) libvirtd() []procID { return h.programs("libvirtd") }

// StartLibvirtd starts the host's libvirtd and waits until it answers.
func (h *Host) StartLibvirtd(ctx context.Context) error {
	_, err := h.Exec(ctx, "libvirtd", "--daemon", "--listen")
	if err != nil && len(h.libvirtd()) == 0 {
		return err
	} // else there was one already, perhaps just being started by an "up" that was killed
	return h.waitLibvirtd(ctx)
}

func (h *Host) waitLibvirtd(ctx context.Context) error {
	var last error
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if _, err := os.Stat(h.Path("/run/libvirt/libvirt-sock")); err != nil {
			last = err
			return false, nil
		}
		_, last = h.Virsh(ctx, "version")
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("libvirtd on %s: %w", h.Name, errors.Join(err, last))
	}
	return nil
}

// KillLibvirtd kills the host's libvirtd, and only it: its guests run on.
func (h *Host) KillLibvirtd(ctx context.Context) error {
	if _, err := h.SignalProgram("libvirtd", syscall.SIGKILL); err != nil {
		return err
	}
	return poll(ctx, 10*time.Millisecond, func() (bool, error) { return len(h.libvirtd()) == 0, nil })
}

// RestartLibvirtd kills the host's libvirtd if it runs, and starts it.
func (h *Host) RestartLibvirtd(ctx context.Context) error {
	if err := h.KillLibvirtd(ctx); err != nil {
		return err
	}
	return h.StartLibvirtd(ctx)
}

// qemuOf returns the host's QEMU processes that hold the guest, running or
// waiting for it to come in.
func (h *Host) qemuOf(guest string) []procID {
	return h.find(func(args []string) bool {
		if !strings.HasPrefix(filepath.Base(args[0]), "qemu-system-") {
			return false
		}
		for i, a := range args[:len(args)-1] {
			if a == "-name" {
				name, _, _ := strings.Cut(strings.TrimPrefix(args[i+1], "guest="), ",")
				return name == guest
			}
		}
		return false
	})
}

// SignalQEMU sends a signal to the guest's QEMU on this host: SIGKILL is what a
// crash of QEMU is like.
func (h *Host) SignalQEMU(guest string, sig syscall.Signal) error {
	found := h.qemuOf(guest)
	if len(found) == 0 {
		return fmt.Errorf("%s: no QEMU of guest %s", h.Name, guest)
	}
	for _, p := range found {
		if err := p.signal(sig); err != nil {
			return err
		}
	}
	return nil
}

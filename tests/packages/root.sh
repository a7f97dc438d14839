# Makes the throw-away root $root: an overlay over this machine's, with its own
# /run and network. To be sourced below "unshare --mount --net".
set -euo pipefail
scratch=$1
mount -t tmpfs -o size=1g tmpfs "$scratch"
root=$scratch/root
mkdir "$scratch"/{root,upper,work}
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
ip link set lo up
ip link add hv0 type veth peer name hv1
ip addr add 10.17.45.1/24 dev hv0
ip link set hv0 up
ip link set hv1 up
ip route add default dev hv0

# systemd seems to run, and what it is asked is written down.
mkdir -p "$root/run/systemd/system"
for program in systemctl virsh; do
	rm -f "$root/usr/bin/$program"
	printf '#!/bin/sh\necho "%s $*" >>/run/asked\n' $program >"$root/usr/bin/$program"
	chmod 755 "$root/usr/bin/$program"
done
rm -f "$root/usr/sbin/policy-rc.d" # containers have one that forbids starting anything
: >"$root/run/asked"

in_root() { chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }
say() { echo "== $*"; }
fail() { echo "FAIL: $*"; cat "$root/run/asked"; exit 1; }
has() { for f; do [ -e "$root/$f" ] || fail "$f is missing"; done; }
hasnot() { for f; do [ ! -e "$root/$f" ] || fail "$f is there"; done; }
asked() { grep -q -- "$1" "$root/run/asked" || fail "nobody asked: $1"; }
notasked() { ! grep -q -- "$1" "$root/run/asked" || fail "somebody asked: $1"; }
forget() { : >"$root/run/asked"; }

files=(usr/bin/virtbalanced usr/bin/virtbalance usr/bin/loadgen usr/lib/systemd/system/virtbalanced.service
	usr/lib/sysusers.d/virtbalanced.conf usr/lib/tmpfiles.d/virtbalanced.conf usr/share/polkit-1/rules.d/60-virtbalanced.rules
	etc/virtbalanced/config.toml usr/share/virtbalance/grafana/virtbalance.json
	usr/share/virtbalance/prometheus/virtbalance.rules.yml usr/share/doc/virtbalance/examples/config.example.toml)

# What is installed works: programs, pages, completions, and a daemon.
works() {
	in_root virtbalance --version
	in_root virtbalanced --version
	in_root loadgen --version
	in_root man -w virtbalance virtbalance-plan loadgen virtbalanced >/dev/null || fail "a man page is missing"
	in_root bash -c '. /usr/share/bash-completion/completions/virtbalance' || fail "the completion of bash"
	in_root getent passwd virtbalanced >/dev/null || fail "there is no user virtbalanced"
	in_root id -nG virtbalanced | grep -qw libvirt || fail "virtbalanced is not in the group libvirt"
	local code=0
	in_root virtbalanced --check-config 2>"$scratch/said" || code=$?
	[ $code = 78 ] || fail "without a key --check-config exits with $code"
	grep -q "virtbalance keygen" "$scratch/said" || fail "nobody says how to make a key: $(cat "$scratch/said")"

	in_root sh -c 'umask 077; virtbalance keygen >/etc/virtbalanced/gossip.key'
	printf '\n[peer]\ninsecure = true # a change of the administrator\n' >>"$root/etc/virtbalanced/config.toml"
	in_root virtbalanced --check-config || fail "the configuration with a key"
	# exec, so that what is killed is the daemon.
	(exec chroot "$root" virtbalanced --hypervisor sim: >"$scratch/log" 2>&1) &
	local daemon=$!
	for _ in {1..100}; do
		in_root virtbalance status >"$scratch/said" 2>&1 && break
		sleep 0.1
	done
	kill $daemon && wait $daemon || fail "the daemon: $(cat "$scratch/log")"
	cat "$scratch/said"
	grep -qi "dry-run" "$scratch/said" || fail "the daemon is not in dry-run mode: $(cat "$scratch/said" "$scratch/log")"
	has var/lib/virtbalanced
}

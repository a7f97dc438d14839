# First process of a host, in its new namespaces. Expects its
# name as the argument, and ROOT (the host's own
# files), HOSTS_FILE, PROC (hostproc's files for it), CGROUPS (version 1 hierarchies, or
# nothing for version 2).
mount -t proc proc /proc
hostname "$1"

# The old mounts below /sys have to go, not only to be covered: libvirt believes
# whatever /proc/mounts lists ("Failed to create v1 controller devices for
# group").
umount -l -R /sys
mount -t sysfs sysfs /sys

# Mounted from within the host's cgroup namespace, its own groups are the roots.
if [ -n "$CGROUPS" ]; then
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	for c in $CGROUPS; do
		mkdir "/sys/fs/cgroup/$c"
		mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c"
	done
else
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi

for path in etc/libvirt var/lib/libvirt var/cache/libvirt var/log etc/machine-id; do
	if [ -e "/$path" ]; then mount --bind "$ROOT/$path" "/$path"; fi
done
mount --bind "$HOSTS_FILE" /etc/hosts

# /sys/devices/system/cpu stays the machine's: if that, too, showed CPU 0 alone
# for a capacity up to 100 %, libvirt would bind every guest of every host to it.
for name in stat cpuinfo meminfo uptime; do
	mount --bind "$PROC/$name" "/proc/$name"
done

echo 0 >/proc/sys/net/ipv4/ip_forward           # may be inherited from the machine
if [ -e /proc/sys/net/ipv6 ]; then
	echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
fi
mount --bind "$ROOT/run" /run
echo ready >&3
exec 3>&-
read -r word
test "$word" = go
exec env --ignore-signal=CHLD sleep infinity </dev/null

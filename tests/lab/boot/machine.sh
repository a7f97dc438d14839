# First process of the lab's machine, in namespaces of its own. Expects its
# name as the argument, and HOSTS_FILE.
# Nothing that is mounted here is to be seen outside, nor the other way round.
mount --make-rprivate /
mount -t proc proc /proc
hostname "$1"
mount --bind "$HOSTS_FILE" /etc/hosts
mount -t tmpfs -o mode=755 tmpfs /run
echo ready >&3
exec 3>&-
read -r word
test "$word" = go
# Orphans come to this process, and the kernel reaps them because their end is
# ignored.
exec env --ignore-signal=CHLD sleep infinity </dev/null

# rpm.sh SCRATCH OLD.rpm NEW.rpm
. "$(dirname "$0")/root.sh"
cp "$2" "$root/tmp/old.rpm"
cp "$3" "$root/tmp/new.rpm"
in_root rpm --initdb
# The dependencies are this machine's, which rpm knows nothing of.
rpm() { in_root rpm "$@"; }

say install
rpm -i --nodeps /tmp/old.rpm
has "${files[@]}"
rpm -V --nodeps virtbalance
rpm -qc virtbalance | grep -qx /etc/virtbalanced/config.toml || fail "the configuration is not marked as such"
asked "daemon-reload"
notasked "start"
works

say upgrade
forget
rpm -U --nodeps /tmp/new.rpm
has "${files[@]}"
grep -q "a change of the administrator" "$root/etc/virtbalanced/config.toml" || fail "the configuration was overwritten"
asked "try-restart virtbalanced.service"
notasked "disable"
notasked "virsh"

say erase
forget
rpm -e virtbalance
asked "disable --now virtbalanced.service"
notasked "virsh"
hasnot usr/bin/virtbalanced usr/bin/virtbalance usr/lib/systemd/system/virtbalanced.service usr/share/virtbalance
has var/lib/virtbalanced etc/virtbalanced/gossip.key etc/virtbalanced/config.toml.rpmsave
say done

# deb.sh SCRATCH OLD.deb NEW.deb
. "$(dirname "$0")/root.sh"
cp "$2" "$root/tmp/old.deb"
cp "$3" "$root/tmp/new.deb"

say install
in_root dpkg -i /tmp/old.deb
has "${files[@]}"
in_root dpkg --verify virtbalance
in_root dpkg-query -W -f '${Conffiles}' virtbalance | grep -q ' /etc/virtbalanced/config.toml ' || fail "the configuration is no conffile"
asked "daemon-reload"
notasked "start"
works

say upgrade
forget
in_root dpkg -i /tmp/new.deb </dev/null
grep -q "a change of the administrator" "$root/etc/virtbalanced/config.toml" || fail "the configuration was overwritten"
asked "try-restart virtbalanced.service"
notasked " stop "
notasked "virsh"
has var/lib/virtbalanced etc/virtbalanced/gossip.key

say remove
forget
in_root dpkg -r virtbalance
asked "stop virtbalanced.service"
notasked "virsh"
hasnot usr/bin/virtbalanced usr/bin/virtbalance usr/lib/systemd/system/virtbalanced.service
has var/lib/virtbalanced etc/virtbalanced/gossip.key etc/virtbalanced/config.toml

say install again
in_root dpkg -i /tmp/new.deb </dev/null
has "${files[@]}"
hasnot etc/systemd/system/virtbalanced.service # masked
grep -q "a change of the administrator" "$root/etc/virtbalanced/config.toml" || fail "the configuration was lost"

say purge
: >"$root/etc/virtbalanced/config.toml.orig" # as bootstrap keeps it
in_root dpkg -P virtbalance
hasnot "${files[@]}" var/lib/virtbalanced etc/virtbalanced usr/share/virtbalance usr/share/doc/virtbalance
find "$root/etc/systemd" "$root/var/lib/systemd/deb-systemd-helper"* -name 'virtbalance*' 2>/dev/null | grep . && fail "left behind"
say done

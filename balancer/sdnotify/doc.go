// Package sdnotify tells systemd how the daemon is: ready, reloading, stopping,
// alive (sd_notify(3), Type=notify and WatchdogSec= of systemd.service(5)).
//
// Where systemd does not ask, everything here does nothing. It is not the place
// to judge whether the daemon is well: the watchdog is fed as long as its
// caller says so.
package sdnotify

// Package api is how the command line, and other programs on the same host, talk
// to the daemon: JSON over HTTP on a unix socket.
//
//	GET  /v1/status    the daemon, its host, its last decision, its operations
//	GET  /v1/hosts     every host as this daemon sees it
//	GET  /v1/domains   the domains of this host, each with why it stays
//	GET  /v1/fleet     every host with its domains and operations, and why they
//	                   stay; ?history=N adds the newest ended operations of each
//	GET  /v1/timeline  the load of every host over the last while; ?after=MS leaves
//	                   out what was before, in ms since 1970
//	GET  /v1/plan      what would move now, and why everything else would not
//	GET  /v1/explain/D why domain D of any host, by name or UUID, would or would not
//	                   move, host by host
//	GET  /v1/matrix    which hosts could run the domains of this host; ?domain=D
//	GET  /v1/snapshot  what the daemon knows of the fleet, see docs/policy.md
//	GET  /v1/reasons   what the labels of reasons mean
//	GET  /v1/history   ended operations, newest first; ?limit=N
//	POST /v1/pause     start no new move
//	POST /v1/resume    start moves again
//
// Who may ask for what is decided around it, see package access. An error is
// answered by a status code and {"error": "..."}.
package api

// Package access decides who may ask the daemon's API what, and how much of it:
// on the unix socket by the credentials of the process at the other end, on TCP
// by TLS and a password or a certificate.
//
//	listener          may read                     may change
//	unix socket       root, the daemon's user,     root, the daemon's user,
//	                  members of either group      members of the change group
//	TCP               whoever gets through         nobody
//	TCP, web          whoever the file lets in     the same, if the file demands
//	configuration                                  TLS and authentication
//
// Reading is GET and HEAD, anything else is a change. What is read and changed
// is not known here: see package api.
//
// # Invariants
//
//   - A process is judged by what the kernel says of it when it connects, never
//     by what it says of itself.
//   - A request without known rights is refused: there is no default that permits.
//   - Connections, requests at once and per second, headers and bodies are
//     bounded for each asker and in total.
//   - A browser cannot be made to change anything by another site's page.
package access

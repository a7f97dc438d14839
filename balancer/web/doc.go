// Package web is the page that every daemon serves: the fleet at a glance, who
// makes a host hot, what moves where, and why the rest stays.
//
// The page is plain HTML, CSS and ES modules, embedded in the program. It asks
// the API of the daemon that served it, by GET, and nobody else; what can be
// changed is changed by the command line. What the API permits to whom is not
// decided here: see package access.
//
// # Invariants
//
//   - Nothing is loaded from elsewhere, no script or style stands inline, and the
//     policy sent along makes the browser refuse both.
//   - A page of another site can neither frame this one nor read from it, also
//     when it makes its own name point at this host.
package web

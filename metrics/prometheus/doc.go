// Package prometheus holds the recording and alert rules, their unit tests for
// promtool, and an example of how the daemons are scraped. There is no code to
// import.
package prometheus

//go:build !failpoints

package balancer

// failpoint marks a place at which a build with the tag failpoints can crash.
// Here it does nothing: a release cannot be told to.
func failpoint(string) {}

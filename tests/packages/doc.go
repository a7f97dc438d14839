// Package packages tries the .deb and the .rpm with the real tools: each is
// installed, upgraded and removed in a throw-away copy of this machine's root,
// in which systemctl only writes down what it was asked. It needs root and the
// packages in dist/ (make packages), so it has the build tag packages.
package packages

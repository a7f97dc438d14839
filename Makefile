# What can be done here: make help
#
# Go is the one prerequisite; every target installs the rest (with apt, on
# Debian 12) and says so.

prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system
# polkit does not look below /usr/local.
polkitdir  ?= $(if $(filter /usr,$(prefix)),/usr/share,/etc)/polkit-1/rules.d

# A release tarball has no .git, but a file VERSION.
VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),$(shell cat VERSION 2>/dev/null),unknown)

GO_BUILD := go build -trimpath -ldflags '-X main.version=$(VERSION)'
PROGRAMS := $(notdir $(wildcard cmd/*))
# Only these packages have tests with the tag lab, which need root.
LAB_TESTS := $(sort $(dir $(shell grep -rl --include='*_test.go' --exclude-dir='.?*' '^//go:build lab' .)))

.DEFAULT_GOAL := build
.PHONY: build demo demo-up demo-down test test-unit test-packages test-lab packages lint install clean help check-go deps lab-programs

build: deps ## build the programs into bin/
	@mkdir -p bin
	@for p in $(PROGRAMS); do \
		cgo=0; [ $$p != virtbalanced ] || cgo=1; \
		CGO_ENABLED=$$cgo $(GO_BUILD) -o bin/$$p ./cmd/$$p || exit 1; \
	done
	@echo "built in bin/: $(PROGRAMS) $(VERSION)"

# Not as root, or without apt, the demo says what is missing and is simulated.
demo: build lab-programs ## show an overloaded host being relieved, on real hosts where they can run
	go run ./tests/demo

demo-up: build lab-programs ## bring the demo's hosts, daemons and guests up, to play with
	go run ./tests/demo up

demo-down: check-go ## take the demo down again
	go run ./tests/demo down

test: test-unit test-packages test-lab ## run all tests (the lab's and the packages' need root)

test-unit: deps ## run the tests that need no lab
	@.ci/deps test
	go test -timeout 20m ./...

test-lab: deps lab-programs ## run the tests on real libvirt hosts; needs root
	@[ "$$(id -u)" = 0 ] || { echo "make test-lab needs root: namespaces, control groups and libvirtd do; make test-unit does not"; exit 1; }
	@.ci/deps test
	go test -tags lab -count 1 -p 1 -timeout 40m $(LAB_TESTS)

packages: deps ## build the .deb, the .rpm and the tarball into dist/
	.ci/package

test-packages: packages ## install, upgrade, remove and purge the packages in throw-away roots; needs root
	@.ci/deps packages
	go test -tags packages -count 1 -timeout 10m ./tests/packages

lint: deps ## check the code with golangci-lint, which is built at the first time
	@linter=$$(.ci/tool golangci-lint) || exit; $$linter fmt --diff; $$linter run

install: bin/virtbalanced bin/virtbalance bin/loadgen ## install below $(DESTDIR)$(prefix), with the systemd unit
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(unitdir) $(DESTDIR)$(sysconfdir)/virtbalanced \
		$(DESTDIR)$(prefix)/lib/sysusers.d $(DESTDIR)$(prefix)/lib/tmpfiles.d $(DESTDIR)$(polkitdir)
	install -m 0755 $^ $(DESTDIR)$(bindir)
	sed 's|/usr/bin/|$(bindir)/|' systemd/virtbalanced.service >$(DESTDIR)$(unitdir)/virtbalanced.service
	chmod 0644 $(DESTDIR)$(unitdir)/virtbalanced.service
	install -m 0644 systemd/virtbalanced.sysusers $(DESTDIR)$(prefix)/lib/sysusers.d/virtbalanced.conf
	install -m 0644 systemd/virtbalanced.tmpfiles $(DESTDIR)$(prefix)/lib/tmpfiles.d/virtbalanced.conf
	install -m 0644 systemd/virtbalanced.rules $(DESTDIR)$(polkitdir)/60-virtbalanced.rules
	install -m 0644 config.example.toml $(DESTDIR)$(sysconfdir)/virtbalanced/config.example.toml
	[ -e $(DESTDIR)$(sysconfdir)/virtbalanced/config.toml ] || \
		install -m 0644 systemd/package/config.toml $(DESTDIR)$(sysconfdir)/virtbalanced/config.toml

# For install without a build before it. What is there is not built again: root
# need not have Go.
bin/%:
	$(MAKE) build

clean: ## remove what was built, the tools too
	rm -rf bin dist .cache

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | while IFS="	" read -r t text; do printf '  make %-14s %s\n' "$$t" "$$text"; done

lab-programs: check-go
	@[ "$$(id -u)" != 0 ] || go run ./tests/lab/cmd/lab install || echo "not everything that the lab needs could be installed"

check-go:
	@.ci/check-go

deps: check-go
	@.ci/deps

-include loadgen/bench/bench.mk policy/sim/bench.mk tests/disaster/soak.mk tests/e2e/soak.mk tests/fuzz.mk

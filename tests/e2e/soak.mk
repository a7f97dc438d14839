# make soak runs it, on real hosts.
.PHONY: soak-lab
soak: soak-lab

SOAK_FOR ?= 60m

soak-lab: deps lab-programs ## let guests on real hosts change their load at random for $(SOAK_FOR)
	go test -tags lab ./tests/e2e -run TestSoak -v -count 1 -timeout 0 -soak $(SOAK_FOR)

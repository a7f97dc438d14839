package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/virtbalance/virtbalance/"

// rule says what the packages at and below a directory may import besides the
// standard library.
type rule struct {
	// ours are directories of this module, each for itself alone. Directories
	// under the same rule may always import one another.
	ours []string
	// foreign are module paths, with everything below.
	foreign []string
}

// imports is the architecture: arrows point to policy and never back. The rule
// of the longest matching directory counts. The linter's depguard has the same
// table in .golangci.yml, to say it while one writes.
var imports = map[string]rule{
	"policy":            {},
	"policy/policytest": {ours: []string{"policy"}},
	"policy/sim":        {ours: []string{"policy", "policy/policytest"}},

	"hypervisor":         {ours: []string{"policy"}},
	"hypervisor/proc":    {ours: []string{"policy"}, foreign: []string{"github.com/prometheus/procfs", "golang.org/x/sys"}},
	"hypervisor/libvirt": {ours: []string{"policy", "hypervisor", "hypervisor/proc"}, foreign: []string{"libvirt.org/go"}},
	"hypervisor/fake":    {ours: []string{"policy", "hypervisor"}},

	"loadgen": {ours: []string{"hypervisor/proc"}, foreign: []string{"golang.org/x/sys"}},
	"metrics": {ours: []string{"policy"}, foreign: []string{"github.com/prometheus/client_golang"}},

	"balancer": {
		ours: []string{
			"policy", "metrics", "hypervisor",
			"balancer/api", "balancer/gossip", "balancer/operation", "balancer/peer",
		},
		foreign: []string{"golang.org/x/sync"},
	},
	"balancer/api":    {ours: []string{"policy"}},
	"balancer/web":    {},
	"balancer/config": {ours: []string{"policy"}, foreign: []string{"github.com/BurntSushi/toml"}},
	"balancer/gossip": {
		ours:    []string{"policy", "metrics", "balancer/gate"},
		foreign: []string{"github.com/hashicorp/memberlist", "github.com/hashicorp/go-msgpack"},
	},
	"balancer/nodeset":   {foreign: []string{"go.yaml.in/yaml"}},
	"balancer/operation": {ours: []string{"policy", "hypervisor", "balancer/peer"}},
	"balancer/gate":      {},
	"balancer/peer":      {ours: []string{"policy", "metrics", "hypervisor", "balancer/api", "balancer/gate"}},
	"balancer/access": {
		ours:    []string{"balancer/gate"},
		foreign: []string{"github.com/prometheus/exporter-toolkit", "go.yaml.in/yaml", "golang.org/x/sys"},
	},
	"balancer/sdnotify": {foreign: []string{"golang.org/x/sys"}},

	"cmd/virtbalance": {
		ours:    []string{"policy", "policy/sim", "balancer/api", "balancer/config", "balancer/nodeset"},
		foreign: []string{"github.com/spf13", "golang.org/x/term", "go.yaml.in/yaml"},
	},
	"cmd/loadgen": {
		ours:    []string{"loadgen", "hypervisor/proc"},
		foreign: []string{"github.com/spf13", "github.com/BurntSushi/toml", "github.com/prometheus/client_golang", "golang.org/x/term"},
	},
	"cmd/virtbalanced": {ours: []string{anything}, foreign: []string{anything}},

	// Tests and what they need look at everything from outside.
	"tests":   {ours: []string{anything}, foreign: []string{anything}},
	"systemd": {ours: []string{anything}},
}

const anything = "*"

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	CgoFiles   []string
	Deps       []string
	Incomplete bool
}

// packages lists those that match, and all that they are built from.
func packages(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-json=ImportPath,Standard,Imports,CgoFiles,Deps,Incomplete"}, args...)...)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// below reports whether path is dir or lies in it.
func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// ruleOf returns the rule of a directory and where it stands.
func ruleOf(dir string) (rule, string) {
	best := ""
	for at := range imports {
		if below(dir, at) && len(at) > len(best) {
			best = at
		}
	}
	return imports[best], best
}

// forbidden says why a package must not import another, or "".
func forbidden(dir, imported string, standard bool) string {
	r, at := ruleOf(dir)
	ours, isOurs := strings.CutPrefix(imported, module)
	_, oursAt := ruleOf(ours)
	switch {
	case standard:
		return ""
	case at == "":
		return "the package has no rule: add one to the table"
	case isOurs && below(ours, "cmd"):
		return "nothing imports a command"
	case isOurs && (oursAt == at || slices.Contains(r.ours, ours) || slices.Contains(r.ours, anything)):
		return ""
	case !isOurs && slices.ContainsFunc(r.foreign, func(m string) bool { return m == anything || below(imported, m) }):
		return ""
	}
	return "the rule of " + at + " does not allow it"
}

func TestImports(t *testing.T) {
	all := packages(t, "-tags", "lab", "./...")
	standard := make(map[string]bool)
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	seen := 0
	for _, p := range all {
		dir, isOurs := strings.CutPrefix(p.ImportPath, module)
		if !isOurs {
			continue
		}
		seen++
		for _, imported := range p.Imports {
			if why := forbidden(dir, imported, standard[imported] || imported == "C" || imported == "unsafe"); why != "" {
				t.Errorf("%s imports %s: %s", dir, strings.TrimPrefix(imported, module), why)
			}
			if strings.TrimPrefix(imported, module) == "hypervisor/libvirt" && !below(dir, "cmd/virtbalanced") && !below(dir, "tests") {
				t.Errorf("%s imports hypervisor/libvirt, which only cmd/virtbalanced may", dir)
			}
		}
		if len(p.CgoFiles) > 0 && dir != "hypervisor/libvirt" {
			t.Errorf("%s uses cgo, which only hypervisor/libvirt may", dir)
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// The rules hold for what is built in, through however many imports.
func TestWhatIsBuiltIn(t *testing.T) {
	for _, tt := range []struct {
		target    string
		forbidden []string // directories of ours, or module paths
	}{
		{"./policy", []string{"hypervisor", "balancer", "metrics", "loadgen", "github.com", "golang.org", "libvirt.org"}},
		{"./cmd/virtbalance", []string{"hypervisor/libvirt", "hypervisor/fake", "balancer/gossip", "metrics", "libvirt.org", "github.com/hashicorp"}},
		{"./cmd/loadgen", []string{"policy/sim", "hypervisor/libvirt", "balancer", "metrics", "libvirt.org", "github.com/hashicorp"}},
	} {
		t.Run(strings.TrimPrefix(tt.target, "./"), func(t *testing.T) {
			all := packages(t, tt.target)
			if len(all) < 3 {
				t.Fatalf("%d packages", len(all))
			}
			for _, p := range all {
				path, isOurs := strings.CutPrefix(p.ImportPath, module)
				if p.Standard {
					continue
				}
				for _, f := range tt.forbidden {
					if foreign := strings.Contains(f, "."); foreign != isOurs && below(path, f) {
						t.Errorf("%s is built in", path)
					}
				}
				if len(p.CgoFiles) > 0 {
					t.Errorf("%s, which uses cgo, is built in", path)
				}
			}
		})
	}
}

// The table must refuse, not only allow.
func TestForbidden(t *testing.T) {
	for _, tt := range []struct {
		dir, imported string
		ok            bool
	}{
		{"policy", module + "hypervisor", false},
		{"policy", "github.com/google/uuid", false},
		{"policy/sim", module + "policy", true},
		{"policy/sim/report", module + "policy/sim", true},
		{"policy", module + "policy/sim", false},
		{"metrics", module + "balancer", false},
		{"metrics", "github.com/prometheus/client_golang/prometheus", true},
		{"balancer", "github.com/prometheus/client_golang/prometheus", false},
		{"balancer/gossip", module + "balancer/peer", false},
		{"balancer/api", module + "balancer", false},
		{"balancer", module + "hypervisor/libvirt", false},
		{"cmd/virtbalance", module + "balancer", false},
		{"cmd/virtbalanced", module + "cmd/virtbalance", false},
		{"tests/e2e", module + "balancer/api", true},
		{"surprise", module + "policy", false},
	} {
		if got := forbidden(tt.dir, tt.imported, false); (got == "") != tt.ok {
			t.Errorf("%s importing %s: %q", tt.dir, tt.imported, got)
		}
	}
}

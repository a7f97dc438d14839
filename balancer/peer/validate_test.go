package peer

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

const (
	idA = "aaaaaaaa-0000-4000-8000-000000000001"
	idB = "bbbbbbbb-0000-4000-8000-000000000002"
	idD = "dddddddd-0000-4000-8000-000000000004"
	idE = "eeeeeeee-0000-4000-8000-000000000005"
)

func validReserve() ReserveRequest {
	return ReserveRequest{
		Op:          idE,
		Move:        policy.Move{Domain: idD, Name: "wéb-1", From: idA, To: idB, MemoryMax: 1, VCPUs: 1, Duration: time.Minute},
		Description: hypervisor.Description{Domain: idD, XML: "<domain>\n\t<name>x</name>\n</domain>", Source: policy.HostFacts{ID: idA, Labels: []string{"ssd"}}},
	}
}

func TestReserveRequestValidate(t *testing.T) {
	if err := validReserve().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*ReserveRequest){
		"op (":                           func(r *ReserveRequest) { r.Op = "" },
		"op (\"EEEEEEEE":                 func(r *ReserveRequest) { r.Op = policy.OpID(strings.ToUpper(idE)) },
		"move.domain":                    func(r *ReserveRequest) { r.Move.Domain = policy.DomainID(idD[:35]) },
		"move.name has 257":              func(r *ReserveRequest) { r.Move.Name = strings.Repeat("x", 257) },
		"move.name (\"a\\nb\")":          func(r *ReserveRequest) { r.Move.Name = "a\nb" },
		"move.name (\"\\xff\")":          func(r *ReserveRequest) { r.Move.Name = "\xff" },
		"move.name (\"a\\u202eb\")":      func(r *ReserveRequest) { r.Move.Name = "a\u202eb" },
		"move.from (":                    func(r *ReserveRequest) { r.Move.From = "{aaaaaa}-0000-4000-8000-000000000001" },
		"move.to (":                      func(r *ReserveRequest) { r.Move.To = "bbbbbbbb+0000-4000-8000-000000000002" },
		"move.from and move.to are both": func(r *ReserveRequest) { r.Move.To = idA },
		"move.load.cpu_millis (-1)":      func(r *ReserveRequest) { r.Move.Load.CPU = -1 },
		"move.load.cpu_millis (9223":     func(r *ReserveRequest) { r.Move.Load.CPU = math.MaxInt64 },
		"move.load.memory_bytes (-1)":    func(r *ReserveRequest) { r.Move.Load.Memory = -1 },
		"move.memory_max_bytes (0)":      func(r *ReserveRequest) { r.Move.MemoryMax = 0 },
		"move.memory_max_bytes (9223":    func(r *ReserveRequest) { r.Move.MemoryMax = math.MaxInt64 },
		"move.vcpus (-1)":                func(r *ReserveRequest) { r.Move.VCPUs = -1 },
		"move.from_before (NaN)":         func(r *ReserveRequest) { r.Move.FromBefore = policy.Fraction(math.NaN()) },
		"move.from_after (-0.1)":         func(r *ReserveRequest) { r.Move.FromAfter = -0.1 },
		"move.to_before (+Inf)":          func(r *ReserveRequest) { r.Move.ToBefore = policy.Fraction(math.Inf(1)) },
		"move.to_after (1e+09)":          func(r *ReserveRequest) { r.Move.ToAfter = 1e9 },
		"move.duration_ns (-1)":          func(r *ReserveRequest) { r.Move.Duration = -1 },
		"move.requires (65)":             func(r *ReserveRequest) { r.Move.Requires = make([]string, 65) },
		"move.requires (\"":              func(r *ReserveRequest) { r.Move.Requires = []string{"\n"} },
		"move.groups (65)":               func(r *ReserveRequest) { r.Move.Groups = make([]policy.Membership, 65) },
		"move.groups.rule":               func(r *ReserveRequest) { r.Move.Groups = []policy.Membership{{Rule: "\n"}} },
		"move.groups.group":              func(r *ReserveRequest) { r.Move.Groups = []policy.Membership{{Group: "\n"}} },
		"move.joins (65)":                func(r *ReserveRequest) { r.Move.Joins = make([]string, 65) },
		"move.joins (\"":                 func(r *ReserveRequest) { r.Move.Joins = []string{"\n"} },
		"description.domain (":           func(r *ReserveRequest) { r.Description.Domain = idE },
		"description.name":               func(r *ReserveRequest) { r.Description.Name = "\x1b]0;x" },
		"description.xml must":           func(r *ReserveRequest) { r.Description.XML = "<\x00>" },
		"description.xml has":            func(r *ReserveRequest) { r.Description.XML = strings.Repeat("x", xmlMax+1) },
		"description.inactive_xml":       func(r *ReserveRequest) { r.Description.InactiveXML = "\xff" },
		"description.vcpus":              func(r *ReserveRequest) { r.Description.VCPUs = math.MaxInt },
		"description.memory_max_bytes":   func(r *ReserveRequest) { r.Description.MemoryMax = -1 },
		"description.source.id (":        func(r *ReserveRequest) { r.Description.Source.ID = idB },
		"description.source.name":        func(r *ReserveRequest) { r.Description.Source.Name = "a\rb" },
		"description.source.capacity":    func(r *ReserveRequest) { r.Description.Source.Capacity.CPU = -1 },
		"description.source.cpu_model":   func(r *ReserveRequest) { r.Description.Source.CPUModel = "\x7f" },
		"description.source.endpoint.p":  func(r *ReserveRequest) { r.Description.Source.Endpoint.Peer = "\n" },
		"description.source.endpoint.m":  func(r *ReserveRequest) { r.Description.Source.Endpoint.Migration = "\n" },
		"description.source.labels (65)": func(r *ReserveRequest) { r.Description.Source.Labels = make([]string, 65) },
		"description.source.labels (\"":  func(r *ReserveRequest) { r.Description.Source.Labels = []string{"\n"} },
		"description.files (1025)":       func(r *ReserveRequest) { r.Description.Files = make([]hypervisor.File, 1025) },
		"description.files.path":         func(r *ReserveRequest) { r.Description.Files = []hypervisor.File{{Path: "\n"}} },
		"description.files.size_bytes":   func(r *ReserveRequest) { r.Description.Files = []hypervisor.File{{Size: -1}} },
		"description.files.file_system":  func(r *ReserveRequest) { r.Description.Files = []hypervisor.File{{FileSystem: "\n"}} },
		"description.files.identity":     func(r *ReserveRequest) { r.Description.Files = []hypervisor.File{{Identity: "\n"}} },
		"handoff.history.count (":        func(r *ReserveRequest) { r.Handoff.History.Count = math.MaxInt },
	} {
		r := validReserve()
		spoil(&r)
		wantFault(t, r.Validate(), want)
	}
}

func TestFinishRequestValidate(t *testing.T) {
	valid := FinishRequest{Op: idE, Move: validReserve().Move, Result: policy.Aborted}
	if err := valid.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*FinishRequest){
		"op (":                      func(f *FinishRequest) { f.Op = "x" },
		"move.domain":               func(f *FinishRequest) { f.Move.Domain = "" },
		"result (200)":              func(f *FinishRequest) { f.Result = 200 },
		"handoff.history.count (-1": func(f *FinishRequest) { f.Handoff.History.Count = -1 },
		"handoff.history.from":      func(f *FinishRequest) { f.Handoff.History.From = "x" },
		"handoff.history.last (99":  func(f *FinishRequest) { f.Handoff.History.Last = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		f := valid
		spoil(&f)
		wantFault(t, f.Validate(), want)
	}
}

func TestReserveReplyValidate(t *testing.T) {
	valid := ReserveReply{Host: policy.Host{HostFacts: policy.HostFacts{ID: idB}}}
	if err := valid.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := (ReserveReply{Reason: policy.HostMemory, Detail: "full"}).Validate(); err != nil {
		t.Errorf("a refusal without a host: %v", err)
	}
	for want, spoil := range map[string]func(*ReserveReply){
		"host.id":              func(r *ReserveReply) { r.Host.ID = "" },
		"detail":               func(r *ReserveReply) { r.Detail = "\n" },
		"host.name":            func(r *ReserveReply) { r.Host.Name = "\n" },
		"host.used.cpu_millis": func(r *ReserveReply) { r.Host.Used.CPU = -1 },
		"host.promised.memory": func(r *ReserveReply) { r.Host.Promised.Memory = math.MaxInt64 },
		"host.reserved.cpu":    func(r *ReserveReply) { r.Host.Reserved.CPU = -1 },
		"host.pressure (NaN)":  func(r *ReserveReply) { r.Host.Pressure = policy.Fraction(math.NaN()) },
		"host.inbound":         func(r *ReserveReply) { r.Host.Inbound = -1 },
		"host.outbound":        func(r *ReserveReply) { r.Host.Outbound = math.MaxInt },
		"host.running":         func(r *ReserveReply) { r.Host.Running = -1 },
	} {
		r := valid
		spoil(&r)
		wantFault(t, r.Validate(), want)
	}
}

func TestLocateRequestValidate(t *testing.T) {
	valid := func() LocateRequest {
		return LocateRequest{Domain: idA, Alarm: &Alarm{Op: idE, Name: "vm1", Reason: policy.Lost}}
	}
	for _, r := range []LocateRequest{valid(), {Domain: idA}} {
		if err := r.Validate(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for want, spoil := range map[string]func(*LocateRequest){
		"domain":     func(r *LocateRequest) { r.Domain = "vm1" },
		"alarm.op":   func(r *LocateRequest) { r.Alarm.Op = "7" },
		"alarm.name": func(r *LocateRequest) { r.Alarm.Name = "vm1\nvm2" },
	} {
		r := valid()
		spoil(&r)
		wantFault(t, r.Validate(), want)
	}
}

func TestLocateReplyValidate(t *testing.T) {
	for _, p := range []policy.Presence{{}, {Known: true, Active: true}} {
		if err := (locateReply{p}).Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	wantFault(t, locateReply{policy.Presence{Active: true}}.Validate(), "not known")
}

func wantFault(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

// A field that is added to a message must be thought of here: what is not
// validated is not bounded.
func TestEveryFieldIsThoughtOf(t *testing.T) {
	for _, m := range []struct {
		of     any
		fields int
	}{
		{ReserveRequest{}, 4},
		{ReserveReply{}, 3},
		{FinishRequest{}, 4},
		{LocateRequest{}, 2},
		{Alarm{}, 3},
		{AuditRequest{}, 4},
		{policy.Audit{}, 5},
		{policy.Audits{}, 2},
		{policy.Outlook{}, 4},
		{policy.Move{}, 20},
		{policy.Membership{}, 3},
		{hypervisor.Description{}, 10},
		{hypervisor.File{}, 4},
		{hypervisor.Handoff{}, 2},
		{policy.MoveHistory{}, 4},
		{policy.HostFacts{}, 9},
		{policy.HostState{}, 11},
		{policy.Load{}, 2},
		{policy.Presence{}, 6},
		{policy.Endpoint{}, 2},
		{api.Report{}, 5},
		{api.Decision{}, 10},
		{api.Tally{}, 3},
		{api.Status{}, 19},
		{api.Alarm{}, 5},
		{api.Fleet{}, 3},
		{policy.Shortage{}, 5},
		{policy.Count{}, 2},
		{api.Headroom{}, 2},
		{policy.Headroom{}, 7},
		{api.Explanation{}, 10},
		{api.Instead{}, 3},
		{policy.Instead{}, 2},
		{policy.Change{}, 3},
		{api.HostExplanation{}, 4},
		{api.Domain{}, 3},
		{policy.Domain{}, 12},
		{api.Operation{}, 16},
	} {
		if n := reflect.TypeOf(m.of).NumField(); n != m.fields {
			t.Errorf("%T has %d fields, validate.go knows %d: bound the new one and count it here", m.of, n, m.fields)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"plain, größer":                "plain, größer",
		"a\r\nb\x1b[31m":               "a  b [31m",
		"\xffx\u202ey\u2028\u0085":     "x y  ",
		strings.Repeat("é", 501):       strings.Repeat("é", 500),
		"x" + strings.Repeat("é", 501): "x" + strings.Repeat("é", 499),
	} {
		if got := printable(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestRefusalsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Refusals() {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("refusal %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
}

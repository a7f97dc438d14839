package libvirt

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	lv "libvirt.org/go/libvirt"
)

// The calls into libvirt that this package makes. Each of them reads, except
// for the last group. To add one is a decision about what the daemon may do to
// other people's machines.
var allowedCalls = []string{
	// connection
	"Close", "GetCapabilities", "GetDomainCapabilities", "GetHostname", "GetLibVersion", "GetVersion",
	"GetFreePages", "IsAlive", "RegisterCloseCallback", "SetKeepAlive", "UnregisterCloseCallback", "CompareHypervisorCPU",
	"GetFreePages",
	// events
	"DomainEventBlockJob2Register", "DomainEventDeregister", "DomainEventDeviceAddedRegister",
	"DomainEventDeviceRemovedRegister", "DomainEventDiskChangeRegister", "DomainEventJobCompletedRegister",
	"DomainEventLifecycleRegister", "DomainEventMetadataChangeRegister", "DomainEventMigrationIterationRegister",
	// looking up and letting go
	"Free", "LookupDomainByName", "LookupDomainByUUIDString", "LookupNetworkByName", "LookupStoragePoolByName",
	// reading
	"GetAllDomainStats", "GetAutostart", "GetBlockJobInfo", "GetInfo", "GetJobStats", "GetMetadata", "GetName",
	"GetState", "GetUUIDString", "GetXMLDesc", "IsActive", "IsPersistent", "SnapshotNum",
	// changing
	"AbortJob", "MigrateSetMaxDowntime", "MigrateStartPostCopy", "MigrateToURI3", "SetAutostart", "SetMetadata",
}

// forbiddenWords begin the names of calls that end, start, define or stop a
// domain. They are here so that adding one to the list above is not enough.
var forbiddenWords = []string{
	"Create", "Define", "Destroy", "DomainCreate", "DomainDefine", "DomainRestore", "DomainSave", "InjectNMI",
	"ManagedSave", "PMSuspend", "PMWakeup", "Reboot", "Rename", "Reset", "Resume", "RevertToSnapshot", "Save",
	"SendKey", "SendProcessSignal", "Shutdown", "Suspend", "Undefine",
}

// allowedFlags are the flags of a migration. UNSAFE, TUNNELLED, NON_SHARED_DISK,
// NON_SHARED_INC, OFFLINE, PAUSED and CHANGE_PROTECTION are not among them.
var allowedFlags = []string{
	"MIGRATE_LIVE", "MIGRATE_PEER2PEER", "MIGRATE_ABORT_ON_ERROR", "MIGRATE_PERSIST_DEST",
	"MIGRATE_UNDEFINE_SOURCE", "MIGRATE_AUTO_CONVERGE", "MIGRATE_POSTCOPY", "MIGRATE_TLS", "MIGRATE_PARALLEL",
}

// TestCallsAreClosed reads the package's source. It works on names: whatever is
// called as something in the binding is called counts as a call into it. The
// symbols of a linked program would prove nothing, because the binding itself
// refers to all of libvirt.
func TestCallsAreClosed(t *testing.T) {
	binding := bindingMethods()
	used := map[string]bool{}
	for name, file := range sources(t) {
		for _, imp := range file.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); path == "C" || path == "unsafe" || path == "reflect" {
				t.Errorf("%s imports %s, with which any function can be reached", name, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			called := sel.Sel.Name
			for _, word := range forbiddenWords {
				if strings.HasPrefix(called, word) && binding[called] {
					t.Errorf("%s uses %s", name, called)
				}
			}
			if binding[called] && !slices.Contains(allowedCalls, called) {
				t.Errorf("%s uses %s, which is not on the list of calls", name, called)
			}
			if strings.HasPrefix(called, "MIGRATE_") && !slices.Contains(allowedFlags, called) {
				t.Errorf("%s uses the flag %s", name, called)
			}
			used[called] = true
			return true
		})
	}
	for _, call := range slices.Concat(allowedCalls, allowedFlags) {
		if !used[call] {
			t.Errorf("%s is on the list and not used", call)
		}
	}
}

// bindingMethods are the names of the methods of everything that libvirt
// counts references to.
func bindingMethods() map[string]bool {
	names := map[string]bool{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[*lv.Connect](), reflect.TypeFor[*lv.Domain](), reflect.TypeFor[*lv.DomainSnapshot](),
		reflect.TypeFor[*lv.DomainCheckpoint](), reflect.TypeFor[*lv.Interface](), reflect.TypeFor[*lv.Network](),
		reflect.TypeFor[*lv.NetworkPort](), reflect.TypeFor[*lv.NodeDevice](), reflect.TypeFor[*lv.NWFilter](),
		reflect.TypeFor[*lv.NWFilterBinding](), reflect.TypeFor[*lv.Secret](), reflect.TypeFor[*lv.StoragePool](),
		reflect.TypeFor[*lv.StorageVol](), reflect.TypeFor[*lv.Stream](),
	} {
		for m := range typ.Methods() {
			names[m.Name] = true
		}
	}
	return names
}

// sources are the package's files, tests left out.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			if files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(files) < 10 {
		t.Fatalf("found only %d files", len(files))
	}
	return files
}

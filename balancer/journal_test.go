package balancer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

func testOperation(id string, phase operation.Phase) operation.Operation {
	o := operation.Open(time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), policy.OpID(id), policy.Move{Domain: "d-" + policy.DomainID(id)}, policy.Endpoint{})
	o.Phase = phase
	return o
}

func mustOpenJournal(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func TestJournalSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	j := mustOpenJournal(t, dir)
	for _, o := range []operation.Operation{
		testOperation("a", operation.Intent), testOperation("b", operation.Intent),
		testOperation("a", operation.Started), testOperation("b", operation.Done),
	} {
		if err := j.Append(o); err != nil {
			t.Fatal(err)
		}
	}
	j = mustOpenJournal(t, dir)
	open := j.Open()
	if len(open) != 1 || open[0].ID != "a" || open[0].Phase != operation.Started {
		t.Errorf("open operations: %+v", open)
	}
	history := j.History(10)
	if len(history) != 1 || history[0].ID != "b" || history[0].Phase != operation.Done {
		t.Errorf("history: %+v", history)
	}
}

// TestJournalTornTail: whatever part of the last write a crash leaves, every
// record before it is read, and the journal goes on.
func TestJournalTornTail(t *testing.T) {
	dir := t.TempDir()
	j := mustOpenJournal(t, dir)
	for i := range 3 {
		if err := j.Append(testOperation(fmt.Sprint(i), operation.Started)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	records := strings.SplitAfter(string(whole), "\n")
	intact := len(records[0]) + len(records[1])
	for cut := intact; cut < len(whole); cut++ {
		torn := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j := mustOpenJournal(t, filepath.Dir(torn))
		if len(j.Open()) != 2 {
			t.Fatalf("cut at %d of %d: %d open operations, want 2", cut, len(whole), len(j.Open()))
		}
		if err := j.Append(testOperation("next", operation.Intent)); err != nil {
			t.Fatal(err)
		}
		if j = mustOpenJournal(t, filepath.Dir(torn)); len(j.Open()) != 3 {
			t.Fatalf("cut at %d: record written after the repair is lost", cut)
		}
	}
}

func TestJournalRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	j := mustOpenJournal(t, dir)
	for i := range 3 {
		if err := j.Append(testOperation(fmt.Sprint(i), operation.Started)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	whole[20] ^= 1
	if err := os.WriteFile(j.path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenJournal(dir); err == nil || !strings.Contains(err.Error(), "line 1: checksum does not match") {
		t.Errorf("error %v, want one that names line 1", err)
	}
}

func TestJournalOnFullDisk(t *testing.T) {
	j := mustOpenJournal(t, t.TempDir())
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	onDisk := j.file
	j.file = full
	if err := j.Append(testOperation("a", operation.Intent)); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v, want no space left", err)
	}
	if err := j.Check(); err == nil {
		t.Error("Check says that a full disk can be written")
	}
	if len(j.Open()) != 0 {
		t.Error("a record that was not written is remembered")
	}
	j.file = onDisk
	full.Close()
	if err := j.Check(); err != nil {
		t.Error(err)
	}
}

// memoryDir is where a sync costs nothing, if the machine has such a place.
func memoryDir(t *testing.T) string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return t.TempDir()
}

// TestJournalMatchesModel: after any sequence of appends, and reopening at any
// point, the journal holds the last record of each operation.
func TestJournalMatchesModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(memoryDir(t), "journal")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		j, err := OpenJournal(dir)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { j.Close() }()
		model := map[policy.OpID]operation.Phase{}
		phases := rapid.SampledFrom([]operation.Phase{operation.Intent, operation.Started, operation.Unknown, operation.Done, operation.Failed})
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				j.Close()
				if j, err = OpenJournal(dir); err != nil {
					rt.Fatal(err)
				}
			case 1:
				if err := j.compact(); err != nil {
					rt.Fatal(err)
				}
			default:
				o := testOperation(fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "op")), phases.Draw(rt, "phase"))
				if err := j.Append(o); err != nil {
					rt.Fatal(err)
				}
				model[o.ID] = o.Phase
			}
		}
		open := 0
		for _, phase := range model {
			if !phase.Closed() {
				open++
			}
		}
		got := j.Open()
		if len(got) != open || len(j.History(100)) != len(model)-open {
			rt.Fatalf("%d open and %d closed, want %d and %d", len(got), len(j.History(100)), open, len(model)-open)
		}
		for _, o := range got {
			if model[o.ID] != o.Phase {
				rt.Fatalf("%s is %s, want %s", o.ID, o.Phase, model[o.ID])
			}
		}
	})
}

func FuzzJournalRecord(f *testing.F) {
	record, err := encodeRecord(testOperation("a", operation.Started))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record[:len(record)-1])
	f.Add([]byte("00000000 {}"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := decodeRecord(line)
		if err == nil && (o.ID == "" || o.Phase == operation.New) {
			t.Errorf("accepted a record without operation: %q", line)
		}
	})
}

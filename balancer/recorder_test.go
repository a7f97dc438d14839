package balancer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	r := recorder{dir: filepath.Join(t.TempDir(), "record")}
	defer r.close()
	now := time.Date(2030, 1, 7, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		s := policy.Snapshot{
			At:      now.Add(time.Duration(i) * time.Second),
			Hosts:   []policy.Host{{HostFacts: policy.HostFacts{ID: "h1", Capacity: policy.Load{CPU: 1000, Memory: policy.GiB}}}},
			Decided: &policy.Decided{Host: "h1", Hold: policy.NotOverloaded},
		}
		if err := r.write(s.At, s); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(r.dir, "2030-01-07T000000.000Z.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := policy.ReadSnapshots(bytes.NewReader(data))
	if err != nil || len(all) != 3 || all[2].Decided.Hold != policy.NotOverloaded || !all[2].At.Equal(now.Add(2*time.Second)) {
		t.Errorf("read %+v, %v", all, err)
	}
}

// TestRecordsAreBounded: the oldest files go, whoever wrote them, by their number
// and by their size.
func TestRecordsAreBounded(t *testing.T) {
	r := recorder{dir: t.TempDir()}
	defer r.close()
	now := time.Date(2030, 1, 7, 0, 0, 0, 0, time.UTC)
	old := func(n int, size int64) {
		t.Helper()
		for range n {
			now = now.Add(time.Second)
			path := filepath.Join(r.dir, now.Format("2006-01-02T150405.000Z")+policy.RecordSuffix)
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, size); err != nil { // sparse
				t.Fatal(err)
			}
		}
	}
	left := func() (n int, bytes int64) {
		t.Helper()
		r.close()
		if err := r.write(now.Add(time.Hour), policy.Snapshot{At: now}); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(r.dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return len(entries), bytes
	}
	old(100, 1)
	if n, _ := left(); n != recordFiles {
		t.Errorf("%d files are left of many, want %d", n, recordFiles)
	}
	old(20, recordFile)
	n, bytes := left()
	if n > recordMost/recordFile || bytes+recordFile > recordMost+recordFile {
		t.Errorf("%d files with %d bytes are left of large ones, want at most %d bytes with room for one more", n, bytes, recordMost)
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if last := entries[len(entries)-1].Name(); last != filepath.Base(r.file.Name()) {
		t.Errorf("the newest file is %s, and %s is written to", last, r.file.Name())
	}
}

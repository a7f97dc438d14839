package libvirt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkSample reads a host with 100 domains of libvirt's test driver. That
// driver lives in this process: what a real libvirtd needs to answer, and the
// way there and back, comes on top.
func BenchmarkSample(b *testing.B) {
	const domains = 100
	var xml strings.Builder
	xml.WriteString("<node>")
	for i := range domains {
		fmt.Fprintf(&xml, `<domain type='test'><name>d%d</name><uuid>00000000-0000-4000-8000-%012d</uuid>`+
			`<memory>1048576</memory><vcpu>2</vcpu><os><type>hvm</type></os></domain>`, i, i)
	}
	xml.WriteString("</node>")
	path := filepath.Join(b.TempDir(), "node.xml")
	if err := os.WriteFile(path, []byte(xml.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	h, err := New(Options{URI: "test://" + path})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}()
	for !h.Status().Connected {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := h.Sample(ctx)
		if err != nil || len(s.Domains) != domains {
			b.Fatalf("%d domains: %v", len(s.Domains), err)
		}
	}
}

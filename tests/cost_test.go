package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// BenchmarkDaemon measures what a daemon costs that has everything on (gossip
// with encryption, policy, journal, metrics) and 100 domains on its host. The
// simulated world runs in another daemon's process, so that only its client
// side counts. It prints, for each sample of one second:
//
//	cpu-ms/sample     CPU time of the process, everything included
//	sample-ms         time to read all counters
//	rss-MiB           resident memory at the end
//	gossip-B/s        bytes of packets sent
//
//	go test ./tests -run '^$' -bench Daemon -benchtime 30x
func BenchmarkDaemon(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	dir := b.TempDir()
	binary, _, err := stage.Build(ctx, dir)
	if err != nil {
		b.Fatal(err)
	}
	daemons, err := stage.OnSim(dir, binary, stage.Settings{Mode: "dry-run"})
	if err != nil {
		b.Fatal(err)
	}
	writeCrowd(b, filepath.Join(dir, "world.json"))
	for _, d := range daemons {
		if err := d.Start(ctx); err != nil {
			b.Fatal(err)
		}
		defer d.Kill(context.WithoutCancel(ctx))
	}
	measured := daemons[1]
	for {
		domains, err := measured.Client.Domains(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if len(domains) == 100 && domains[0].Known {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}

	before, began := readCost(b, measured), time.Now()
	b.ResetTimer()
	for range b.N {
		time.Sleep(time.Second)
	}
	b.StopTimer()
	after := readCost(b, measured)
	samples := after["virtbalanced_sample_duration_seconds_count"] - before["virtbalanced_sample_duration_seconds_count"]
	if samples == 0 {
		b.Fatal("no sample was taken")
	}
	per := func(name string) float64 { return (after[name] - before[name]) / samples }
	b.ReportMetric(1000*per("process_cpu_seconds_total"), "cpu-ms/sample")
	b.ReportMetric(1000*per("virtbalanced_sample_duration_seconds_sum"), "sample-ms")
	b.ReportMetric(after["process_resident_memory_bytes"]/(1<<20), "rss-MiB")
	b.ReportMetric((after["virtbalanced_gossip_packet_bytes_total{direction=\"sent\"}"]-before["virtbalanced_gossip_packet_bytes_total{direction=\"sent\"}"])/time.Since(began).Seconds(), "gossip-B/s")
	b.ReportMetric(0, "ns/op") // it is the time slept
}

// writeCrowd makes a world whose second host has 100 domains.
func writeCrowd(b *testing.B, path string) {
	b.Helper()
	spec := fake.Spec{}
	for _, name := range stage.SimHosts {
		spec.Hosts = append(spec.Hosts, fake.HostSpec{Name: name, CPU: 64_000, Memory: 512 * fake.GiB})
	}
	for i := range 100 {
		spec.Domains = append(spec.Domains, fake.DomainSpec{
			Name: fmt.Sprintf("vm%03d", i), Host: stage.SimHosts[1], VCPUs: 4, Memory: 4 * fake.GiB, Demand: fake.Constant(300),
		})
	}
	text, err := json.Marshal(spec)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
}

// readCost scrapes the daemon's metrics that have no labels.
func readCost(b *testing.B, d *stage.Daemon) map[string]float64 {
	b.Helper()
	resp, err := http.Get("http://" + d.Metrics + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	values := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			values[name] = v
		}
	}
	return values
}

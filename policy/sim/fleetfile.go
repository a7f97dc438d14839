package sim

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// ReadFleet reads a fleet from two tables with header lines:
//
//	node,pcpu,mem_mib
//	vm,node,vcpus,mem_mib,cpu_cores
//
// cpu_cores is what the VM uses now, in CPUs.
func ReadFleet(nodes, vms io.Reader) (policy.Snapshot, error) {
	var s policy.Snapshot
	index := map[string]int{}
	err := readTable(nodes, []string{"node", "pcpu", "mem_mib"}, func(row []string) error {
		var h policy.Host
		h.ID, h.Name = policy.HostID(row[0]), row[0]
		cpus, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			return err
		}
		mib, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			return err
		}
		h.Capacity = policy.Load{CPU: policy.MilliCPU(cpus * 1000), Memory: policy.Bytes(mib) * policy.MiB}
		index[row[0]] = len(s.Hosts)
		s.Hosts = append(s.Hosts, h)
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("nodes: %w", err)
	}
	err = readTable(vms, []string{"vm", "node", "vcpus", "mem_mib", "cpu_cores"}, func(row []string) error {
		d := policy.PlacedDomain{Host: policy.HostID(row[1])}
		d.ID, d.Name, d.Known = policy.DomainID(row[0]), row[0], true
		var err error
		if d.VCPUs, err = strconv.Atoi(row[2]); err != nil {
			return err
		}
		mib, err := strconv.ParseInt(row[3], 10, 64)
		if err != nil {
			return err
		}
		cpus, err := strconv.ParseFloat(row[4], 64)
		if err != nil {
			return err
		}
		d.Demand = policy.Load{CPU: policy.MilliCPU(cpus*1000 + 0.5), Memory: policy.Bytes(mib) * policy.MiB}
		d.MemoryMax = d.Demand.Memory
		at, ok := index[row[1]]
		if !ok {
			return fmt.Errorf("there is no node %s", row[1])
		}
		s.Hosts[at].Used = s.Hosts[at].Used.Plus(d.Demand)
		s.Hosts[at].Running++
		s.Domains = append(s.Domains, d)
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("vms: %w", err)
	}
	return s, s.Validate()
}

// LoadFleet reads PREFIX.nodes.csv and PREFIX.vms.csv.
func LoadFleet(prefix string) (policy.Snapshot, error) {
	nodes, err := os.Open(prefix + ".nodes.csv")
	if err != nil {
		return policy.Snapshot{}, err
	}
	defer nodes.Close()
	vms, err := os.Open(prefix + ".vms.csv")
	if err != nil {
		return policy.Snapshot{}, err
	}
	defer vms.Close()
	s, err := ReadFleet(nodes, vms)
	if err != nil {
		return s, fmt.Errorf("%s: %w", prefix, err)
	}
	return s, nil
}

func readTable(r io.Reader, header []string, row func([]string) error) error {
	c := csv.NewReader(r)
	c.FieldsPerRecord = len(header)
	first, err := c.Read()
	if err != nil {
		return err
	}
	if !slices.Equal(first, header) {
		return fmt.Errorf("the header is %q, want %q", strings.Join(first, ","), strings.Join(header, ","))
	}
	for {
		fields, err := c.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := row(fields); err != nil {
			line, _ := c.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

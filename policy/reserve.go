package policy

// Reserve is the share of a host that is kept for its own work, that of no
// domain: storage daemons, backups, the hypervisor itself.
type Reserve struct {
	CPU, Memory Fraction
}

// Reserved is how much of a host counts as taken beyond what it uses: the part
// of its reserve that its own work does not use at present. So domains get
//
//	capacity - max(reserve, use of the host's own work)
//
// and the reserve adapts: as the host's own work grows into it, that part is
// measured and no longer counted twice; what it uses beyond is not available to
// domains either. It limits what a host takes in. Relief is sought for what is
// used, not for what might be.
//
// Own use is what the host uses and its domains do not, both smoothed alike.
func (c Config) Reserved(capacity, used Load, domains []Domain) Load {
	own := used
	for i := range domains {
		own = own.Minus(domains[i].Demand)
	}
	kept := Load{
		CPU:    c.Reserve.CPU.of(capacity.CPU),
		Memory: Bytes(float64(c.Reserve.Memory) * float64(capacity.Memory)),
	}
	return kept.Minus(own)
}

package peer

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// pool keeps one HTTP/2 transport for each host that was asked lately.
//
// Each has its own because a connection is verified for one host: two hosts
// that gossip claims to live at one address must not share it.
type pool struct {
	certificates *Certificates // nil: clear text
	endpointsMax int
	perEndpoint  int

	// stopping ends dials that nobody waits for any more.
	stopping context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	entries map[poolKey]*poolEntry
}

type poolKey struct {
	endpoint policy.Endpoint
	target   policy.HostID
}

type poolEntry struct {
	transport *http.Transport
	// by is the state of the certificate files that the connections were made
	// with.
	by *material
	// places limits requests at once.
	places chan struct{}
	users  int
	used   time.Time
}

func newPool(certificates *Certificates, endpointsMax, perEndpoint int) *pool {
	p := &pool{
		certificates: certificates, endpointsMax: endpointsMax, perEndpoint: perEndpoint,
		entries: make(map[poolKey]*poolEntry),
	}
	p.stopping, p.stop = context.WithCancel(context.Background())
	return p
}

// get returns the transport for a host and the function to give it back with,
// when fewer than perEndpoint others use it.
func (p *pool) get(ctx context.Context, k poolKey) (*http.Transport, func(), error) {
	e, err := p.entry(k)
	if err != nil {
		return nil, nil, err
	}
	release := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		e.users--
		e.used = time.Now()
		if p.entries[k] != e && e.users == 0 {
			e.transport.CloseIdleConnections()
		}
	}
	select {
	case e.places <- struct{}{}:
		return e.transport, func() { <-e.places; release() }, nil
	case <-ctx.Done():
		release()
		return nil, nil, fmt.Errorf("waiting for a place among %d requests at once: %w", p.perEndpoint, ctx.Err())
	}
}

func (p *pool) entry(k poolKey) (*poolEntry, error) {
	var by *material
	if p.certificates != nil {
		by = p.certificates.current()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.stopping.Err(); err != nil {
		return nil, fmt.Errorf("the client is closed: %w", err)
	}
	e, ok := p.entries[k]
	if ok && e.by != by {
		p.drop(k)
		ok = false
	}
	if !ok {
		if len(p.entries) >= p.endpointsMax && !p.dropOldest() {
			return nil, fmt.Errorf("as many hosts are being asked as are allowed (%d)", p.endpointsMax)
		}
		e = &poolEntry{transport: p.transport(k, by), by: by, places: make(chan struct{}, p.perEndpoint)}
		p.entries[k] = e
	}
	e.users++
	return e, nil
}

// drop forgets an entry. Its connections close when their last request ends.
func (p *pool) drop(k poolKey) {
	p.entries[k].transport.CloseIdleConnections()
	delete(p.entries, k)
}

func (p *pool) dropOldest() bool {
	var oldest poolKey
	found := false
	for k, e := range p.entries {
		if e.users == 0 && (!found || e.used.Before(p.entries[oldest].used)) {
			oldest, found = k, true
		}
	}
	if found {
		p.drop(oldest)
	}
	return found
}

func (p *pool) close() {
	p.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.entries {
		p.drop(k)
	}
}

func (p *pool) transport(k poolKey, by *material) *http.Transport {
	const (
		dialTimeout = 5 * time.Second
		idleTimeout = 90 * time.Second // less than a server's, which must not be first
		replyHeader = 16 << 10
	)
	dialer := &net.Dialer{Timeout: dialTimeout}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(p.stopping, cancel)()
			return dialer.DialContext(ctx, network, address)
		},
		Protocols:              new(http.Protocols),
		TLSHandshakeTimeout:    dialTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: replyHeader,
		DisableCompression:     true, // an answer must not grow after its size was checked
		HTTP2: &http.HTTP2Config{
			StrictMaxConcurrentRequests:   true,
			MaxDecoderHeaderTableSize:     4 << 10,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			// A peer that lost its power answers no ping.
			SendPingTimeout:  15 * time.Second,
			PingTimeout:      5 * time.Second,
			WriteByteTimeout: 10 * time.Second,
		},
	}
	if by == nil {
		t.Protocols.SetUnencryptedHTTP2(true)
		return t
	}
	t.Protocols.SetHTTP2(true)
	names := serverNames(k.endpoint)
	t.TLSClientConfig = by.clientConfig(func(cert *x509.Certificate) error {
		return identifyServer(cert, k.target, names)
	})
	return t
}

// serverNames are the names by which a host is reached.
func serverNames(e policy.Endpoint) []string {
	var names []string
	if host, _, err := net.SplitHostPort(e.Peer); err == nil {
		names = append(names, host)
	}
	if e.Migration != "" {
		names = append(names, e.Migration)
	}
	return names
}

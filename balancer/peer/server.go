package peer

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/gate"
	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Handler answers what other daemons ask. Every from has been identified and
// every message validated; ctx ends when the asker goes away or has waited for
// Limits.Handle. Its methods are called from many goroutines.
type Handler interface {
	// Reserve says whether this host takes the domain in. It is idempotent by
	// the operation ID.
	Reserve(ctx context.Context, from policy.HostID, r ReserveRequest) ReserveReply
	// Renew prolongs the promise; false means that from holds none of that ID.
	Renew(ctx context.Context, from policy.HostID, op policy.OpID) (bool, error)
	// Finish takes note of how the operation ended. It is idempotent.
	Finish(ctx context.Context, from policy.HostID, f FinishRequest) error
	// Locate says what this host knows of a domain, or why it cannot say, and
	// takes note of an alarm.
	Locate(ctx context.Context, from policy.HostID, r LocateRequest) (policy.Presence, error)

	// Audit says what a move of from's has brought, which ended here some time
	// ago. It is idempotent by the operation ID.
	Audit(ctx context.Context, from policy.HostID, r AuditRequest) (policy.Audit, error)

	// Report is what this host shows its own operator.
	Report(ctx context.Context, r ReportRequest) (api.Report, error)
	// Preflight says whether this host, as the target, could run the domain, whatever
	// room there is now. It books nothing.
	Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string)
	// ExplainHere says why a domain of this host would or would not move.
	ExplainHere(ctx context.Context, id policy.DomainID) (api.Explanation, error)
}

// ServerOptions make a Server.
type ServerOptions struct {
	// Self is this host.
	Self policy.HostID

	// Listener to serve, or the Address to listen on if it is nil.
	Listener net.Listener
	Address  string

	// Certificates are required, and Identify with them, unless Insecure says
	// that anybody may claim to be any host, in clear text.
	Certificates *Certificates
	Identify     Identify
	Insecure     bool

	Handler Handler
	// Relay answers what operators ask through other hosts' daemons; nil has
	// them refused.
	Relay Relay
	Log   *slog.Logger
	// Limits; zero is DefaultLimits.
	Limits Limits
}

// Server answers other daemons.
type Server struct {
	options     ServerOptions
	log         *slog.Logger
	limits      Limits
	listener    net.Listener
	connections *gate.Gate[netip.Addr]
	requests    *gate.Gate[policy.HostID]
	reports     *gate.Gate[policy.HostID]
	refused     counters
	warnings    *gate.Log
}

// NewServer listens, so that a port in use is an error at start; Run serves.
func NewServer(o ServerOptions) (*Server, error) {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Handler == nil:
		return nil, errors.New("peer server: no handler")
	case o.Insecure && o.Certificates != nil:
		return nil, errors.New("peer server: certificates are of no use with insecure")
	case !o.Insecure && (o.Certificates == nil || o.Identify == nil):
		return nil, errors.New("peer server: certificates and a check of identity are required unless insecure")
	}
	if err := first(uuid("self", o.Self), o.Limits.validate()); err != nil {
		return nil, fmt.Errorf("peer server: %w", err)
	}
	if o.Listener == nil {
		var err error
		if o.Listener, err = net.Listen("tcp", o.Address); err != nil {
			return nil, fmt.Errorf("peer server: %w", err)
		}
	}
	s := &Server{
		options:     o,
		log:         o.Log,
		limits:      o.Limits,
		connections: gate.New[netip.Addr](o.Limits.Connections, o.Limits.ConnectionsTotal),
		requests:    gate.New[policy.HostID](o.Limits.Requests, o.Limits.RequestsTotal),
		reports:     gate.New[policy.HostID](o.Limits.Reports, o.Limits.ReportsTotal),
		warnings:    &gate.Log{Log: o.Log},
	}
	s.listener = &gate.Listener[netip.Addr]{Listener: o.Listener, Key: gate.RemoteAddr, Gate: s.connections, Refuse: func(v gate.Verdict, remote net.Addr) {
		r := RefusedConnections
		if v == gate.OverTotal {
			r = RefusedConnectionsTotal
		}
		s.count(r, "remote", remote.String())
	}}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Refused counts what was turned away for that reason since the start.
func (s *Server) Refused(r Refusal) uint64 { return s.refused[r].Load() }

// Close stops listening, for a server that is never run.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends. Requests under way then have two seconds to end,
// after which they are cancelled.
func (s *Server) Run(ctx context.Context) error {
	const grace = 2 * time.Second
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := s.httpServer(base)

	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		patience, done := context.WithTimeout(base, grace)
		defer done()
		if server.Shutdown(patience) != nil {
			cancel()
			_ = server.Close() // closes sockets; nothing is lost with them
		}
	})
	if s.options.Insecure {
		s.log.Warn("peer RPC is in clear text and believes whoever asks", "address", s.Addr().String())
	}
	var err error
	if s.options.Insecure {
		err = server.Serve(s.listener)
	} else {
		err = server.ServeTLS(s.listener, "", "")
	}
	if stop() { // ctx has not ended: the listener broke
		_ = server.Close()
		return fmt.Errorf("peer server: %w", err)
	}
	<-stopped
	return nil
}

func (s *Server) httpServer(base context.Context) *http.Server {
	server := &http.Server{
		Handler:   s,
		Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          2 * s.limits.Requests.AtOnce,
			MaxDecoderHeaderTableSize:     4 << 10,
			MaxReadFrameSize:              16 << 10,
			MaxReceiveBufferPerConnection: 256 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			SendPingTimeout:               s.limits.Idle / 2,
			PingTimeout:                   s.limits.Handshake,
			WriteByteTimeout:              s.limits.Read,
		},
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               s.limits.Header,
		ReadHeaderTimeout:            s.limits.Handshake,
		ReadTimeout:                  s.limits.Read,
		WriteTimeout:                 s.limits.Read + s.limits.Handle + s.limits.Read,
		IdleTimeout:                  s.limits.Idle,
		ErrorLog:                     log.New(serverLog{s}, "", 0),
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, new(connection))
		},
	}
	if s.options.Insecure {
		server.Protocols.SetUnencryptedHTTP2(true)
	} else {
		server.Protocols.SetHTTP2(true)
		server.TLSConfig = s.options.Certificates.serverConfig()
	}
	return server
}

// count counts a refusal and says so in the log, as often as the log can bear.
func (s *Server) count(r Refusal, attrs ...any) {
	s.refused[r].Add(1)
	s.warnings.Warn("peer refused", append([]any{"refusal", r.String()}, attrs...)...)
}

// serverLog takes the lines that net/http has for people.
type serverLog struct{ s *Server }

func (l serverLog) Write(line []byte) (int, error) {
	text := printable(strings.TrimSpace(string(line)))
	switch {
	case strings.HasPrefix(text, "http: TLS handshake error"):
		l.s.count(RefusedHandshake, "err", text)
	case strings.Contains(text, "panic serving"):
		l.s.log.Error("peer request panicked", "err", text)
	default:
		l.s.warnings.Warn("peer connection", "err", text)
	}
	return len(line), nil
}

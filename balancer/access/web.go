package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"

	"github.com/virtbalance/virtbalance/balancer/gate"
)

// WebOptions make a server on TCP.
type WebOptions struct {
	Listener net.Listener
	Handler  http.Handler
	// Config is a web configuration file of the Prometheus exporter toolkit
	// (https://github.com/prometheus/exporter-toolkit), with TLS and
	// authentication; empty is neither.
	Config string
	Log    *slog.Logger
	// Limits; zero is DefaultLimits.
	Limits Limits
	// Refusals count what is turned away; nil: nobody wants to know.
	Refusals *Refusals
}

// ServeWeb serves on TCP until ctx ends, and closes the listener. It lets
// reading through; changing only as long as the web configuration demands TLS
// and authentication.
func ServeWeb(ctx context.Context, o WebOptions) error {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	warnings := &gate.Log{Log: o.Log}
	s := newLimited[netip.Addr](o.Limits, warnings, o.Refusals)
	// The toolkit puts its authentication around the handler, so a request is
	// counted when it has passed that. Passwords are checked one at a time: a
	// flood of wrong ones costs at most one CPU, less with rate_limit in the file.
	server := s.server(o.authorize(o.Handler), func(ctx context.Context) netip.Addr {
		addr, _ := ctx.Value(addrKey{}).(netip.Addr)
		return addr
	})
	server.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, addrKey{}, gate.RemoteAddr(conn))
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	listener := s.listener(o.Listener, gate.RemoteAddr)
	err := web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &o.Config}, slog.New(toolkitLog{o.Log.Handler(), warnings}))
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", o.Listener.Addr(), err)
	}
	return nil
}

type addrKey struct{}

func (o WebOptions) authorize(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o.Refusals.count(causeRight)
		refuse(w, http.StatusForbidden, errors.New("a page of another site may not change anything here"))
	}))
	guarded := crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wanted(r) == Read {
			next.ServeHTTP(w, r)
			return
		}
		if err := o.mayChange(r); err != nil {
			o.Refusals.count(causeRight)
			refuse(w, http.StatusForbidden, err)
			return
		}
		by := r.RemoteAddr
		if user, _, ok := r.BasicAuth(); ok {
			by = user + " at " + by
		}
		o.Log.Info("a change is asked for", "by", by, "path", r.URL.Path)
		guarded.ServeHTTP(w, r)
	})
}

// mayChange says why a request that has passed the toolkit may not change
// anything. The file is read again: it may demand less than when we began.
func (o WebOptions) mayChange(r *http.Request) error {
	demands, err := WebDemands(o.Config)
	switch {
	case err != nil:
		return errors.New("the web configuration cannot be read")
	case !demands.Authentication || r.TLS == nil:
		return errors.New("this listener is for reading only: use the command virtbalance on the host, or a web configuration (api.web_config) with TLS and authentication")
	default:
		return nil
	}
}

// Demands are what a web configuration asks of those who connect.
type Demands struct {
	TLS bool
	// Authentication by password or by a certificate that is verified. A
	// password without TLS does not count: whoever listens has it.
	Authentication bool
}

// WebDemands reads a web configuration and says what it demands. It reports
// every fault that would keep the listener from starting.
func WebDemands(path string) (Demands, error) {
	if path == "" {
		return Demands{}, nil
	}
	if err := web.Validate(path); err != nil {
		return Demands{}, fmt.Errorf("%s: %w", path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Demands{}, err
	}
	var c web.Config
	if err := yaml.Unmarshal(content, &c); err != nil {
		return Demands{}, fmt.Errorf("%s: %w", path, err)
	}
	d := Demands{TLS: c.TLSConfig.IsEnabled()}
	d.Authentication = d.TLS && (len(c.Users) > 0 || c.TLSConfig.ClientAuth == "RequireAndVerifyClientCert")
	return d, nil
}

// toolkitLog takes what the toolkit has to say. What it says at every start the
// daemon says in its own words; a faulty file makes it complain at every request.
type toolkitLog struct {
	slog.Handler
	warnings *gate.Log
}

// Enabled is true from warnings on.
func (l toolkitLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle logs a warning, or counts it.
func (l toolkitLog) Handle(_ context.Context, r slog.Record) error {
	attrs := []any{"about", r.Message}
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a.Key, a.Value)
		return true
	})
	l.warnings.Warn("web configuration", attrs...)
	return nil
}

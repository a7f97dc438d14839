package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/virtbalance/virtbalance/balancer/gate"
)

// SocketOptions make a server on a unix socket.
type SocketOptions struct {
	Listener net.Listener
	Handler  http.Handler
	Groups   Groups
	Log      *slog.Logger
	// Limits; zero is DefaultLimits.
	Limits Limits
	// Refusals count what is turned away; nil: nobody wants to know.
	Refusals *Refusals
}

// ServeSocket serves on a unix socket until ctx ends, and closes it. Root, the
// owner and the groups are let in, everybody else is told who is.
func ServeSocket(ctx context.Context, o SocketOptions) error {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	s := newLimited[uint32](o.Limits, &gate.Log{Log: o.Log}, o.Refusals)
	server := s.server(o.authorize(o.Handler), func(ctx context.Context) uint32 { return askerOf(ctx).uid })
	server.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		c, err := PeerCredentials(conn)
		if err != nil {
			return withAsker(ctx, asker{err: err, uid: nobody})
		}
		return withAsker(ctx, asker{right: o.Groups.rightOf(c), uid: c.UID})
	}
	listener := s.listener(o.Listener, func(conn net.Conn) uint32 {
		c, err := PeerCredentials(conn)
		if err != nil {
			return nobody
		}
		return c.UID
	})
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API on %s: %w", o.Listener.Addr(), err)
	}
	return nil
}

// nobody is the user of connections whose user is not known, who share one
// allowance. The kernel gives this number to no user.
const nobody = ^uint32(0)

func (o SocketOptions) authorize(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, want := askerOf(r.Context()), wanted(r)
		if a.right < want {
			o.Refusals.count(causeRight)
			refuse(w, http.StatusForbidden, o.Groups.refusal(a, want))
			return
		}
		if want == Change {
			o.Log.Info("a change is asked for", "by", a.name(), "path", r.URL.Path)
		}
		next.ServeHTTP(w, r)
	})
}

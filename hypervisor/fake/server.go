package fake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Server lets other processes use a world.
type Server struct {
	world    *World
	listener net.Listener
	cancel   context.CancelFunc
	slots    chan struct{}
	running  sync.WaitGroup
}

// maxCalls bounds the calls that are served at once; more wait to be accepted.
const maxCalls = 1024

// Listen serves a live world at a unix socket. A socket file that nobody
// answers is replaced.
func Listen(path string, w *World) (*Server, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, dialErr := net.Dial("unix", path); dialErr == nil {
			_ = c.Close() // only to see that somebody is there
			return nil, fmt.Errorf("serve world: another process serves %s", path)
		}
		info, statErr := os.Lstat(path)
		if statErr != nil || info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("serve world: %s is no socket", path)
		}
		if err = os.Remove(path); err == nil {
			l, err = net.Listen("unix", path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("serve world: %w", err)
	}
	return Serve(l, w), nil
}

// Serve serves a live world at a listener, until Close.
func Serve(l net.Listener, w *World) *Server {
	if !w.live {
		panic("fake: only a live world can be served")
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{world: w, listener: l, cancel: cancel, slots: make(chan struct{}, maxCalls)}
	s.running.Go(func() { s.accept(ctx) })
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops serving. Running calls end as if their context had; the
// migrations go on as long as the world is used.
func (s *Server) Close() error {
	s.cancel()
	err := s.listener.Close()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("stop serving the world: %w", err)
	}
	return nil
}

func (s *Server) accept(ctx context.Context) {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		conn, err := s.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			<-s.slots
			select { // out of file descriptors, perhaps
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		s.running.Go(func() {
			s.serve(ctx, conn)
			<-s.slots
		})
	}
}

// serve answers the one call of a connection.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	const patience = 10 * time.Second                           // for the request, and for each line to be taken
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // the server closes
	defer stop()
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var r request
	in := bufio.NewReader(io.LimitReader(conn, maxMessage))
	line, err := in.ReadBytes('\n')
	if err != nil {
		return
	}
	out := json.NewEncoder(conn)
	send := func(line reply) {
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		if out.Encode(line) != nil {
			cancel()
		}
	}
	if err := json.Unmarshal(line, &r); err != nil {
		send(reply{Error: toWire(fmt.Errorf("request: %w", err))})
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	s.running.Go(func() { // until the client leaves or the call is over
		_, _ = io.Copy(io.Discard, in)
		cancel()
	})
	result, err := s.call(ctx, r, func(p policy.Progress) { send(reply{Progress: &p}) })
	last := reply{Error: toWire(err)}
	if result != nil {
		if last.Result, err = json.Marshal(result); err != nil {
			last = reply{Error: toWire(err)}
		}
	}
	send(last)
}

// call performs one call; its result is sent beside its error.
func (s *Server) call(ctx context.Context, r request, progress func(policy.Progress)) (any, error) {
	switch r.Call {
	case callDo:
		if r.Action == nil {
			return nil, errors.New("do: action is missing")
		}
		return nil, s.world.Do(*r.Action)
	case callReport:
		return s.world.Report(), nil
	}
	if r.Host == "" {
		r.Host = s.world.hosts[0].spec.Name
	}
	h, err := s.world.Hypervisor(r.Host)
	if err != nil {
		return nil, err
	}
	switch r.Call {
	case callFacts:
		return both(h.Facts(ctx))
	case callSample:
		return both(h.Sample(ctx))
	case callMigrate:
		if r.Transfer == nil {
			return nil, errors.New("migrate: transfer is missing")
		}
		return h.Migrate(ctx, *r.Transfer, progress), nil
	case callWatch:
		return h.Watch(ctx, r.Domain, progress), nil
	case callAbort:
		return nil, h.Abort(ctx, r.Domain)
	case callLocate:
		return both(h.Locate(ctx, r.Domain))
	case callDescribe:
		return both(h.Describe(ctx, r.Domain))
	case callPreflight:
		if r.Description == nil {
			return nil, errors.New("preflight: description is missing")
		}
		why, detail := h.Preflight(ctx, *r.Description)
		return verdict{why, detail}, nil
	case callHasNetwork:
		return both(h.HasNetwork(ctx, r.Network))
	case callSettle:
		if r.Handoff == nil {
			return nil, errors.New("settle: handoff is missing")
		}
		return nil, h.Settle(ctx, r.Domain, *r.Handoff)
	case callSetRules:
		if r.Rules == nil {
			return nil, errors.New("set_rules: rules are missing")
		}
		return nil, h.SetRules(ctx, r.Domain, *r.Rules)
	default:
		return nil, fmt.Errorf("call %q is unknown", r.Call)
	}
}

// both turns a typed result into one to be sent.
func both[T any](result T, err error) (any, error) { return result, err }

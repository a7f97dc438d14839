package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// diagnose finds out why a connection broke before it was of use.
//
// With TLS 1.3 the client is done before the server has looked at its
// certificate. The alert that says what is wrong with it arrives later, and
// net/http may have noticed the end of the connection first, and report that
// instead. An operator needs the alert; so the handshake is made once more and
// waited for.
func diagnose(ctx context.Context, address string, config *tls.Config, err error) error {
	const patience = 2 * time.Second
	var op *net.OpError
	var certificate *certificateError
	switch {
	case config == nil, ctx.Err() != nil, alert(err), errors.As(err, &certificate):
		return err // said well enough
	case errors.As(err, &op) && op.Op == "dial":
		return err
	}
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, dialErr := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if dialErr != nil {
		return fmt.Errorf("%w (%w)", dialErr, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })()
	if _, readErr := conn.Read(make([]byte, 1)); alert(readErr) {
		return fmt.Errorf("%w (%w)", readErr, err)
	}
	return err
}

// alert reports whether a TLS peer said why it ended the connection.
func alert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

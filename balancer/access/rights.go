package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/user"
	"strconv"
)

// Right is what an asker may do. Each includes those before it.
type Right uint8

// The rights. The zero value permits nothing.
const (
	None Right = iota
	Read
	Change
)

// wanted is the right that a request takes.
func wanted(r *http.Request) Right {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Read
	}
	return Change
}

// asker is who has made a connection, and what that entitles to.
type asker struct {
	right Right
	uid   uint32
	// err is why it is not known who asks.
	err error
}

type askerKey struct{}

func withAsker(ctx context.Context, a asker) context.Context {
	return context.WithValue(ctx, askerKey{}, a)
}

func askerOf(ctx context.Context) asker {
	a, ok := ctx.Value(askerKey{}).(asker)
	if !ok {
		return asker{err: errors.New("nobody has looked")}
	}
	return a
}

// Groups are the groups of a host whose members may use the socket. The daemon's
// own user and root may anyway.
type Groups struct {
	// Readers and Changers are numbers of groups; nil is nobody.
	Readers, Changers *uint32
	// ReadersName and ChangersName are for people.
	ReadersName, ChangersName string
	// Owner is the user that the daemon runs as.
	Owner uint32
}

// rightOf says what a process may do.
func (g Groups) rightOf(c Credentials) Right {
	in := func(gid *uint32) bool { return gid != nil && c.In(*gid) }
	switch {
	case c.UID == 0, c.UID == g.Owner, in(g.Changers):
		return Change
	case in(g.Readers):
		return Read
	default:
		return None
	}
}

// name is for people. It may take a while where users are not in local files.
func (a asker) name() string {
	uid := strconv.FormatUint(uint64(a.uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}

// refusal says who may do what the asker may not.
func (g Groups) refusal(a asker, want Right) error {
	switch {
	case a.err != nil:
		return fmt.Errorf("it is not known who asks: %w", a.err)
	case want == Change && a.right == Read:
		return fmt.Errorf("%s may look, not change anything: that is for root and %s", a.name(), g.changers())
	case want == Change || g.Readers == nil:
		return fmt.Errorf("%s may not use this socket: that is for root and %s", a.name(), g.changers())
	default:
		return fmt.Errorf("%s may not use this socket: that is for root, %s and %s", a.name(), g.changers(), g.readers())
	}
}

func (g Groups) changers() string {
	if g.Changers == nil {
		return "the daemon's user"
	}
	return "the group " + g.ChangersName + " (api.change_group)"
}

func (g Groups) readers() string { return "the group " + g.ReadersName + " (api.read_group)" }

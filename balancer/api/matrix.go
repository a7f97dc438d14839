package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/virtbalance/virtbalance/policy"
)

// Matrix says of each domain of a host which of the other hosts could run it.
// Loads, cooldowns and limits are left aside: it shows what stays as it is until
// somebody changes the domain or the host.
type Matrix struct {
	// Hosts are the columns, On is where the domains run.
	Hosts []MatrixHost `json:"hosts"`
	On    MatrixHost   `json:"on"`
	Rows  []MatrixRow  `json:"rows"`
}

// MatrixHost is one host.
type MatrixHost struct {
	ID   policy.HostID `json:"id"`
	Name string        `json:"name"`
}

// MatrixRow is one domain.
type MatrixRow struct {
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	// Stays is why the domain cannot leave at all; "ok" if it can. Its cells are
	// then empty.
	Stays     policy.Reason `json:"stays"`
	StaysText string        `json:"stays_text"`
	// Cells are in the order of Matrix.Hosts.
	Cells []MatrixCell `json:"cells,omitempty"`
}

// MatrixCell says whether one host could run one domain; "ok" if it could.
type MatrixCell struct {
	Reason policy.Reason `json:"reason"`
	Text   string        `json:"text"`
	// Detail is what the host says of it.
	Detail string `json:"detail,omitempty"`
}

// Matrix asks which hosts could run the domain, by name or UUID; all domains of
// the daemon's host if it is empty.
func (c *Client) Matrix(ctx context.Context, domain string) (m Matrix, err error) {
	path := "/v1/matrix"
	if domain != "" {
		path += "?domain=" + url.QueryEscape(domain)
	}
	return m, c.do(ctx, http.MethodGet, path, &m)
}

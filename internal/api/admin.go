package api

import (
	"errors"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
)

// remove deletes observations.
func (a *API) remove(c *call) error {
	if c.text("selector") == "" {
		return wrong("selector", "say which series; * is all")
	}
	f, err := c.selector()
	if err != nil {
		return err
	}
	req, err := c.request()
	if err != nil {
		return err
	}
	n, err := a.o.Gate.Delete(c.r.Context(), f, req.Span)
	if err != nil {
		return err
	}
	return c.json(&exchange.Deleted{Series: n})
}

// status tells what the server is, and who asks; and the state of the store to who may see it.
func (a *API) status(c *call) error {
	who := access.From(c.r.Context())
	out := exchange.Status{
		Version: a.o.Version, Now: a.o.Now().UTC(), Started: a.started.UTC(),
		Identity: exchange.Identity{Name: who.Name, Rights: []string{}},
	}
	for _, one := range []struct {
		right access.Rights
		name  string
	}{{access.Read, "read"}, {access.Write, "write"}, {access.Admin, "admin"}} {
		if who.Rights.Has(one.right) {
			out.Identity.Rights = append(out.Identity.Rights, one.name)
		}
	}
	if who.Within != nil {
		out.Identity.Within = exchange.Text(who.Within.String())
	} else if st, err := a.o.Gate.Stats(c.r.Context()); err == nil {
		out.Store = exchange.StoreStatusOf(st)
	} else if !errors.Is(err, gate.ErrForbidden) {
		return err
	}
	return c.json(&out)
}

// Package access says who asks: a name, rights, and the selector that confines what they see and
// write. It carries that in a context, from the listener that has checked it to the gate that
// enforces it. It knows nothing of passwords, tokens or protocols.
//
// Start at [With] and [From], and at [Route] for how endpoints say what they need.
package access

import (
	"context"
	"net/http"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// Rights are what somebody may do; they are added with |.
type Rights uint8

// The rights. Admin deletes, backs up, and reads the state of the server.
const (
	Read Rights = 1 << iota
	Write
	Admin

	All = Read | Write | Admin
)

// Has reports whether r has all of the rights in need.
func (r Rights) Has(need Rights) bool { return r&need == need }

// An Identity is somebody who asks. It is immutable and may be shared.
type Identity struct {
	Name   string
	Rights Rights
	Within index.Filter      // all that they see and write matches it; nil means everything
	Set    []chunk.Dimension // given to every series that they write, instead of what it says itself
}

// anybody is who asks where nobody was told apart.
var anybody = &Identity{Name: "", Rights: All}

type key struct{}

// With returns a context that says that who asks.
func With(ctx context.Context, who *Identity) context.Context {
	return context.WithValue(ctx, key{}, who)
}

// From returns who asks: never nil; somebody with all rights where the context does not say, since
// there is then no listener between the caller and the store.
func From(ctx context.Context) *Identity {
	if who, ok := ctx.Value(key{}).(*Identity); ok {
		return who
	}
	return anybody
}

// A Route is an endpoint, and what it takes to come in.
type Route struct {
	Method  string // "" is any
	Pattern string // of net/http's ServeMux, without the method
	Need    Rights // 0 is open to everybody
	Handler http.Handler
}

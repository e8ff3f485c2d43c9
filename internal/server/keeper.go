package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/chronodex/chronodex/internal/access"
)

// Why somebody may not come in.
var (
	errUnknown = errors.New("token or password not known")
	errNobody  = errors.New("this needs a token or a password")
)

// A keeper finds out who asks. It is immutable: another configuration has another keeper.
type keeper struct {
	tokens    []keptToken
	byName    map[string]*access.Identity // of tokens
	users     map[string]*access.Identity // users of the web configuration that are named
	web       *webConfig                  // nil where there is none
	anonymous *access.Identity
	urlToken  bool
	open      bool // nobody needs to say who they are
}

type keptToken struct {
	sum [sha256.Size]byte
	who *access.Identity
}

// newKeeper reads what c says of who may come in, with the files that it names.
func newKeeper(c *Config) (*keeper, error) {
	k := &keeper{byName: map[string]*access.Identity{}, users: map[string]*access.Identity{}, urlToken: c.Auth.URLToken}
	for _, t := range c.Auth.Tokens {
		sum, err := t.digest()
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", t.Name, err)
		}
		who, err := newIdentity(t.Name, t.Rights, t.Within, t.Set)
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", t.Name, err)
		}
		k.tokens = append(k.tokens, keptToken{sum, who})
		k.byName[t.Name] = who
	}
	for name, u := range c.Auth.Users {
		who, err := newIdentity(name, u.Rights, u.Within, u.Set)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		k.users[name] = who
	}
	if c.Web.ConfigFile != "" {
		w, err := readWeb(c.Web.ConfigFile)
		if err != nil {
			return nil, err
		}
		k.web = newWebConfig(c.Web.ConfigFile, w)
	}
	rights, err := parseRights(c.Auth.Anonymous)
	if err != nil {
		return nil, err
	}
	k.open = len(k.tokens) == 0 && (k.web == nil || len(k.web.current().Users) == 0) && len(c.Auth.Anonymous) == 0
	if k.open {
		rights = access.All
	}
	k.anonymous = &access.Identity{Rights: rights}
	return k, nil
}

// identify returns who sends a request; an error that wraps [errUnknown] where they say something
// that is not true. Somebody who says nothing is anonymous.
func (k *keeper) identify(r *http.Request) (*access.Identity, error) {
	user, secret, given := credentials(r, k.urlToken)
	if !given {
		return k.anonymous, nil
	}
	return k.check(user, secret)
}

// authorize returns who sends a header Authorization, to a listener that is not HTTP.
func (s *Server) authorize(header string) (*access.Identity, error) {
	k := s.keeper.Load()
	who := k.anonymous
	if header != "" {
		user, secret := authorization(header)
		var err error
		if who, err = k.check(user, secret); err != nil {
			s.metrics.refused(http.StatusUnauthorized)
			s.log.Warn("refused", "audit", true, "status", http.StatusUnauthorized, "why", err.Error(), "listener", "otlp_grpc")
			return nil, err
		}
	}
	if who == k.anonymous && who.Rights == 0 {
		s.metrics.refused(http.StatusUnauthorized)
		return nil, errNobody
	}
	return who, nil
}

// check returns whose secret this is.
func (k *keeper) check(user, secret string) (*access.Identity, error) {
	sum := sha256.Sum256([]byte(secret))
	var found *access.Identity
	for i := range k.tokens {
		if subtle.ConstantTimeCompare(sum[:], k.tokens[i].sum[:]) == 1 {
			found = k.tokens[i].who
		}
	}
	if found != nil {
		return found, nil
	}
	if user != "" && k.web != nil && k.web.allows(user, secret) {
		if who := k.users[user]; who != nil {
			return who, nil
		}
		return &access.Identity{Name: user, Rights: access.All}, nil
	}
	if k.open {
		return k.anonymous, nil // agents that must send something may
	}
	return nil, errUnknown
}

// credentials returns what a request says of who sends it: the user, where there is one, and the
// secret.
func credentials(r *http.Request, inURL bool) (user, secret string, given bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		user, secret = authorization(h)
		return user, secret, true
	}
	if r.URL.RawQuery == "" {
		return "", "", false
	}
	q := r.URL.Query()
	if p := q.Get("p"); p != "" && isInflux(r.URL.Path) {
		return q.Get("u"), p, true
	}
	if token := q.Get("token"); token != "" && inURL {
		return "", token, true
	}
	return "", "", false
}

// authorization returns what a header says: nothing where its scheme is not one of ours, which is no
// way in.
func authorization(header string) (user, secret string) {
	kind, secret, _ := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	switch strings.ToLower(kind) {
	case "bearer":
		return "", secret
	case "basic":
		b, err := base64.StdEncoding.DecodeString(secret)
		if err != nil {
			return "", ""
		}
		user, secret, _ = strings.Cut(string(b), ":")
		return user, secret
	case "token":
		if user, password, ok := strings.Cut(secret, ":"); ok {
			return user, password // as clients of InfluxDB 1.x say it to the API of 2.x
		}
		return "", secret
	}
	return "", ""
}

package server

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// decoy is a hash that is compared with where there is no such user, so that the time does not
// tell who there is.
const decoy = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

// mostVerdicts is how many comparisons of passwords are remembered: one takes 50 ms or more.
const mostVerdicts = 256

// A webConfig is the file that Prometheus' servers and exporters have for TLS, users and headers.
// Their own server answers everybody who has no password before we could look for a token, so the
// types and the TLS are theirs, and the users are checked here. The file is read again when it has
// changed.
type webConfig struct {
	file string

	mu       sync.Mutex
	stamp    fileStamp
	config   *web.Config
	limiter  *rate.Limiter
	verdicts map[[sha256.Size]byte]bool
}

type fileStamp struct {
	at   time.Time
	size int64
}

// readWeb reads a file of TLS, users and headers. Paths in it begin at its folder.
func readWeb(file string) (*web.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &web.Config{
		TLSConfig:  web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: web.HTTPConfig{HTTP2: true},
	}
	if err := yaml.Unmarshal(text, c); err != nil { // web.Validate has refused unknown keys
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c.TLSConfig.SetDirectory(filepath.Dir(file))
	return c, nil
}

func newWebConfig(file string, c *web.Config) *webConfig {
	w := &webConfig{file: file}
	w.use(c)
	w.stamp = stampOf(file)
	return w
}

func stampOf(file string) (s fileStamp) {
	if info, err := os.Stat(file); err == nil {
		s = fileStamp{info.ModTime(), info.Size()}
	}
	return s
}

func (w *webConfig) use(c *web.Config) {
	w.config, w.verdicts, w.limiter = c, map[[sha256.Size]byte]bool{}, nil
	if c.RateLimiterConfig.Interval > 0 {
		w.limiter = rate.NewLimiter(rate.Every(c.RateLimiterConfig.Interval), c.RateLimiterConfig.Burst)
	}
}

// current returns the configuration as it is now. A file that is not valid any more changes
// nothing.
func (w *webConfig) current() *web.Config {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stamp := stampOf(w.file); stamp != w.stamp {
		w.stamp = stamp
		if err := web.Validate(w.file); err == nil {
			if c, err := readWeb(w.file); err == nil {
				w.use(c)
			}
		}
	}
	return w.config
}

// allows reports whether this is the password of the user.
func (w *webConfig) allows(user, password string) bool {
	c := w.current()
	hash, known := c.Users[user]
	if !known {
		hash = decoy
	}
	key := sha256.Sum256([]byte(user + "\x00" + string(hash) + "\x00" + password))
	w.mu.Lock()
	defer w.mu.Unlock() // one comparison at a time: they are work for the processor
	verdict, ok := w.verdicts[key]
	if !ok {
		verdict = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && known
		if len(w.verdicts) >= mostVerdicts {
			clear(w.verdicts)
		}
		w.verdicts[key] = verdict
	}
	return verdict
}

// within reports whether one more request is within the rate of the configuration, and sets its
// headers.
func (w *webConfig) within(h http.Header) bool {
	c := w.current()
	for name, value := range c.HTTPConfig.Header {
		h.Set(name, value)
	}
	w.mu.Lock()
	limiter := w.limiter
	w.mu.Unlock()
	return limiter == nil || limiter.Allow()
}

// tls returns what a listener needs for TLS, nil where none is configured. Each handshake has the
// file as it is then.
func (w *webConfig) tls(protocols ...string) (*tls.Config, error) {
	c := w.current()
	if !c.TLSConfig.IsEnabled() {
		return nil, nil
	}
	if !c.HTTPConfig.HTTP2 && len(protocols) > 1 {
		protocols = protocols[1:]
	}
	base, err := web.ConfigToTLSConfig(&c.TLSConfig)
	if err != nil {
		return nil, err
	}
	base.NextProtos = protocols
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now, err := web.ConfigToTLSConfig(&w.current().TLSConfig)
		if err != nil {
			return nil, err
		}
		now.NextProtos = protocols
		return now, nil
	}
	return base, nil
}

// HasTLS reports whether the server speaks TLS by this configuration.
func (c *Config) HasTLS() bool {
	if c.Web.ConfigFile == "" {
		return false
	}
	w, err := readWeb(c.Web.ConfigFile)
	return err == nil && w.TLSConfig.IsEnabled()
}

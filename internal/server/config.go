package server

import (
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// Config is all that can be configured: what a YAML file holds. [Defaults] says what holds where
// nothing is said. Read docs/config.md for what each key does.
type Config struct {
	Data            string    `yaml:"data"` // folder of the store
	Listen          Listen    `yaml:"listen"`
	Web             Web       `yaml:"web"`
	Auth            Auth      `yaml:"auth"`
	Limits          Limits    `yaml:"limits"`
	Store           Store     `yaml:"store"`
	Retention       []Policy  `yaml:"retention"`
	Backup          Backup    `yaml:"backup"`
	Scrape          yaml.Node `yaml:"scrape"` // as package scrape reads it
	Graphite        Graphite  `yaml:"graphite"`
	Collectd        Collectd  `yaml:"collectd"`
	Log             Log       `yaml:"log"`
	Self            Self      `yaml:"self"`
	Pprof           bool      `yaml:"pprof"`
	ShutdownTimeout Duration  `yaml:"shutdown_timeout"`

	from   map[string]string // where each value that is not a default was said
	folder string            // of its file, where names of other files in it begin
}

// Listen are the addresses, host:port, of listeners; "" is off.
type Listen struct {
	HTTP           string `yaml:"http"`
	Graphite       string `yaml:"graphite"`
	GraphiteUDP    string `yaml:"graphite_udp"`
	GraphitePickle string `yaml:"graphite_pickle"`
	OpenTSDB       string `yaml:"opentsdb"`
	Collectd       string `yaml:"collectd"`
	OTLPGRPC       string `yaml:"otlp_grpc"`
}

// Web is about HTTP.
type Web struct {
	ConfigFile string   `yaml:"config_file"` // TLS, users and headers, as Prometheus' exporters have it
	CORS       []string `yaml:"cors"`        // origins whose pages may ask
}

// Auth says who may come in.
type Auth struct {
	Tokens    []Token           `yaml:"tokens"`
	Users     map[string]User   `yaml:"users"`     // what users of the web configuration may do; all where they are not named
	Anonymous []string          `yaml:"anonymous"` // rights of who does not say who they are
	Listeners map[string]string `yaml:"listeners"` // listener without passwords → name of the token as which it writes
	URLToken  bool              `yaml:"url_token"` // take tokens from ?token=, too
}

// A Token is a secret, and what it is good for. One of Token, TokenFile and SHA256 is given.
type Token struct {
	Name      string            `yaml:"name"`
	Token     string            `yaml:"token"`
	TokenFile string            `yaml:"token_file"`
	SHA256    string            `yaml:"sha256"` // of the token, in hex
	Rights    []string          `yaml:"rights"`
	Within    string            `yaml:"within"`
	Set       map[string]string `yaml:"set"`
}

// A User is what a user of the web configuration may do.
type User struct {
	Rights []string          `yaml:"rights"`
	Within string            `yaml:"within"`
	Set    map[string]string `yaml:"set"`
}

// Limits bound what comes in. 0 is no bound.
type Limits struct {
	Body               Size     `yaml:"body"`
	Series             int64    `yaml:"series"`
	NewSeriesPerMinute int64    `yaml:"new_series_per_minute"`
	InFlight           Size     `yaml:"in_flight"`
	Exports            int      `yaml:"exports"`
	Queries            int      `yaml:"queries"`
	Queue              int      `yaml:"queue"`
	QueueTime          Duration `yaml:"queue_time"`
	QueryTime          Duration `yaml:"query_time"`
	QueryMemory        Size     `yaml:"query_memory"`
	QueriesMemory      Size     `yaml:"queries_memory"`
	QueryObservations  int64    `yaml:"query_observations"`
	QueryBytes         Size     `yaml:"query_bytes"`
	FreeDisk           Size     `yaml:"free_disk"`
	Connections        int      `yaml:"connections"`
}

// Store is how the store is kept.
type Store struct {
	HeadBytes Size     `yaml:"head_bytes"`
	Shards    int      `yaml:"shards"`
	Partition Duration `yaml:"partition"`
}

// Graphite is how Graphite's paths are read.
type Graphite struct {
	Templates []string `yaml:"templates"` // as of [graphite.ParseTemplate]
}

// Collectd is how collectd's datagrams are read.
type Collectd struct {
	TypesDB       []string `yaml:"types_db"`       // files that name the values of types, beside those that collectd comes with
	AuthFile      string   `yaml:"auth_file"`      // users and passwords, a line USER: PASSWORD each
	SecurityLevel string   `yaml:"security_level"` // that datagrams must have: none, sign or encrypt
}

// A Policy says how long the series of a selector are kept.
type Policy struct {
	Selector string   `yaml:"selector"`
	Age      Duration `yaml:"age"`
}

// Backup is where POST /v1/backup puts backups.
type Backup struct {
	Dir  string `yaml:"dir"`  // below it are folders of backups
	Keep int    `yaml:"keep"` // of each folder, the newest
	Rate Size   `yaml:"rate"` // read at most, a second
}

// Log is what is logged, and how.
type Log struct {
	Level     string   `yaml:"level"`
	Format    string   `yaml:"format"`
	SlowQuery Duration `yaml:"slow_query"`
}

// Self is what the server stores about itself.
type Self struct {
	Interval Duration `yaml:"interval"`
}

// Defaults returns the configuration that holds where nothing is said.
func Defaults() *Config {
	return &Config{
		Data:   "./chronodex-data",
		Listen: Listen{HTTP: "127.0.0.1:9428"},
		Limits: Limits{
			Body: 64 << 20, Series: 10_000_000, NewSeriesPerMinute: 1_000_000, InFlight: 128 << 20, Exports: 4, Queries: 16, Queue: 256,
			QueueTime: Duration(10 * time.Second), QueryTime: Duration(2 * time.Minute), QueryMemory: 512 << 20, QueriesMemory: 1 << 30,
			QueryObservations: 10_000_000_000, QueryBytes: 16 << 30, FreeDisk: 256 << 20, Connections: 1024,
		},
		Store:           Store{HeadBytes: 32 << 20},
		Collectd:        Collectd{SecurityLevel: "none"},
		Log:             Log{Level: "info", Format: "json", SlowQuery: Duration(5 * time.Second)},
		ShutdownTimeout: Duration(30 * time.Second),
		from:            map[string]string{},
	}
}

// templates returns the templates of Graphite's paths; those that are none are left out.
func (c *Config) templates() (all graphite.Templates) {
	for _, text := range c.Graphite.Templates {
		if t, err := graphite.ParseTemplate(text); err == nil { // which was checked
			all = append(all, t)
		}
	}
	return all
}

// origin returns where the value of a key was said, for the beginning of a message.
func (c *Config) origin(path string) string {
	if from := c.from[path]; from != "" {
		return from + ": " + path
	}
	return path
}

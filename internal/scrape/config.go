package scrape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"
)

// A Config is a job: targets that are scraped alike. It has the shape and the defaults of an entry of
// scrape_configs in Prometheus' configuration, as far as it goes; other keys are an error.
type Config struct {
	JobName                string         `yaml:"job_name"`
	ScrapeInterval         model.Duration `yaml:"scrape_interval"` // 0 means a minute
	ScrapeTimeout          model.Duration `yaml:"scrape_timeout"`  // 0 means 10 seconds, or the interval where that is less
	MetricsPath            string         `yaml:"metrics_path"`
	Scheme                 string         `yaml:"scheme"`
	Params                 url.Values     `yaml:"params"`
	HonorLabels            bool           `yaml:"honor_labels"`
	HonorTimestamps        bool           `yaml:"honor_timestamps"`
	TrackStaleness         bool           `yaml:"track_timestamps_staleness"` // of samples with a time of their own, too
	EnableCompression      bool           `yaml:"enable_compression"`
	ScrapeNativeHistograms bool           `yaml:"scrape_native_histograms"` // asks for the protobuf exposition, which has them

	BodySizeLimit         Bytes `yaml:"body_size_limit"` // decompressed; 0 means 64 MiB
	SampleLimit           int   `yaml:"sample_limit"`    // 0 is no limit, here and below
	TargetLimit           int   `yaml:"target_limit"`
	LabelLimit            int   `yaml:"label_limit"`
	LabelNameLengthLimit  int   `yaml:"label_name_length_limit"`
	LabelValueLengthLimit int   `yaml:"label_value_length_limit"`

	StaticConfigs []Group `yaml:"static_configs"`
	FileConfigs   []Files `yaml:"file_sd_configs"`

	RelabelConfigs       []*relabel.Config `yaml:"relabel_configs"`
	MetricRelabelConfigs []*relabel.Config `yaml:"metric_relabel_configs"`

	HTTP config.HTTPClientConfig `yaml:",inline"` // basic_auth, authorization, tls_config, proxy_url, …
}

// A Group is targets, host:port, that share labels.
type Group struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// Files are names of files, YAML or JSON, that hold lists of groups. The last part of a name may be a
// pattern such as *.json.
type Files struct {
	Files           []string       `yaml:"files"`
	RefreshInterval model.Duration `yaml:"refresh_interval"` // how often they are read; 0 means a minute
}

// Bytes is a size, written as 10MB or 10MiB: both are 10·1024².
type Bytes int64

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	number := strings.TrimRight(text, "KMGTEPBkmgtepbi")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text[len(number):]), "B"), "I")
	shift, known := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !known || n < 0 || n > 1<<62>>shift {
		return fmt.Errorf("size %q: want a number of bytes, such as 10MB", text)
	}
	*b = Bytes(n << shift)
	return nil
}

// defaults are what holds where a job does not say anything else.
func defaults() Config {
	return Config{
		MetricsPath: "/metrics", Scheme: "http", HonorTimestamps: true, EnableCompression: true, HTTP: config.DefaultHTTPClientConfig,
	}
}

// UnmarshalYAML sets the defaults first. It is of the older form of such methods because that one
// keeps unknown keys an error.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Config
	*c = defaults()
	return unmarshal((*plain)(c))
}

// Parse reads a list of jobs from YAML, and checks it: the values, the keys, that no two jobs have
// one name. Empty text is no job.
func Parse(text []byte) ([]Config, error) {
	var all []Config
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	if err := check(all); err != nil {
		return nil, err
	}
	return all, nil
}

// SetDirectory lets relative names of files begin at a folder.
func (c *Config) SetDirectory(dir string) {
	c.HTTP.SetDirectory(dir)
	for i := range c.FileConfigs {
		for k, name := range c.FileConfigs[i].Files {
			c.FileConfigs[i].Files[k] = config.JoinDir(dir, name)
		}
	}
}

// check completes jobs and reports what is wrong with them.
func check(all []Config) error {
	names := map[string]bool{}
	for i := range all {
		c := &all[i]
		if c.JobName == "" {
			return fmt.Errorf("scrape: job number %d has no job_name", i+1)
		}
		if names[c.JobName] {
			return fmt.Errorf("scrape: two jobs are called %q; give each its own job_name", c.JobName)
		}
		names[c.JobName] = true
		if err := c.complete(); err != nil {
			return fmt.Errorf("scrape: job %q: %w", c.JobName, err)
		}
	}
	return nil
}

// complete sets the defaults that depend on other values, and checks them.
func (c *Config) complete() error {
	interval, timeout := &c.ScrapeInterval, &c.ScrapeTimeout
	if *interval == 0 {
		*interval = model.Duration(time.Minute)
	}
	if *timeout == 0 {
		*timeout = min(model.Duration(10*time.Second), *interval)
	}
	if c.BodySizeLimit == 0 {
		c.BodySizeLimit = 64 << 20
	}
	switch {
	case *interval < model.Duration(time.Millisecond):
		return fmt.Errorf("scrape_interval is %v, at least 1ms", *interval)
	case *timeout > *interval:
		return fmt.Errorf("scrape_timeout %v is longer than scrape_interval %v", *timeout, *interval)
	case c.Scheme != "http" && c.Scheme != "https":
		return fmt.Errorf("scheme is %q, want http or https", c.Scheme)
	case !strings.HasPrefix(c.MetricsPath, "/"):
		return fmt.Errorf("metrics_path %q does not begin with /", c.MetricsPath)
	}
	for name, limit := range map[string]int{
		"sample_limit": c.SampleLimit, "target_limit": c.TargetLimit, "label_limit": c.LabelLimit,
		"label_name_length_limit": c.LabelNameLengthLimit, "label_value_length_limit": c.LabelValueLengthLimit,
	} {
		if limit < 0 {
			return fmt.Errorf("%s is %d; 0 is no limit", name, limit)
		}
	}
	for _, group := range c.StaticConfigs {
		if err := group.check(len(c.RelabelConfigs) > 0); err != nil {
			return fmt.Errorf("static_configs: %w", err)
		}
	}
	for i := range c.FileConfigs {
		if err := c.FileConfigs[i].complete(); err != nil {
			return fmt.Errorf("file_sd_configs: %w", err)
		}
	}
	for key, rules := range map[string][]*relabel.Config{"relabel_configs": c.RelabelConfigs, "metric_relabel_configs": c.MetricRelabelConfigs} {
		for i, rule := range rules {
			if rule == nil {
				return fmt.Errorf("%s: rule number %d is empty", key, i+1)
			}
			if err := rule.Validate(model.UTF8Validation); err != nil {
				return fmt.Errorf("%s: rule number %d: %w", key, i+1, err)
			}
		}
	}
	return c.HTTP.Validate()
}

// check reports labels that no series can have, and targets that are URLs, which only relabeling can
// make something of.
func (g *Group) check(relabeled bool) error {
	for _, t := range g.Targets {
		if t == "" || strings.Contains(t, "/") && !relabeled {
			return fmt.Errorf("target %q: want host:port; scheme and metrics_path have keys of their own", t)
		}
	}
	for name := range g.Labels {
		if !model.UTF8Validation.IsValidLabelName(name) {
			return fmt.Errorf("label %q is not a name", name)
		}
	}
	return nil
}

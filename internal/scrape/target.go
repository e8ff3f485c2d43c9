package scrape

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// A target is one thing to scrape.
type target struct {
	job      *Config
	labels   labels.Labels // that its series have
	url      string
	interval time.Duration
	timeout  time.Duration
}

// newTarget returns the target at an address of a group; nil where relabeling drops it.
func newTarget(c *Config, address string, group map[string]string) (*target, error) {
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, value := range group {
		b.Set(name, value)
	}
	b.Set(model.AddressLabel, address)
	for _, l := range []labels.Label{
		{Name: model.JobLabel, Value: c.JobName},
		{Name: model.ScrapeIntervalLabel, Value: c.ScrapeInterval.String()},
		{Name: model.ScrapeTimeoutLabel, Value: c.ScrapeTimeout.String()},
		{Name: model.MetricsPathLabel, Value: c.MetricsPath},
		{Name: model.SchemeLabel, Value: c.Scheme},
	} {
		if b.Get(l.Name) == "" {
			b.Set(l.Name, l.Value)
		}
	}
	for name, values := range c.Params {
		if name = model.ParamLabelPrefix + name; len(values) > 0 && b.Get(name) == "" {
			b.Set(name, values[0])
		}
	}
	if !relabel.ProcessBuilder(b, c.RelabelConfigs...) {
		return nil, nil
	}
	t := &target{job: c}
	if err := t.timing(b.Get(model.ScrapeIntervalLabel), b.Get(model.ScrapeTimeoutLabel)); err != nil {
		return nil, err
	}
	if address = b.Get(model.AddressLabel); address == "" || strings.Contains(address, "/") {
		return nil, fmt.Errorf("address %q is not host:port", address)
	}
	if b.Get(model.InstanceLabel) == "" {
		b.Set(model.InstanceLabel, address)
	}
	all := b.Labels()
	t.url = targetURL(c, all)
	all.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			b.Del(l.Name)
		}
	})
	t.labels = b.Labels()
	if !t.labels.IsValid(model.UTF8Validation) {
		return nil, fmt.Errorf("labels %v are not those of a series", t.labels)
	}
	return t, nil
}

// timing sets the interval and the timeout, which relabeling may have changed.
func (t *target) timing(interval, timeout string) error {
	i, err1 := model.ParseDuration(interval)
	o, err2 := model.ParseDuration(timeout)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if i <= 0 || o <= 0 || o > i {
		return fmt.Errorf("an interval of %v, with a timeout of %v", i, o)
	}
	t.interval, t.timeout = time.Duration(i), time.Duration(o)
	return nil
}

// targetURL puts the URL together from the labels that say its parts.
func targetURL(c *Config, all labels.Labels) string {
	params := url.Values{}
	for name, values := range c.Params {
		params[name] = slices.Clone(values)
	}
	all.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(params[name]) > 0:
			params[name][0] = l.Value
		default:
			params[name] = []string{l.Value}
		}
	})
	u := url.URL{Scheme: all.Get(model.SchemeLabel), Host: all.Get(model.AddressLabel), RawQuery: params.Encode()}
	path, query, ok := strings.Cut(all.Get(model.MetricsPathLabel), "?")
	if u.Path = path; ok && u.RawQuery == "" {
		u.RawQuery = query
	}
	return u.String()
}

// identity is what tells a target's series from those of others.
func (t *target) identity() string { return t.labels.String() + " " + t.url }

// offset returns when the target is next scraped, from now: a part of its interval that depends on
// its identity, so that targets are spread, and stay where they are from run to run.
func (t *target) offset(now time.Time) time.Duration {
	interval := int64(t.interval)
	at := int64(xxhash.Sum64String(t.identity()) % uint64(interval))
	return time.Duration(((at-now.UnixNano())%interval + interval) % interval)
}

// mutate returns the labels of a series of the target, and whether it is wanted: the target's labels
// are set, those of the same name that it exposed are called exported_…, or win where the job honors
// them; then it is relabeled.
func (t *target) mutate(exposed labels.Labels) (labels.Labels, bool) {
	b := labels.NewBuilder(exposed)
	var moved []labels.Label
	t.labels.Range(func(l labels.Label) {
		had := exposed.Get(l.Name)
		if had != "" && !t.job.HonorLabels {
			moved = append(moved, labels.Label{Name: l.Name, Value: had})
		}
		if !exposed.Has(l.Name) || !t.job.HonorLabels {
			b.Set(l.Name, l.Value)
		}
	})
	slices.SortStableFunc(moved, func(x, y labels.Label) int { return len(x.Name) - len(y.Name) })
	for _, l := range moved {
		name := model.ExportedLabelPrefix + l.Name
		for b.Get(name) != "" {
			name = model.ExportedLabelPrefix + name
		}
		b.Set(name, l.Value)
	}
	if !relabel.ProcessBuilder(b, t.job.MetricRelabelConfigs...) {
		return labels.EmptyLabels(), false
	}
	out := b.Labels()
	return out, !out.IsEmpty()
}

// checkLimits reports labels that are more or longer than the job allows.
func (c *Config) checkLimits(ls labels.Labels) error {
	if n := ls.Len(); c.LabelLimit > 0 && n > c.LabelLimit {
		return fmt.Errorf("series %v has %d labels, label_limit is %d", ls, n, c.LabelLimit)
	}
	if c.LabelNameLengthLimit == 0 && c.LabelValueLengthLimit == 0 {
		return nil
	}
	return ls.Validate(func(l labels.Label) error {
		if c.LabelNameLengthLimit > 0 && len(l.Name) > c.LabelNameLengthLimit {
			return fmt.Errorf("label %.50q… of %d bytes, label_name_length_limit is %d", l.Name, len(l.Name), c.LabelNameLengthLimit)
		}
		if c.LabelValueLengthLimit > 0 && len(l.Value) > c.LabelValueLengthLimit {
			return fmt.Errorf("label %s has a value of %d bytes, label_value_length_limit is %d", l.Name, len(l.Value), c.LabelValueLengthLimit)
		}
		return nil
	})
}

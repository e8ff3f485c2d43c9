package server

import (
	"context"
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/chronodex/chronodex/internal/scrape"
)

// scrapeJobs returns the jobs of the section scrape. Files that they name begin at the folder of the
// configuration's file.
func (c *Config) scrapeJobs() ([]scrape.Config, error) {
	if c.Scrape.IsZero() {
		return nil, nil
	}
	text, err := yaml.Marshal(&c.Scrape)
	if err != nil {
		return nil, err
	}
	jobs, err := scrape.Parse(text)
	for i := range jobs {
		jobs[i].SetDirectory(c.folder)
	}
	return jobs, err
}

// scrape checks the section.
func (k *checker) scrape() {
	if _, err := k.c.scrapeJobs(); err != nil {
		k.fail("scrape", "%v", err)
	}
}

// newScraper returns what scrapes the targets of the configuration.
func (s *Server) newScraper(v *service) (*scrape.Manager, error) {
	m := scrape.New(scrape.Options{Gate: v.gate, Now: s.o.Now, Logger: s.log})
	jobs, err := s.config.Load().scrapeJobs()
	if err != nil {
		return nil, err
	}
	return m, m.Apply(jobs)
}

// scrapeTargets scrapes until ctx ends.
func (s *Server) scrapeTargets(ctx context.Context) {
	if err := s.opened.Load().scraper.Run(ctx); err != nil {
		s.log.Error("scraping ended", "err", err)
	}
}

// targets tells what is scraped, and how it went the last time.
func (s *Server) targets(w http.ResponseWriter, _ *http.Request) {
	type target struct {
		Job         string            `json:"job"`
		URL         string            `json:"url"`
		Labels      map[string]string `json:"labels"`
		Health      string            `json:"health"`
		LastScrape  *time.Time        `json:"lastScrape,omitempty"`
		LastSeconds float64           `json:"lastSeconds"`
		LastError   string            `json:"lastError,omitempty"`
		Samples     int               `json:"samples"`
	}
	all := []target{}
	for _, t := range s.opened.Load().scraper.Targets() {
		one := target{t.Job, t.URL, t.Labels, t.Health, nil, t.LastDuration.Seconds(), t.LastError, t.Samples}
		if !t.LastScrape.IsZero() {
			one.LastScrape = &t.LastScrape
		}
		all = append(all, one)
	}
	writeJSON(w, http.StatusOK, "application/json", map[string]any{"targets": all})
}

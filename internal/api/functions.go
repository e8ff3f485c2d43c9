package api

import (
	"math"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/internal/exchange"
)

// A function is a [analytics.Spec] as JSON.
type function struct {
	Name       string     `json:"name"`
	Aliases    []string   `json:"aliases,omitempty"`
	Kind       string     `json:"kind"` // transform, aggregate or filter
	Usage      string     `json:"usage"`
	Arguments  []argument `json:"arguments"`
	Options    string     `json:"options,omitempty"`
	Short      string     `json:"short"`
	Doc        string     `json:"doc"`
	Formula    string     `json:"formula,omitempty"`
	Source     string     `json:"source,omitempty"`
	Example    string     `json:"example"`
	Cost       string     `json:"cost"`
	PerSeries  bool       `json:"per_series,omitempty"`
	Windows    bool       `json:"windows,omitempty"`
	Strings    bool       `json:"strings,omitempty"`
	Aggregates bool       `json:"aggregates"`
	Transforms bool       `json:"transforms"`
}

// An argument is a [analytics.Arg] as JSON.
type argument struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit,omitempty"`
	Doc      string   `json:"doc"`
	Words    []string `json:"words,omitempty"`
	Optional bool     `json:"optional,omitempty"`
	Default  any      `json:"default,omitempty"` // a number, or a word
	Min      *float64 `json:"min,omitempty"`
	Max      *float64 `json:"max,omitempty"`
	Whole    bool     `json:"whole,omitempty"`
	Many     bool     `json:"many,omitempty"`
}

// functions lists what can be computed.
func (a *API) functions(c *call) error {
	kind, err := c.oneOf("kind", "", "aggregate", "transform", "filter")
	if err != nil {
		return err
	}
	out := struct {
		Functions []function `json:"functions"`
	}{Functions: []function{}}
	for _, s := range analytics.Catalogue() {
		if kind != "" && s.Kind.String() != kind {
			continue
		}
		f := function{
			Name: s.Name, Aliases: s.Aliases, Kind: s.Kind.String(), Usage: s.Usage(), Options: s.Options, Short: s.Short, Doc: s.Doc,
			Formula: s.Formula, Source: s.Source, Example: s.Example, Cost: s.Stats.String(), PerSeries: s.PerSeries,
			Windows: s.Windows, Strings: s.Strings, Aggregates: s.Aggregates(), Transforms: s.Transforms(), Arguments: []argument{},
		}
		for i := range s.Args {
			f.Arguments = append(f.Arguments, argumentOf(&s.Args[i]))
		}
		out.Functions = append(out.Functions, f)
	}
	return c.json(&out)
}

func argumentOf(x *analytics.Arg) argument {
	out := argument{Name: x.Name, Unit: x.Unit, Doc: x.Doc, Words: x.Words, Optional: x.Optional, Whole: x.Whole, Many: x.Many}
	if x.Optional {
		switch i := int(x.Default); {
		case x.Words != nil && i >= 0 && i < len(x.Words):
			out.Default = x.Words[i]
		case !math.IsNaN(x.Default) && !math.IsInf(x.Default, 0):
			out.Default = x.Default
		}
	}
	if x.Min != 0 || x.Max != 0 {
		if !math.IsInf(x.Min, 0) {
			out.Min = &x.Min
		}
		if !math.IsInf(x.Max, 0) {
			out.Max = &x.Max
		}
	}
	return out
}

// complete lists ways to go on with a text.
func (a *API) complete(c *call) error {
	limit, err := c.count("limit", 20)
	if err != nil {
		return err
	}
	if limit > maxPage {
		return wrong("limit", "at most %d", maxPage)
	}
	list, err := a.o.Gate.Complete(c.r.Context(), c.text("prefix"), limit)
	if err != nil {
		return err
	}
	return c.json(exchange.CompletionsOf(list))
}

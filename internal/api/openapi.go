package api

import (
	_ "embed"
	"encoding/json"

	"go.yaml.in/yaml/v3"

	"github.com/chronodex/chronodex/internal/exchange"
)

// document describes the API, in OpenAPI 3.1.
//
//go:embed openapi.yaml
var document []byte

// documentYAML answers with the document.
func (a *API) documentYAML(c *call) error {
	c.out.w.Header().Set("Content-Type", "application/yaml")
	_, err := c.out.Write(document)
	return err
}

// documentJSON answers with the document as JSON, which is made once.
func (a *API) documentJSON(c *call) error {
	body, err := a.asJSON()
	if err != nil {
		return err
	}
	c.out.w.Header().Set("Content-Type", exchange.JSONType)
	_, err = c.out.Write(body)
	return err
}

// jsonDocument returns the document as JSON.
func jsonDocument() ([]byte, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(document, &doc); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

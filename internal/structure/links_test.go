package structure

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	code    = regexp.MustCompile("`[^`\n]*`")
	heading = regexp.MustCompile(`(?m)^#+ +(.+?)\s*$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestDocumentLinks follows the relative links of all documents to files and to headings.
func TestDocumentLinks(t *testing.T) {
	top, documents := root(t), map[string]string{}
	walk(t, ".md", func(name string, content []byte) { documents[name] = string(content) })
	for name, text := range documents {
		text = code.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: link %s: %v", name, m[1], err)
				continue
			}
			if u.IsAbs() {
				continue
			}
			to := name
			if u.Path != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), filepath.FromSlash(u.Path)))
			}
			if _, err := os.Stat(filepath.Join(top, to)); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s: link %s leads nowhere", name, m[1])
			} else if u.Fragment != "" && strings.HasSuffix(to, ".md") && !hasHeading(documents[to], u.Fragment) {
				t.Errorf("%s: link %s: %s has no such heading", name, m[1], to)
			}
		}
	}
}

// hasHeading reports whether a document has a heading with the anchor that web pages give it.
func hasHeading(text, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		slug := strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if slug == strings.ToLower(anchor) {
			return true
		}
	}
	return false
}

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAPIDocument runs the commands of docs/api.md, and compares with what it says that they print.
// UPDATE=1 writes what they print into it.
func TestAPIDocument(t *testing.T) {
	const name = "../../docs/api.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := serveFolder(t, filepath.Join(t.TempDir(), "store"), nil)
	block := regexp.MustCompile("(?s)```console\n.*?```\n")
	got := block.ReplaceAllStringFunc(string(text), func(b string) string {
		return "```console\n" + runBlock(t, s, strings.TrimSuffix(strings.TrimPrefix(b, "```console\n"), "```\n")) + "```\n"
	})
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	memory := regexp.MustCompile(`"(peakBytes|peak_bytes|shards|head_bytes|log_bytes)":\d+`) // depend on the machine
	if a, b := memory.ReplaceAllString(string(text), "$1"), memory.ReplaceAllString(got, "$1"); a != b && os.Getenv("UPDATE") == "" {
		t.Errorf("docs/api.md is not what the server answers: run with UPDATE=1 and look at the difference")
	}
}

// runBlock runs the commands of a block, and returns them with what they print. A command goes on
// in the next line where a quote is open.
func runBlock(t *testing.T, s *httptest.Server, block string) string {
	t.Helper()
	var out strings.Builder
	lines := strings.SplitAfter(block, "\n")
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue // what was printed before
		}
		for strings.Count(command, "'")%2 == 1 && i+1 < len(lines) {
			i++
			command += lines[i]
		}
		out.WriteString("$ " + command)
		body := curl(t, s, words(strings.TrimSuffix(command, "\n")))
		if out.WriteString(body); !strings.HasSuffix(body, "\n") {
			out.WriteString("\n")
		}
	}
	return out.String()
}

// words cuts a command at blanks, but not in quotes.
func words(command string) (out []string) {
	word, quoted, have := "", false, false
	for _, c := range command + " " {
		switch {
		case c == '\'':
			quoted, have = !quoted, true
		case c == ' ' && !quoted:
			if have {
				out = append(out, word)
			}
			word, have = "", false
		default:
			word += string(c)
			have = true
		}
	}
	return out
}

// curl does what curl would do.
func curl(t *testing.T, s *httptest.Server, args []string) string {
	t.Helper()
	method, target, data, inURL, header := "", "", []string(nil), false, http.Header{}
	for i := 1; i < len(args); i++ {
		next := func() string { i++; return args[i] }
		switch a := args[i]; a {
		case "-s":
		case "-sG":
			inURL = true
		case "-X":
			method = next()
		case "-H":
			k, v, _ := strings.Cut(next(), ": ")
			header.Set(k, v)
		case "-d", "--data-binary":
			data = append(data, next())
		case "--data-urlencode":
			k, v, _ := strings.Cut(next(), "=")
			data = append(data, k+"="+url.QueryEscape(v))
		default:
			target = strings.Replace(a, "localhost:9428", s.URL, 1)
		}
	}
	body := strings.Join(data, "&")
	switch {
	case inURL && strings.Contains(target, "?"):
		target, body = target+"&"+body, ""
	case inURL:
		target, body = target+"?"+body, ""
	}
	if method == "" {
		method = map[bool]string{true: "POST", false: "GET"}[body != ""]
	}
	if body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

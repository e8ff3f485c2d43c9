package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/alecthomas/kong"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/shard"
)

// completionCmd prints the completion script of a shell.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"One of ${enum}."`
}

// Help is printed behind the flags.
func (*completionCmd) Help() string {
	return `Completes commands, flags and their values, and from the store the names of dimensions, their values, and words.

Examples:

    source <(chronodex completion bash)          # in ~/.bashrc
    source <(chronodex completion zsh)           # in ~/.zshrc, behind compinit
    chronodex completion fish > ~/.config/fish/completions/chronodex.fish`
}

// The scripts hand the words to the command __complete, which prints what may come next: one a line.
// Words of a selector hold colons, at which bash cuts: what is before the last colon is taken off.
const (
	bashScript = `_chronodex() {
  local cur prefix i
  local -a words
  words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  if declare -F _get_comp_words_by_ref >/dev/null; then
    local w
    _get_comp_words_by_ref -n ":=" -w w -c cur
    words=("${w[@]:1}")
  fi
  cur="${words[${#words[@]}-1]}"
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null)
  if [[ "$cur" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    prefix="${cur%"${cur##*:}"}"
    for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]="${COMPREPLY[i]#"$prefix"}"; done
  fi
  [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[:=] ]] && compopt -o nospace
}
complete -o default -F _chronodex chronodex
`
	zshScript = `#compdef chronodex
_chronodex() {
  local -a found
  found=("${(@f)$(${words[1]} __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ ${#found} -gt 0 && -n "${found[1]}" ]]; then
    compadd -S '' -Q -- "${found[@]}"
  else
    _files
  fi
}
compdef _chronodex chronodex
`
	fishScript = `function __chronodex_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c chronodex -a '(__chronodex_complete)'
`
)

// Run is called by kong.
func (c *completionCmd) Run(s *session) error {
	_, err := fmt.Fprint(s.out, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// completeCmd prints how the last of the words can go on.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// maxCompletions is how many ways to go on are offered.
const maxCompletions = 40

// Run is called by kong. What cannot be completed is no error: then there is nothing to offer.
func (c *completeCmd) Run(ctx context.Context, s *session) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	var g grammar
	p, err := parser(&g, s.out, s.err)
	if err != nil {
		return err
	}
	for _, text := range s.complete(ctx, p.Model.Node, words) {
		fmt.Fprintln(s.out, text)
	}
	return nil
}

// complete returns how the last of the words can go on.
func (s *session) complete(ctx context.Context, root *kong.Node, words []string) []string {
	last := words[len(words)-1]
	node, previous, positional := root, (*kong.Flag)(nil), 0
	for i, w := range words[:len(words)-1] {
		if previous != nil {
			s.completed(previous.Name, w)
			previous = nil
			continue
		}
		if name, ok := strings.CutPrefix(w, "--"); ok {
			name, value, assigned := strings.Cut(name, "=")
			if flag := flagOf(node, root, name); flag != nil && !flag.IsBool() {
				if !assigned {
					previous = flag
				} else {
					s.completed(name, value)
				}
			}
			continue
		}
		if child := childOf(node, w); child != nil {
			node = child
		} else if i > 0 {
			positional++
		}
	}
	switch {
	case previous != nil:
		return matching(previous.EnumSlice(), last)
	case strings.HasPrefix(last, "-"):
		return completeFlag(node, root, last)
	case node == root:
		var names []string
		for _, child := range root.Children {
			if !child.Hidden {
				names = append(names, child.Name)
			}
		}
		return matching(names, last)
	}
	return s.completeArgument(ctx, node, words, positional)
}

// completed heeds a flag of the line that is completed: where the store is.
func (s *session) completed(name, value string) {
	switch name {
	case "data":
		s.data, s.server = value, nil
	case "server":
		s.flags.Server = value
	case "token-file":
		s.flags.TokenFile = value
	case "ca-file":
		s.flags.CAFile = value
	default:
		return
	}
	if name != "data" {
		s.server, _ = s.flags.open() // without it there is nothing to offer
	}
}

func childOf(n *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(n.Children, func(c *kong.Node) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return n.Children[i]
}

// flagOf returns the flag of a command, or of all.
func flagOf(node, root *kong.Node, name string) *kong.Flag {
	for _, flag := range slices.Concat(node.Flags, root.Flags) {
		if flag.Name == name {
			return flag
		}
	}
	return nil
}

// completeFlag returns the flags that begin with text, or the values of one behind its =.
func completeFlag(node, root *kong.Node, text string) []string {
	if name, value, ok := strings.Cut(text, "="); ok {
		flag := flagOf(node, root, strings.TrimPrefix(name, "--"))
		if flag == nil {
			return nil
		}
		out := matching(flag.EnumSlice(), value)
		for i := range out {
			out[i] = name + "=" + out[i]
		}
		return out
	}
	var names []string
	for _, flag := range slices.Concat(node.Flags, root.Flags) {
		if name := "--" + flag.Name; !flag.Hidden && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return matching(names, text)
}

// matching returns those of the texts that begin with prefix.
func matching(texts []string, prefix string) []string {
	var out []string
	for _, t := range texts {
		if t != "" && strings.HasPrefix(t, prefix) {
			out = append(out, t)
		}
	}
	return out
}

// completeArgument returns what the store knows to go on with.
func (s *session) completeArgument(ctx context.Context, node *kong.Node, words []string, positional int) []string {
	last := words[len(words)-1]
	var out []string
	_ = s.ask(0, func(from store) (err error) {
		switch node.Name {
		case "ls":
			out, err = s.completeLs(ctx, from, words, positional)
		case "search", "query", "explain", "export", "delete":
			out, err = completeSelector(ctx, from, last)
		}
		return err
	})
	return out
}

// completeLs returns names of dimensions, or values of the one that was named.
func (s *session) completeLs(ctx context.Context, from store, words []string, positional int) (out []string, err error) {
	last := words[len(words)-1]
	var list []shard.Count
	if positional == 0 {
		list, err = from.Names(ctx, index.All())
	} else {
		list, err = from.Values(ctx, index.All(), words[len(words)-2], last, maxCompletions)
	}
	for _, c := range list {
		out = append(out, c.Text)
	}
	return matching(out, last), err
}

// quoteValue writes a value as a selector takes it: in quotes unless it is a plain word.
func quoteValue(text string) string {
	for i, r := range text {
		plain := r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || i > 0 && strings.ContainsRune(".-=/@%", r)
		if !plain {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
	}
	return text
}

// completeSelector goes on with the last word of a selector: a name, a word, or a value behind a name.
func completeSelector(ctx context.Context, from store, text string) (out []string, err error) {
	if strings.Contains(text, "|") {
		return nil, nil
	}
	cut := strings.LastIndexAny(text, " (!+") + 1
	head, word := text[:cut], text[cut:]
	if name, value, ok := strings.Cut(word, ":"); ok {
		list, err := from.Values(ctx, index.All(), name, strings.Trim(value, `"`), maxCompletions)
		for _, c := range list {
			quoted := quoteValue(c.Text)
			if strings.HasPrefix(quoted, value) {
				out = append(out, head+name+":"+quoted)
			}
		}
		return out, err
	}
	list, err := from.Complete(ctx, word, maxCompletions)
	for _, c := range list {
		text := ""
		switch c.Kind {
		case index.NameCompletion:
			text = head + c.Text + ":"
		case index.WordCompletion:
			text = head + c.Text
		}
		if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out, err
}

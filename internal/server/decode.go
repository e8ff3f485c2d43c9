package server

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// deepest is how deep a configuration nests at most; aliases can make a ring of one.
const deepest = 16

// A decoder fills a configuration from a YAML tree, and notes all that is wrong with it: each
// unknown key with its line and the key that was likely meant.
type decoder struct {
	file     string
	from     map[string]string
	bad      []string // keys whose values are not what they must be
	problems []error
}

// A scalar has a text of its own in a configuration.
type scalar interface{ parse(text string) error }

// fail notes what is wrong with a key.
func (d *decoder) fail(n *yaml.Node, path, format string, args ...any) {
	d.bad = append(d.bad, path)
	d.problems = append(d.problems, fmt.Errorf("%s: %s: %s", d.at(n), orTop(path), fmt.Sprintf(format, args...)))
}

// at returns where a node is.
func (d *decoder) at(n *yaml.Node) string {
	if n.Line == 0 || d.file == "" {
		return d.file
	}
	return d.file + ":" + strconv.Itoa(n.Line)
}

// decode fills v, whose key is path, from n.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string, depth int) {
	if depth > deepest {
		d.fail(n, path, "nests too deeply")
		return
	}
	if n.Kind == yaml.AliasNode {
		d.decode(n.Alias, v, path, depth+1)
		return
	}
	if n.Tag == "!!null" {
		return // as if it were not there
	}
	d.from[path] = d.at(n)
	if raw, ok := v.Addr().Interface().(*yaml.Node); ok {
		*raw = *n
		return
	}
	if s, ok := v.Addr().Interface().(scalar); ok {
		if d.isScalar(n, path) {
			if err := s.parse(n.Value); err != nil {
				d.fail(n, path, "%v", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path, depth)
	case reflect.Map:
		d.table(n, v, path, depth)
	case reflect.Slice:
		d.list(n, v, path, depth)
	default:
		d.scalar(n, v, path)
	}
}

// object fills a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, path string, depth int) {
	known := keysOf(v.Type())
	d.pairs(n, path, func(key, value *yaml.Node) {
		i := slices.Index(known, key.Value)
		if i < 0 {
			d.fail(key, join(path, key.Value), "unknown key%s", meant(key.Value, known))
			return
		}
		d.decode(value, v.Field(i), join(path, key.Value), depth+1)
	})
}

// table fills a map from names to anything.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item, join(path, key.Value), depth+1)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
}

// pairs calls visit for each key of a mapping, which has no two of a name.
func (d *decoder) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "want keys with values")
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if first := seen[key.Value]; first != 0 {
			d.fail(key, join(path, key.Value), "was said in line %d already", first)
			continue
		}
		seen[key.Value] = key.Line
		visit(key, n.Content[i+1])
	}
}

// list fills a slice, in place of what it held.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "want a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
	}
	v.Set(out)
}

func (d *decoder) isScalar(n *yaml.Node, path string) bool {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "want one value")
		return false
	}
	return true
}

// scalar fills a string, a truth value or an integer.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if !d.isScalar(n, path) {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			d.fail(n, path, "%q is neither true nor false", n.Value)
			return
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
		if err != nil {
			d.fail(n, path, "%q is not a whole number", n.Value)
			return
		}
		v.SetInt(i)
	default:
		v.SetString(n.Value)
	}
}

// keysOf returns the keys of a struct, by its fields; "" for one that has none.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orTop(path string) string {
	if path == "" {
		return "configuration"
	}
	return path
}

// meant returns a hint at the key that was likely meant, or at all there are.
func meant(key string, known []string) string {
	best, least := "", max(2, len(key)/3)+1
	var all []string
	for _, k := range known {
		if k == "" {
			continue
		}
		all = append(all, k)
		if n := distance(key, k); n < least {
			best, least = k, n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	sort.Strings(all)
	return "; there are " + strings.Join(all, ", ")
}

// distance returns how many letters are to be put in, taken out or changed to make b of a
// (Levenshtein, 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

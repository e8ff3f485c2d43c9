package index

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
)

func TestParsePrintsCanonical(t *testing.T) {
	for text, want := range map[string]string{
		`*`:                                     `*`,
		`*:*`:                                   `*`,
		`  host:aws42  `:                        `host:aws42`,
		`host:"aws42"`:                          `host:aws42`,
		`host:"a b"`:                            `host:"a b"`,
		`host:a\ b`:                             `host:"a b"`,
		`host:"a\"b\\c"`:                        `host:"a\"b\\c"`,
		`host:aws*`:                             `host:aws*`,
		`host:a**?`:                             `host:a*?`,
		`host:"aws*"`:                           `host:"aws*"`,
		`host:a\**`:                             `host:a\**`,
		`host:/aws[0-9]+/`:                      `host:/aws[0-9]+/`,
		`path:/\/usr\/.*/`:                      `path:/\/usr\/.*/`,
		`host:asw42~`:                           `host:asw42~2`,
		`host:asw42~1`:                          `host:asw42~1`,
		`path:~home`:                            `path:"~home"`,
		`host:[a TO b}`:                         `host:[a TO b}`,
		`host:[ "a b" TO * ]`:                   `host:["a b" TO *]`,
		`port:>1024`:                            `port:{1024 TO *]`,
		`port:<=80`:                             `port:[* TO 80]`,
		`host:*`:                                `host:*`,
		`host:(a OR b)`:                         `host:a OR host:b`,
		`host:(a b* -c)`:                        `host:a AND host:b* AND NOT host:c`,
		`metric:(java.lang:type=Memory OR x)`:   `metric:java.lang:type=Memory OR metric:x`,
		`metric:java.lang:type=Memory/Heap/max`: `metric:java.lang:type=Memory/Heap/max`,
		`"my field":x`:                          `"my field":x`,
		`my\ field:x`:                           `"my field":x`,
		`AND:x`:                                 `"AND":x`,
		`k8s.io/name:web`:                       `k8s.io/name:web`,
		`heap usage`:                            `heap AND usage`,
		`Heap USAGE`:                            `heap AND usage`,
		`"Heap Memory"`:                         `"heap memory"`,
		`HeapMemoryUsage`:                       `HeapMemoryUsage`,
		`java.lang`:                             `"java lang"`,
		`Java.HeapUsage`:                        `"java HeapUsage"`,
		`hea*`:                                  `hea*`,
		`kube-Sys*`:                             `kube-sys*`,
		`"kube-sys*"`:                           `"kube sys"`,
		`haep~`:                                 `haep~2`,
		`java.lnag~1`:                           `java-lnag~1`,
		`/hea[pd]/`:                             `/hea[pd]/`,
		`.*`:                                    `*`,
		`a b OR c d`:                            `(a AND b) OR (c AND d)`,
		`a (b c)`:                               `a AND b AND c`,
		`a && b || c`:                           `(a AND b) OR c`,
		`a&&b||c`:                               `(a AND b) OR c`,
		`a (b OR c)`:                            `a AND (b OR c)`,
		`NOT a b`:                               `NOT a AND b`,
		`NOT (a b)`:                             `NOT (a AND b)`,
		`!a -b +c`:                              `NOT a AND NOT b AND c`,
		`--a`:                                   `a`,
		`host:-5`:                               `host:"-5"`,
		`a"b c"d`:                               `a AND "b c" AND d`,
		`"AND"`:                                 `and`,
		`größe:Straße`:                          `größe:Straße`,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.String(); got != want {
			t.Errorf("%s: prints %s, want %s", text, got, want)
		}
		checkReparse(t, f)
	}
}

func checkReparse(t *testing.T, f Filter) {
	t.Helper()
	again, err := Parse(f.String())
	if err != nil {
		t.Fatalf("canonical %q: %v", f.String(), err)
	}
	if !reflect.DeepEqual(again, f) {
		t.Fatalf("canonical %q prints %q, and is another tree", f.String(), again.String())
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                          `syntax error at offset 0: want a term`,
		`metric:(cpu OR mem | mean`: `syntax error at offset 19: want ")", near "| mean"`,
		`a)`:                        `syntax error at offset 1: want the end of the selector, near ")"`,
		`a | b`:                     `syntax error at offset 2: want the end of the selector`,
		`(a`:                        `syntax error at offset 2: want ")"`,
		`host:`:                     `syntax error at offset 5: want a value`,
		`host: a`:                   `syntax error at offset 5: want a value, near " a"`,
		`host:""`:                   `syntax error at offset 5: want a value (NOT dimension:*`,
		`host:"a`:                   `syntax error at offset 7: want a closing quote`,
		`host:/a(/`:                 `syntax error at offset 5: want a regular expression that is valid: missing closing )`,
		`path:/usr/lib`:             `syntax error at offset 10: want the end of the term (quote a value that begins with /)`,
		`path:/usr`:                 `syntax error at offset 9: want "/"`,
		`a AND`:                     `syntax error at offset 5: want a term`,
		`a OR OR b`:                 `syntax error at offset 5: want a term`,
		`AND`:                       `syntax error at offset 0: want a term`,
		`- a`:                       `syntax error at offset 1: want what the sign belongs to`,
		`host:[a b]`:                `syntax error at offset 8: want TO`,
		`host:[a TO ]`:              `syntax error at offset 11: want an end of the range`,
		`host:[a TO b`:              `syntax error at offset 12: want "]" or "}"`,
		`[a TO b]`:                  `syntax error at offset 0: want a dimension's name and a colon`,
		`ho*:a`:                     `syntax error at offset 0: want a dimension's name without wildcards`,
		`host:a~3`:                  `syntax error at offset 7: want edits from 0 to 2`,
		`host:a*~`:                  `syntax error at offset 5: want a word without wildcards`,
		`---`:                       `syntax error at offset 3: want what the sign belongs to`,
		`a ==`:                      `syntax error at offset 2: want a word with letters or digits`,
		`port:>`:                    `syntax error at offset 6: want a value to compare with`,
	} {
		f, err := Parse(text)
		var e *SyntaxError
		if !errors.As(err, &e) || f != nil {
			t.Errorf("%s: got %v, %v", text, f, err)
		} else if !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestParsePrefixEnds(t *testing.T) {
	for text, want := range map[string]string{
		`host:a | mean`:         `host:a `,
		`a || b | mean`:         `a || b `,
		`(a) ) + 1`:             `(a) `,
		`host:"a|b)" | x`:       `host:"a|b)" `,
		`host:/a|b)?(/)`:        "",
		`host:/(a|b)/| mean`:    `host:/(a|b)/`,
		`host:(a OR b) | top 5`: `host:(a OR b) `,
		`host:a\|b | mean`:      `host:a\|b `,
		`host:a`:                `host:a`,
	} {
		_, n, err := ParsePrefix(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s: no error", text)
			}
			continue
		}
		if err != nil || text[:n] != want {
			t.Errorf("%s: selector %q, %v; want %q", text, text[:n], err, want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"levels":  strings.Repeat("(", 1000) + "a" + strings.Repeat(")", 1000),
		"signs":   strings.Repeat("!", 1000) + "a",
		"terms":   strings.Repeat("a ", 10000),
		"words":   strings.Repeat("a-", 10000),
		"bytes":   strings.Repeat("a", 1<<20),
		"regexp":  "a:/" + strings.Repeat("a", 2000) + "/",
		"steps":   "a:/" + strings.Repeat("a{1000}", 100) + "/",
		"regexps": strings.Repeat("/a/ ", 100),
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: no error", name)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	head, rest := "host:a", strings.Repeat("x", 1<<20)
	if _, n, err := ParsePrefix(head + "|" + rest); n != len(head) || err != nil {
		t.Errorf("selector before a long rest: %d, %v", n, err)
	}
}

// dims makes dimensions of name, value, name, value …
func dims(pairs ...string) chunk.Dimensions {
	var list []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	d, err := chunk.NewDimensions(list...)
	if err != nil {
		panic(err)
	}
	return d
}

func TestMatch(t *testing.T) {
	d := dims("metric", "java.lang:type=Memory/HeapMemoryUsage/used", "host", "aws42", "port", "8080",
		"group", "3", "zone", "eu-central-1a", "path", "/usr/lib", "version", "1.10.2", "city", "Köln am Rhein")
	for text, want := range map[string]bool{
		`*`: true, `NOT *`: false,
		`host:aws42`: true, `host:AWS42`: false, `host:aws4`: false, `host:"aws42"`: true, `hosts:aws42`: false,
		`host:*`: true, `nothing:*`: false, `NOT nothing:*`: true, `NOT host:b`: true,
		`host:aws*`: true, `host:*42`: true, `host:*w*`: true, `host:a?s42`: true, `host:a?42`: false, `host:*x*`: false,
		`city:K?ln*`: true, `city:"Köln am Rhein"`: true, `city:Köln\ am\ Rhein`: true,
		`host:/aws[0-9]+/`: true, `host:/aws/`: false, `host:/(?i)AWS.*/`: true, `host:/aws|42/`: false,
		`path:"/usr/lib"`: true, `path:\/usr*`: true, `path:/\/usr\/.*/`: true,
		`host:asw42~1`: true, `host:asw24~1`: false, `host:asw24~`: true, `host:ws42~1`: true, `host:aws42~0`: true,
		`host:[aws TO aws5]`: true, `host:{aws42 TO *]`: false, `host:[* TO aws42]`: true, `host:[* TO aws42}`: false,
		`port:[900 TO 10000]`: true, `port:[900 TO 10000x]`: false, `port:>8080`: false, `port:>=8080`: true, `port:<9e3`: true,
		`version:[1.10 TO 1.9]`: true, `version:[2 TO 3]`: false, `version:[1.1 TO 1.2]`: true, // not a number: as text
		`group:[1 TO 10]`: true, `group:3.0`: false, `group:[3.0 TO 3.0]`: true,
		`metric:java.lang:type=Memory/HeapMemoryUsage/used`: true,
		`heap usage`: true, `HEAP Usage`: true, `heap nothing`: false, `usage heap`: true,
		`heapmemoryusage`: true, `HeapMemoryUsage`: true, `MemoryUsage`: true, `memoryusage`: false, `HeapUsage`: false,
		`"heap memory"`: true, `"usage heap"`: false, `"memory heap"`: true, `"heap usage"`: false, `"type memory heap"`: true, `"memory heapmemoryusage used"`: true,
		`java.lang`: true, `java.lang:type`: false, `"java.lang:type=Memory"`: true, `lang.java`: false,
		`"used aws42"`: false, // in two values
		`aws42`:        true, `aws`: true, `42`: true, `"aws 42"`: true, `aws-42`: true,
		`hea*`: true, `*eap`: true, `h?ap`: true, `jav*-lan*`: true, `eu-*-1a`: true, `eu-*`: true, `eu-1a`: false,
		`haep~1`: true, `haep~0`: false, `memroy~1`: true, `/hea[pd]/`: true, `/hea/`: false, `host`: false,
		`köln`: true, `KÖLN`: true, `rhein`: true,
		`host:(aws* AND *42)`: true, `host:(b OR aws42)`: true, `host:(aws* -aws42)`: false,
		`host:b OR heap`: true, `heap AND NOT host:aws42`: false, `heap -cpu`: true, `+heap !cpu`: true,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(d); got != want {
			t.Errorf("%s (%v): %v, want %v", text, f, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[string]string{
		"":                "",
		"/=:":             "",
		"HeapMemoryUsage": "heapmemoryusage heap memory usage",
		"java.lang:type=Memory/HeapMemoryUsage/used": "java lang type memory heapmemoryusage heap usage used",
		"aws42":         "aws42 aws 42",
		"HTTPServer2xx": "httpserver2xx http server2xx",
		"p99_latency":   "p99 latency",
		"MD5Sum":        "md5sum md5 md 5 sum",
		"7dab12":        "7dab12",
		"api-x2k4z":     "api x2k4z",
		"Größe ÄÖÜ":     "größe äöü",
		"日本語2":          "日本語2 日本語 2",
		"a\xffb":        "a b",
		"42":            "42",
		"GC":            "gc",
		"getIOStats":    "getiostats get io stats",
	} {
		if got := strings.Join(Words(s), " "); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	long := strings.Repeat("x", 300)
	if got := Words(long + "Yes"); len(got) != 1 || got[0] != "yes" {
		t.Errorf("a word of 300 bytes: %d words", len(got))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`*`, `host:prod* AND metric:"java.lang:type=Memory/HeapMemoryUsage/used"`, `heap usage`, `a:(b OR -c)`,
		`a:/x\/[y]/ b~1`, `n:[1 TO "b c"} n:>=5`, `kube-Sys*x -"a B c"`, `HeapMem*Usage.foo~`, `\*:\"`, `K~`, `"\`,
	} {
		f.Add(s)
	}
	d := dims("metric", "HeapMemoryUsage", "host", "aws42")
	f.Fuzz(func(t *testing.T, text string) {
		flt, n, err := ParsePrefix(text)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) || flt != nil {
				t.Fatalf("%q: %v, %#v", text, flt, err)
			}
			return
		}
		if n > len(text) {
			t.Fatalf("%q: %d bytes read", text, n)
		}
		checkReparse(t, flt)
		if whole, err := Parse(text[:n]); err != nil || whole.String() != flt.String() {
			t.Fatalf("%q: the whole gives %v, %v; the prefix %v", text[:n], whole, err, flt)
		}
		flt.Match(d)
	})
}

func FuzzWords(f *testing.F) {
	f.Add("java.lang:type=Memory/HeapMemoryUsage/used aws42 HTTPServer2xx")
	f.Add("İstanbul ǅ a\xff\u0301b")
	f.Fuzz(func(t *testing.T, s string) {
		words := appendWords(nil, s)
		for i, w := range words {
			if w.text == "" || len(w.text) > maxWordBytes || w.start >= w.end || i > 0 && w.start < words[i-1].start {
				t.Fatalf("%q: word %d of %v", s, i, words)
			}
			if lower(w.text) != w.text {
				t.Fatalf("%q: %q is not in lower case", s, w.text)
			}
			q, err := Parse(quote(w.text))
			if err != nil || !q.Match(chunk.Dimensions{{Name: "a", Value: s}}) {
				t.Fatalf("%q is not found by its word %q (%v, %v)", s, w.text, q, err)
			}
		}
	})
}

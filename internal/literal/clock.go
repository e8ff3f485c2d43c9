package literal

import (
	"math"
	"strconv"
	"time"
)

const (
	nsPerSecond = int64(time.Second)
	nsPerDay    = 24 * int64(time.Hour)
)

// A Clock writes stamps, Unix nanoseconds, as RFC 3339 in one time zone, and reads them. It keeps
// the last day and the bounds of the last zone offset, since stamps that follow each other share
// them. The zero Clock is UTC. A Clock is used by one goroutine at a time.
type Clock struct {
	Location *time.Location // nil means UTC

	offset     int64 // of local time, in nanoseconds, for stamps in [from, until)
	from       int64
	until      int64
	day        int64    // days since 1970 of the date in text
	text       [11]byte // such as 2015-08-12T
	zone       [6]byte  // such as +02:00
	zoneLen    int
	haveDay    bool
	parseText  [10]byte
	parseDay   int64
	haveParsed bool
}

// Append appends stamp t to dst, as in 2015-08-12T17:25:40.964Z: with as many of the nine
// decimals as are not trailing zeros.
func (c *Clock) Append(dst []byte, t int64) []byte {
	if c.zoneLen == 0 || t < c.from || t >= c.until {
		c.findOffset(t)
	}
	// Local time may lie outside the range of int64: count days and the rest apart.
	day, rest := floorDiv(t, nsPerDay)
	if rest += c.offset; rest < 0 {
		day, rest = day-1, rest+nsPerDay
	} else if rest >= nsPerDay {
		day, rest = day+1, rest-nsPerDay
	}
	if !c.haveDay || day != c.day {
		c.setDay(day)
	}
	sec, ns := rest/nsPerSecond, rest%nsPerSecond
	h, m, s := sec/3600, sec/60%60, sec%60
	dst = append(dst, c.text[:]...)
	dst = append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':',
		byte('0'+s/10), byte('0'+s%10))
	if ns != 0 {
		dst = appendFraction(dst, ns)
	}
	return append(dst, c.zone[:c.zoneLen]...)
}

// appendFraction appends the point and the decimals of ns, without trailing zeros.
func appendFraction(dst []byte, ns int64) []byte {
	n := 9
	for ns%1000 == 0 {
		ns, n = ns/1000, n-3
	}
	for ns%10 == 0 {
		ns, n = ns/10, n-1
	}
	dst = append(dst, ".000000000"[:n+1]...)
	for i := len(dst) - 1; ns > 0; i-- {
		dst[i] = byte('0' + ns%10)
		ns /= 10
	}
	return dst
}

// findOffset sets the offset that local time has at t, and for how long.
func (c *Clock) findOffset(t int64) {
	c.from, c.until = math.MinInt64, math.MaxInt64
	c.zoneLen, c.zone[0] = 1, 'Z'
	if c.Location == nil || c.Location == time.UTC {
		return
	}
	at := time.Unix(0, t).In(c.Location)
	_, sec := at.Zone()
	if sec%60 != 0 { // RFC 3339 has no seconds in an offset (local mean times of old): stay exact
		sec -= sec % 60
	}
	if start, end := at.ZoneBounds(); true {
		if !start.IsZero() && start.Year() > 1700 {
			c.from = start.UnixNano()
		}
		if !end.IsZero() && end.Year() < 2262 {
			c.until = end.UnixNano()
		}
	}
	if c.offset = int64(sec) * nsPerSecond; sec != 0 {
		c.zoneLen, c.zone[0] = 6, '+'
		if sec < 0 {
			c.zone[0], sec = '-', -sec
		}
		h, m := sec/3600, sec/60%60
		c.zone = [6]byte{c.zone[0], byte('0' + h/10), byte('0' + h%10), ':', byte('0' + m/10), byte('0' + m%10)}
	}
}

// setDay writes the date of a day into c.text.
func (c *Clock) setDay(day int64) {
	y, m, d := civil(day)
	b := append(c.text[:0], byte('0'+y/1000%10), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10))
	b = append(b, '-', byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
	_ = append(b, 'T')
	c.day, c.haveDay = day, true
}

// Parse reads a stamp such as 2015-08-12T17:25:40.964Z, 2015-08-12 17:25:40+02:00,
// 2015-08-12T17:25 or 2015-08-12; what has no zone is local time in c.Location. All of b must be
// the stamp, and it must be in the range of int64 nanoseconds, 1677 to 2262.
func (c *Clock) Parse(b []byte) (int64, bool) {
	if len(b) < 10 {
		return 0, false
	}
	if !c.haveParsed || string(c.parseText[:]) != string(b[:10]) {
		day, ok := parseDate(b[:10])
		if !ok {
			return 0, false
		}
		c.parseDay, c.haveParsed = day, true
		copy(c.parseText[:], b)
	}
	rest, ns := b[10:], int64(0)
	if len(rest) > 0 {
		if rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
			return 0, false
		}
		var ok bool
		if ns, rest, ok = parseTimeOfDay(rest[1:]); !ok {
			return 0, false
		}
	}
	if len(rest) == 0 && c.Location != nil && c.Location != time.UTC {
		y, m, d := civil(c.parseDay)
		t := time.Date(int(y), time.Month(m), int(d), 0, 0, int(ns/nsPerSecond), int(ns%nsPerSecond), c.Location)
		u := t.UnixNano()
		return u, time.Unix(0, u).Equal(t)
	}
	offset, ok := parseOffset(rest)
	return stampOf(c.parseDay, ns-offset, ok)
}

// stampOf returns the stamp ns after the start of a day, where int64 can hold it.
func stampOf(day, ns int64, ok bool) (int64, bool) {
	more, rest := floorDiv(ns, nsPerDay)
	const last = math.MaxInt64 / nsPerDay
	switch day += more; {
	case day >= -last && day < last:
		return day*nsPerDay + rest, ok
	case day == last:
		t := day*nsPerDay + rest
		return t, ok && t >= 0
	case day == -last-1:
		t := (day+1)*nsPerDay + (rest - nsPerDay)
		return t, ok && t < 0
	}
	return 0, false
}

// parseTimeOfDay reads hh:mm[:ss[.fraction]] from the head of b.
func parseTimeOfDay(b []byte) (ns int64, rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' {
		return 0, b, false
	}
	h, ok1 := two(b)
	m, ok2 := two(b[3:])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, b, false
	}
	ns = (h*60 + m) * 60 * nsPerSecond
	if b = b[5:]; len(b) == 0 || b[0] != ':' {
		return ns, b, true
	}
	if len(b) < 3 {
		return 0, b, false
	}
	s, ok := two(b[1:])
	if !ok || s > 59 {
		return 0, b, false
	}
	ns += s * nsPerSecond
	if b = b[3:]; len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return ns, b, true
	}
	i, unit := 1, nsPerSecond
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if unit /= 10; unit == 0 && b[i] != '0' {
			return 0, b, false // finer than a nanosecond
		}
		ns += int64(b[i]-'0') * unit
	}
	return ns, b[i:], i > 1
}

// parseOffset reads a zone: Z, ±hh:mm, ±hhmm or ±hh, or nothing.
func parseOffset(b []byte) (ns int64, ok bool) {
	if len(b) == 0 || len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) > 1 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok := two(b[1:])
	m := int64(0)
	if rest := b[3:]; ok && len(rest) > 0 {
		if rest[0] == ':' {
			rest = rest[1:]
		}
		if len(rest) != 2 {
			return 0, false
		}
		m, ok = two(rest)
	}
	if ns = (h*60 + m) * 60 * nsPerSecond; b[0] == '-' {
		ns = -ns
	}
	return ns, ok && h < 24 && m < 60
}

// two reads two digits from the head of b.
func two(b []byte) (int64, bool) {
	if len(b) < 2 {
		return 0, false
	}
	x, y := b[0]-'0', b[1]-'0'
	return int64(x)*10 + int64(y), x <= 9 && y <= 9
}

// parseDate reads yyyy-mm-dd, or with / for -, as days since 1970.
func parseDate(b []byte) (int64, bool) {
	if b[4] != '-' && b[4] != '/' || b[7] != b[4] {
		return 0, false
	}
	c, ok1 := two(b)
	y, ok2 := two(b[2:])
	m, ok3 := two(b[5:])
	d, ok4 := two(b[8:])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return 0, false
	}
	return Days(c*100+y, m, d)
}

// Days returns the days from 1970-01-01 to a date of the Gregorian calendar, and whether there is
// such a date (Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, days_from_civil).
func Days(y, m, d int64) (int64, bool) {
	if m < 1 || m > 12 || d < 1 || y < 0 || y > 9999 {
		return 0, false
	}
	yy := y
	if m <= 2 {
		yy--
	}
	era, yoe := floorDiv(yy, 400)
	doy := (153*((m+9)%12)+2)/5 + d - 1
	days := era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
	cy, cm, cd := civil(days)
	return days, cy == y && cm == m && cd == d
}

// civil is the inverse of [Days].
func civil(days int64) (y, m, d int64) {
	era, doe := floorDiv(days+719468, 146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d, m, y = doy-(153*mp+2)/5+1, (mp+2)%12+1, yoe+era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

// floorDiv divides towards minus infinity.
func floorDiv(a, b int64) (q, r int64) {
	if q, r = a/b, a%b; r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// AppendUnits appends t nanoseconds as a decimal count of units, such as time.Second, exactly:
// with decimals where t is not a whole number of them.
func AppendUnits(dst []byte, t int64, unit time.Duration) []byte {
	if t < 0 {
		dst = append(dst, '-')
	}
	whole, part := t/int64(unit), t%int64(unit)
	dst = strconv.AppendUint(dst, magnitude(whole), 10)
	if part == 0 {
		return dst
	}
	return appendFraction(dst, int64(magnitude(part))*(nsPerSecond/int64(unit)))
}

// magnitude is the absolute value of v, of the smallest int64 too.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

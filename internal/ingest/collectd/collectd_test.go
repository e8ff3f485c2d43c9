package collectd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"collectd.org/api"
	"collectd.org/network"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/collectd"
	"github.com/chronodex/chronodex/internal/literal"
)

const now = 1_500_000_000_000_000_000

// show prints what a decoder has gathered and refused, a line each.
func show(d *collectd.Decoder) string {
	var b strings.Builder
	for _, row := range d.Batch().Rows {
		for i, t := range row.Samples.Times {
			if row.Samples.Kind == chunk.Int64 {
				fmt.Fprintf(&b, "%v %d int %d\n", row.Dimensions, t, row.Samples.Ints[i])
			} else {
				fmt.Fprintf(&b, "%v %d %s\n", row.Dimensions, t, literal.AppendFloat(nil, row.Samples.Floats[i]))
			}
		}
	}
	_, refused := d.Refused()
	for _, r := range refused {
		fmt.Fprintf(&b, "refused %d: %v\n", r.Number, r.Reason)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestJSON(t *testing.T) {
	const id = `"host":"a","plugin":"cpu","plugin_instance":"0","type":"cpu","type_instance":"user"`
	const dims = `{host="a", metric="cpu", plugin="cpu", plugin_instance="0", type="cpu", type_instance="user"}`
	for name, tc := range map[string]struct {
		body, want string
		rates      bool
	}{
		"a derive":            {body: `[{"values":[1901474177],"dstypes":["derive"],"dsnames":["value"],"time":1280959128.123,"interval":10.000,` + id + `,"meta":{"a":true}}]`, want: dims + ` 1280959128123000000 int 1901474177`},
		"a counter":           {body: `[{"values":[5],"dstypes":["counter"],"time":1,` + id + `}]`, want: dims + ` 1000000000 int 5`},
		"a gauge":             {body: `[{"values":[5],"dstypes":["gauge"],"time":1,` + id + `}]`, want: dims + ` 1000000000 5`},
		"a gauge that is not": {body: `[{"values":[null,"NaN"],"dstypes":["gauge","gauge"],"time":1,` + id + `}]`, want: ""},
		"no time":             {body: `[{"values":[5],"dstypes":["gauge"],"time":0,` + id + `},{"values":[6],"dstypes":["gauge"],` + id + `}]`, want: dims + " 1500000000000000000 5\n" + dims + " 1500000000000000000 6"},
		"several values": {
			body: `[{"values":[1,2.5],"dstypes":["derive","gauge"],"dsnames":["rx","tx"],"time":1,"host":"a","plugin":"interface","plugin_instance":"","type":"if_octets","type_instance":""}]`,
			want: `{dsname="rx", host="a", metric="interface_if_octets", plugin="interface", type="if_octets"} 1000000000 int 1` + "\n" +
				`{dsname="tx", host="a", metric="interface_if_octets", plugin="interface", type="if_octets"} 1000000000 2.5`,
		},
		"names from types": {
			body: `[{"values":[1,2,3],"dstypes":["gauge","gauge","gauge"],"time":1,"host":"a","plugin":"load","type":"load"}]`,
			want: `{dsname="shortterm", host="a", metric="load", plugin="load", type="load"} 1000000000 1` + "\n" +
				`{dsname="midterm", host="a", metric="load", plugin="load", type="load"} 1000000000 2` + "\n" +
				`{dsname="longterm", host="a", metric="load", plugin="load", type="load"} 1000000000 3`,
		},
		"no names": {
			body: `[{"values":[1,2],"dstypes":["gauge","gauge"],"time":1,"host":"a","plugin":"load","type":"load"}]`,
			want: `{dsname="0", host="a", metric="load", plugin="load", type="load"} 1000000000 1` + "\n" +
				`{dsname="1", host="a", metric="load", plugin="load", type="load"} 1000000000 2`,
		},
		"rates":            {body: `[{"values":[0.5,null],"dstypes":["derive","counter"],"dsnames":["a","b"],"time":1,"host":"a","plugin":"p","type":"t"}]`, rates: true, want: `{dsname="a", host="a", metric="p_t", plugin="p", type="t"} 1000000000 0.5`},
		"a whole rate":     {body: `[{"values":[5],"dstypes":["absolute"],"time":1,` + id + `}]`, rates: true, want: dims + ` 1000000000 5`},
		"a rate unasked":   {body: `[{"values":[0.5],"dstypes":["derive"],"time":1,` + id + `}]`, want: `refused 1: the derive "0.5" is no integer of 64 bits: with StoreRates true, the URL must say ?rates=true`},
		"a huge counter":   {body: `[{"values":[18446744073709551615],"dstypes":["counter"],"time":1,` + id + `}]`, want: `refused 1: the counter "18446744073709551615" is no integer of 64 bits: with StoreRates true, the URL must say ?rates=true`},
		"too few types":    {body: `[{"values":[1,2],"dstypes":["gauge"],"time":1,` + id + `}]`, want: `refused 1: 2 values, 1 dstypes: not a value list`},
		"no values":        {body: `[{"time":1,` + id + `}]`, want: `refused 1: 0 values, 0 dstypes: not a value list`},
		"an unknown type":  {body: `[{"values":[1],"dstypes":["x"],"time":1,` + id + `}]`, want: `refused 1: dstype "x": not a value list`},
		"no host":          {body: `[{"values":[1],"dstypes":["gauge"],"time":1,"plugin":"p","type":"t"}]`, want: `refused 1: no host: not a value list`},
		"no plugin":        {body: `[{"values":[1],"dstypes":["gauge"],"time":1,"host":"p","type":"t"}]`, want: `refused 1: no plugin: not a value list`},
		"no type":          {body: `[{"values":[1],"dstypes":["gauge"],"time":1,"host":"p","plugin":"t"}]`, want: `refused 1: no type: not a value list`},
		"a number as host": {body: `[{"values":[1],"dstypes":["gauge"],"time":1,"host":5,"plugin":"p","type":"t"}]`, want: `refused 1: not a value list: "5" is no string: not a value list`},
		"half a list":      {body: `[{"values":[1,"x"],"dstypes":["gauge","gauge"],"time":1,` + id + `},{"values":[5],"dstypes":["gauge"],"time":1,` + id + `}]`, want: dims + " 1000000000 5\nrefused 1: \"x\" is no number: not a value list"},
		"a bad time":       {body: `[{"values":[1],"dstypes":["gauge"],"time":"x",` + id + `}]`, want: `refused 1: not a value list: time "\"x\"": not a value list`},
	} {
		t.Run(name, func(t *testing.T) {
			d := collectd.Decoder{Types: collectd.KnownTypes()}
			if err := d.JSON([]byte(tc.body), now, tc.rates); err != nil {
				t.Error(err)
			}
			if got := show(&d); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
	for _, bad := range []string{"", "{}", "[", "[{]", "[]x", "[1"} {
		var d collectd.Decoder
		if err := d.JSON([]byte(bad), now, false); !errors.Is(err, collectd.ErrJSON) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// lists are of collectd's writer in Go.
var lists = []*api.ValueList{
	{
		Identifier: api.Identifier{Host: "a", Plugin: "interface", PluginInstance: "eth0", Type: "if_octets"},
		Time:       time.Unix(1_439_400_341, 500_000_000), Interval: 10 * time.Second, Values: []api.Value{api.Derive(-5), api.Derive(1 << 40)},
	},
	{
		Identifier: api.Identifier{Host: "a", Plugin: "interface", PluginInstance: "eth0", Type: "if_octets"},
		Time:       time.Unix(1_439_400_351, 0), Interval: 10 * time.Second, Values: []api.Value{api.Counter(7), api.Gauge(1.5)},
	},
	{
		Identifier: api.Identifier{Host: "b", Plugin: "load", Type: "load"},
		Time:       time.Unix(1_439_400_341, 0), Interval: 10 * time.Second, Values: []api.Value{api.Gauge(0.25), api.Gauge(math.NaN()), api.Gauge(math.Inf(1))},
	},
}

const wantLists = `{dsname="rx", host="a", metric="interface_if_octets", plugin="interface", plugin_instance="eth0", type="if_octets"} 1439400341500000000 int -5
{dsname="rx", host="a", metric="interface_if_octets", plugin="interface", plugin_instance="eth0", type="if_octets"} 1439400351000000000 int 7
{dsname="tx", host="a", metric="interface_if_octets", plugin="interface", plugin_instance="eth0", type="if_octets"} 1439400341500000000 int 1099511627776
{dsname="tx", host="a", metric="interface_if_octets", plugin="interface", plugin_instance="eth0", type="if_octets"} 1439400351000000000 1.5
{dsname="shortterm", host="b", metric="load", plugin="load", type="load"} 1439400341000000000 0.25
{dsname="longterm", host="b", metric="load", plugin="load", type="load"} 1439400341000000000 +Inf`

// packet writes lists with collectd's writer in Go.
func packet(t testing.TB, secure func(*network.Buffer), lists ...*api.ValueList) []byte {
	t.Helper()
	b := network.NewBuffer(0)
	if secure != nil {
		secure(b)
	}
	for _, l := range lists {
		if err := b.Write(context.Background(), l); err != nil {
			t.Fatal(err)
		}
	}
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sign(b *network.Buffer)    { b.Sign("alice", "w0nderl4nd") }
func encrypt(b *network.Buffer) { b.Encrypt("alice", "w0nderl4nd") }

func TestPacket(t *testing.T) {
	good, wrong := map[string]string{"alice": "w0nderl4nd"}, map[string]string{"alice": "x", "bob": "w0nderl4nd"}
	const all = "all"
	for name, tc := range map[string]struct {
		secure func(*network.Buffer)
		users  map[string]string
		level  collectd.Security
		want   string
	}{
		"plain":                       {nil, nil, collectd.SecurityNone, all},
		"plain, users are known":      {nil, good, collectd.SecurityNone, all},
		"plain where one must sign":   {nil, good, collectd.SecuritySign, "no"},
		"signed":                      {sign, good, collectd.SecuritySign, all},
		"signed, nobody is known":     {sign, nil, collectd.SecurityNone, all},
		"signed by somebody unknown":  {sign, map[string]string{}, collectd.SecurityNone, `refused 0: the signature of "alice" is wrong, or they are unknown: not signed or encrypted by a known user`},
		"signed with a wrong one":     {sign, wrong, collectd.SecuritySign, `refused 0: the signature of "alice" is wrong, or they are unknown: not signed or encrypted by a known user`},
		"signed where one encrypts":   {sign, good, collectd.SecurityEncrypt, "no"},
		"encrypted":                   {encrypt, good, collectd.SecurityEncrypt, all},
		"encrypted, signing suffices": {encrypt, good, collectd.SecuritySign, all},
		"encrypted, nobody is known":  {encrypt, nil, collectd.SecurityNone, `refused 0: what "alice" encrypted cannot be decrypted, or they are unknown: not signed or encrypted by a known user`},
		"encrypted with a wrong one":  {encrypt, wrong, collectd.SecurityNone, `refused 0: what "alice" encrypted cannot be decrypted, or they are unknown: not signed or encrypted by a known user`},
	} {
		t.Run(name, func(t *testing.T) {
			d := collectd.Decoder{Types: collectd.KnownTypes(), Users: tc.users, Security: tc.level}
			d.Packet(packet(t, tc.secure, lists...), now)
			want := tc.want
			switch want {
			case all:
				want = wantLists
			case "no":
				want = strings.TrimSuffix(strings.Repeat("refused 0: not signed or encrypted by a known user\n", len(lists)), "\n")
			}
			got := strings.Split(show(&d), "\n")
			if !sameLines(got, strings.Split(want, "\n")) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
		})
	}
}

func sameLines(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// A signature covers what follows it: a byte that is changed, or put before, is not signed.
func TestSignatureCoversWhatFollows(t *testing.T) {
	users := map[string]string{"alice": "w0nderl4nd"}
	data := packet(t, sign, lists...)
	for i := 4; i < len(data); i++ {
		changed := slices.Clone(data)
		changed[i] ^= 1
		d := collectd.Decoder{Users: users, Security: collectd.SecuritySign}
		if d.Packet(changed, now); d.Points() > 0 {
			t.Fatalf("with byte %d changed: %s", i, show(&d))
		}
	}
	d := collectd.Decoder{Users: users, Security: collectd.SecuritySign, Types: collectd.KnownTypes()}
	d.Packet(slices.Concat(packet(t, nil, lists[0]), data), now)
	n, first := d.Refused()
	if n != 1 || !errors.Is(first[0].Reason, collectd.ErrSecurity) || d.Points() != 6 {
		t.Errorf("%s", show(&d))
	}
}

// The files are the first datagrams of collectd 5.12 with the plugins load, memory, cpu and
// interface. Another implementation says what is in them.
func TestPacketsOfTheDaemon(t *testing.T) {
	users := map[string]string{"alice": "w0nderl4nd"}
	for level, security := range map[string]network.SecurityLevel{"none": network.None, "sign": network.Sign, "encrypt": network.Encrypt} {
		data, err := os.ReadFile("testdata/daemon." + level + ".bin")
		if err != nil {
			t.Fatal(err)
		}
		want, err := network.Parse(data, network.ParseOpts{PasswordLookup: lookup(users), SecurityLevel: security})
		if err != nil || len(want) < 10 {
			t.Fatal(len(want), err)
		}
		d := collectd.Decoder{Users: users, Types: collectd.KnownTypes()}
		d.Packet(data, now)
		if n, first := d.Refused(); n > 0 {
			t.Errorf("%s: refused %v", level, first)
		}
		compare(t, &d, want)
	}
}

type lookup map[string]string

func (l lookup) Password(user string) (string, error) {
	if p, ok := l[user]; ok {
		return p, nil
	}
	return "", errors.New("unknown user")
}

// compare checks that a decoder has the values of lists, and no others.
func compare(t testing.TB, d *collectd.Decoder, lists []*api.ValueList) {
	t.Helper()
	var want []string
	for _, l := range lists {
		for _, v := range l.Values {
			text := ""
			switch v := v.(type) {
			case api.Gauge:
				if math.IsNaN(float64(v)) {
					continue
				}
				text = fmt.Sprint(float64(v))
			case api.Derive:
				text = fmt.Sprint(int64(v))
			case api.Counter:
				text = fmt.Sprint(uint64(v))
			}
			want = append(want, fmt.Sprint(l.Host, l.Plugin, l.PluginInstance, l.Type, l.TypeInstance, l.Time.Round(time.Microsecond).UnixNano(), text))
		}
	}
	var got []string
	for _, row := range d.Batch().Rows {
		get := func(name string) string { v, _ := row.Dimensions.Get(name); return v }
		for i, at := range row.Samples.Times {
			text := ""
			if row.Samples.Kind == chunk.Int64 {
				text = fmt.Sprint(row.Samples.Ints[i])
			} else {
				text = fmt.Sprint(row.Samples.Floats[i])
			}
			at = time.Unix(0, at).Round(time.Microsecond).UnixNano() // the other one rounds down
			got = append(got, fmt.Sprint(get("host"), get("plugin"), get("plugin_instance"), get("type"), get("type_instance"), at, text))
		}
	}
	if !sameLines(got, want) {
		t.Errorf("got %d\n%s\nwant %d\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

func TestPacketRefuses(t *testing.T) {
	host := "\x00\x00\x00\x06a\x00"
	good := host + "\x00\x02\x00\x06p\x00\x00\x04\x00\x06t\x00\x00\x01\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x05"
	values := "\x00\x06\x00\x0f\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x07"
	const stored = `{host="a", metric="p_t", plugin="p", type="t"} 5000000000 int 7`
	for name, tc := range map[string]struct{ data, want string }{
		"a value":          {good + values, stored},
		"an unknown part":  {good + "\x01\x01\x00\x05x" + values, stored},
		"no time":          {"\x00\x00\x00\x06a\x00\x00\x02\x00\x06p\x00\x00\x04\x00\x06t\x00" + values, `{host="a", metric="p_t", plugin="p", type="t"} 1500000000000000000 int 7`},
		"a tail":           {good + values + "\x00", stored + "\nrefused 0: 1 bytes are too many: malformed datagram"},
		"a long part":      {good + "\x00\x06\x00\xff", "refused 0: part 0x0006 of 255 bytes in 4: malformed datagram"},
		"a short part":     {good + "\x00\x06\x00\x03", "refused 0: part 0x0006 of 3 bytes in 4: malformed datagram"},
		"no NUL":           {"\x00\x00\x00\x05a", "refused 0: part 0x0000 is no text: malformed datagram"},
		"two NULs":         {"\x00\x00\x00\x06\x00\x00", "refused 0: part 0x0000 is no text: malformed datagram"},
		"a short time":     {"\x00\x01\x00\x05a", "refused 0: a time of 1 bytes: malformed datagram"},
		"a time too late":  {"\x00\x01\x00\x0c\xff\xff\xff\xff\xff\xff\xff\xff", "refused 0: the time 18446744073709551615 is out of range: malformed datagram"},
		"too many values":  {good + "\x00\x06\x00\x0f\x1c\x72\x02\x00\x00\x00\x00\x00\x00\x00\x07", "refused 0: 7282 values in 11 bytes: malformed datagram"},
		"no values":        {good + "\x00\x06\x00\x06\x00\x00", "refused 0: 0 values in 2 bytes: malformed datagram"},
		"an unknown kind":  {good + "\x00\x06\x00\x0f\x00\x01\x09\x00\x00\x00\x00\x00\x00\x00\x07" + values, stored + "\nrefused 0: kind 9 of a value: malformed datagram"},
		"a huge counter":   {good + "\x00\x06\x00\x0f\x00\x01\x00\xff\x00\x00\x00\x00\x00\x00\x07" + values, stored + "\nrefused 0: 18374686479671623687: no integer of 64 bits"},
		"an absolute":      {good + "\x00\x06\x00\x0f\x00\x01\x03\x00\x00\x00\x00\x00\x00\x00\x07", stored},
		"no plugin":        {host + values + good + values, stored + "\nrefused 0: no plugin: not a value list"},
		"a signature":      {"\x02\x00\x00\x05x" + good + values, "refused 0: a signature of 1 bytes: malformed datagram"},
		"an encryption":    {"\x02\x10\x00\x05x" + good + values, "refused 0: an encrypted part of 1 bytes: malformed datagram"},
		"a long user name": {"\x02\x10\x00\x40\xff\xff" + strings.Repeat("x", 58), "refused 0: an encrypted part of 60 bytes: malformed datagram"},
	} {
		t.Run(name, func(t *testing.T) {
			var d collectd.Decoder
			d.Packet([]byte(tc.data), now)
			if got := show(&d); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestTypes(t *testing.T) {
	types := make(collectd.Types)
	err := types.Read(strings.NewReader("# comment\n\nif_octets\trx:DERIVE:0:U, tx:DERIVE:0:U\r\nib rx:DERIVE:0:U tx:DERIVE:0:U\nload a:GAUGE:0:5000,b:GAUGE:0:1\ngauge value:GAUGE:U:U\n"))
	want := collectd.Types{"if_octets": {"rx", "tx"}, "ib": {"rx", "tx"}, "load": {"a", "b"}, "gauge": {"value"}}
	if err != nil || fmt.Sprint(types) != fmt.Sprint(want) {
		t.Errorf("%v, %v", types, err)
	}
	for _, bad := range []string{"x y", "x a:b:c", "x :GAUGE:0:U", strings.Repeat("x", 1<<20)} {
		if err := types.Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%.20q was read", bad)
		}
	}
	users, err := collectd.ReadUsers(strings.NewReader("# comment\nalice: w0nderl4nd\n\n bob :bu1|d:er\n"))
	if err != nil || fmt.Sprint(users) != "map[alice:w0nderl4nd bob:bu1|d:er]" {
		t.Errorf("%v, %v", users, err)
	}
	for _, bad := range []string{"alice", "alice:", ":x"} {
		if _, err := collectd.ReadUsers(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The types that we know are those of several values in collectd's own file, where that is there.
func TestKnownTypes(t *testing.T) {
	file, err := os.Open("/usr/share/collectd/types.db")
	if err != nil {
		t.Skip("no types.db: ", err)
	}
	defer file.Close()
	types := make(collectd.Types)
	if err := types.Read(file); err != nil {
		t.Fatal(err)
	}
	known := collectd.KnownTypes()
	for name, values := range types {
		if len(values) > 1 && !slices.Equal(values, known[name]) {
			t.Errorf("%s has %v, we know %v", name, values, known[name])
		}
	}
}

func validate(t *testing.T, d *collectd.Decoder, size int) {
	t.Helper()
	for _, row := range d.Batch().Rows {
		if err := row.Dimensions.Validate(); err != nil || !row.Samples.Valid() {
			t.Fatalf("%v: %v", row, err)
		}
	}
	if d.Points() > size || d.Points() != d.Batch().Observations() {
		t.Fatalf("%d points of %d bytes, in the batch %d", d.Points(), size, d.Batch().Observations())
	}
}

func FuzzPacket(f *testing.F) {
	log.SetOutput(io.Discard) // the other implementation logs what it does not know
	for _, level := range []string{"none", "sign", "encrypt"} {
		data, err := os.ReadFile("testdata/daemon." + level + ".bin")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(packet(f, nil, lists...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		d := collectd.Decoder{Users: map[string]string{"alice": "w0nderl4nd"}}
		d.Packet(data, now)
		validate(t, &d, len(data))
		// What both implementations take whole, they read the same; but the other one yields twice
		// what is signed.
		want, err := network.Parse(data, network.ParseOpts{PasswordLookup: lookup(d.Users)})
		if n, _ := d.Refused(); err == nil && n == 0 && !bytes.Contains(data, []byte{2, 0}) && !strings.Contains(show(&d), " 1500000000000000000 ") {
			values := 0
			for _, l := range want {
				for _, v := range l.Values {
					if g, ok := v.(api.Gauge); !ok || !math.IsNaN(float64(g)) {
						values++
					}
				}
			}
			if values != d.Points() {
				t.Fatalf("%d values, %d for the other one:\n%s", d.Points(), values, show(&d))
			}
		}
	})
}

func FuzzPacketRoundTrip(f *testing.F) {
	f.Add("a", "cpu", "0", "cpu", "user", int64(5), 1.5, uint64(7), uint32(1_439_400_341), uint8(0))
	f.Fuzz(func(t *testing.T, host, plugin, pi, typ, ti string, derive int64, gauge float64, counter uint64, at uint32, secure uint8) {
		if strings.ContainsRune(host+plugin+pi+typ+ti, 0) || host == "" || plugin == "" || typ == "" || counter > math.MaxInt64 || at == 0 || len(host+plugin+pi+typ+ti) > 1000 {
			t.Skip()
		}
		l := &api.ValueList{
			Identifier: api.Identifier{Host: host, Plugin: plugin, PluginInstance: pi, Type: typ, TypeInstance: ti},
			Time:       time.Unix(int64(at), 0), Interval: time.Second, Values: []api.Value{api.Derive(derive), api.Gauge(gauge), api.Counter(counter)},
		}
		d := collectd.Decoder{Users: map[string]string{"alice": "w0nderl4nd"}}
		d.Packet(packet(t, []func(*network.Buffer){nil, sign, encrypt}[secure%3], l), now)
		compare(t, &d, []*api.ValueList{l})
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`[{"values":[1901474177],"dstypes":["derive"],"dsnames":["value"],"time":1280959128.123,"interval":10.000,"host":"a","plugin":"cpu","plugin_instance":"0","type":"cpu","type_instance":"user"}]`,
		`[{"values":[null,1],"dstypes":["gauge","counter"],"host":"a","plugin":"b","type":"c\u0000"}]`, `[{}]`, `[`,
	} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, rates bool) {
		d := collectd.Decoder{Types: collectd.KnownTypes()}
		if err := d.JSON(body, now, rates); err != nil && !errors.Is(err, collectd.ErrJSON) {
			t.Fatal(err)
		}
		validate(t, &d, len(body))
	})
}

// FuzzJSONRoundTrip writes lists with collectd's writer in Go.
func FuzzJSONRoundTrip(f *testing.F) {
	f.Add("a", "cpu", "0", "user", int64(5), 1.5, uint32(1_439_400_341))
	f.Fuzz(func(t *testing.T, host, plugin, typ, ti string, derive int64, gauge float64, at uint32) {
		if host == "" || plugin == "" || typ == "" || at == 0 || math.IsInf(gauge, 0) || math.IsNaN(gauge) {
			t.Skip()
		}
		for _, s := range []string{host, plugin, typ, ti} {
			if strings.ToValidUTF8(s, "") != s || len(s) > chunk.MaxValueBytes/2 {
				t.Skip()
			}
		}
		l := &api.ValueList{
			Identifier: api.Identifier{Host: host, Plugin: plugin, Type: typ, TypeInstance: ti},
			Time:       time.Unix(int64(at), 0), Values: []api.Value{api.Derive(derive), api.Gauge(float64(float32(gauge)))},
		}
		body, err := l.MarshalJSON()
		if err != nil {
			t.Skip(err)
		}
		var d collectd.Decoder
		if err := d.JSON(slices.Concat([]byte("["), body, []byte("]")), now, false); err != nil {
			t.Fatal(err)
		}
		if n, first := d.Refused(); n > 0 || d.Points() != 2 || d.Batch().Rows[0].Samples.Ints[0] != derive {
			t.Fatalf("%s: %v\n%s", body, first, show(&d))
		}
		if got, want := d.Batch().Rows[1].Samples.Floats[0], float64(float32(gauge)); math.Abs(got-want) > 1e-14*math.Abs(want) {
			t.Fatalf("%s: %v, want %v", body, got, want)
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	data, err := os.ReadFile("testdata/daemon.none.bin")
	if err != nil {
		b.Fatal(err)
	}
	d := collectd.Decoder{Types: collectd.KnownTypes()}
	d.Packet(data, now)
	n := d.Points()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		d.Packet(data, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/point")
}

package arrowin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/chunk"
)

// A field of a schema, in few words.
type field struct {
	name string
	typ  arrow.DataType
}

var (
	ns    = &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	words = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
)

// stream writes records, each a JSON array of rows, as a stream.
func stream(t testing.TB, fields []field, records []string, o ...ipc.Option) []byte {
	t.Helper()
	var fs []arrow.Field
	for _, f := range fields {
		fs = append(fs, arrow.Field{Name: f.name, Type: f.typ, Nullable: true})
	}
	schema := arrow.NewSchema(fs, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(o, ipc.WithSchema(schema), ipc.WithDictionaryDeltas(false))...)
	for _, text := range records {
		r, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// decode reads a stream, and prints its rows, sorted, and what was refused.
func decode(r io.Reader, o Options) (lines, refused []string, err error) {
	o.Emit = func(b *chunk.Batch) error {
		for _, r := range b.Rows {
			s := r.Samples
			if !s.Valid() {
				return fmt.Errorf("columns of %v do not fit", r.Dimensions)
			}
			if err := r.Dimensions.Validate(); err != nil {
				return err
			}
			for i, at := range s.Times {
				line := fmt.Sprintf("%v %v %d=", r.Dimensions, s.Kind, at)
				switch s.Kind {
				case chunk.Float64:
					line += fmt.Sprint(s.Floats[i])
				case chunk.Int64:
					line += fmt.Sprint(s.Ints[i])
				case chunk.Bool:
					line += fmt.Sprint(s.Bools[i])
				case chunk.String:
					line += s.Strings[i]
				}
				lines = append(lines, line)
			}
		}
		return nil
	}
	o.Refused = func(row int64, why error) { refused = append(refused, fmt.Sprintf("%d: %v", row, why)) }
	err = Decode(r, o)
	slices.Sort(lines)
	return lines, refused, err
}

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		fields  []field
		records []string
		set     []chunk.Dimension
		want    []string
		refused []string
	}{
		"columns are metrics": {
			fields: []field{{"time", ns}, {"host", words}, {"cpu", arrow.PrimitiveTypes.Float64}, {"up", arrow.FixedWidthTypes.Boolean}},
			records: []string{
				`[{"time":"1970-01-01T00:00:00.000000001Z","host":"a","cpu":0.5,"up":true},
				{"time":"1970-01-01T00:00:00.000000001Z","host":"b","cpu":null,"up":false},{"time":"1970-01-01T00:00:00.000000002Z","host":"a","cpu":0.25}]`,
				`[{"time":"1970-01-01T00:00:00.000000003Z","host":"b","cpu":1,"up":true}]`,
			},
			want: []string{
				`{host="a", metric="cpu"} float64 1=0.5`, `{host="a", metric="cpu"} float64 2=0.25`, `{host="a", metric="up"} bool 1=true`,
				`{host="b", metric="cpu"} float64 3=1`, `{host="b", metric="up"} bool 1=false`, `{host="b", metric="up"} bool 3=true`,
			},
		},
		"a column of metrics": {
			fields: []field{{"time", arrow.PrimitiveTypes.Int64}, {"metric", arrow.BinaryTypes.String}, {"host", arrow.BinaryTypes.LargeString}, {"value", arrow.PrimitiveTypes.Int16}},
			records: []string{`[{"time":-5,"metric":"m","host":"a","value":7},{"time":6,"metric":"n","host":"","value":8},
				{"time":7,"metric":"n","value":9},{"time":8,"metric":"n","host":"x"}]`},
			want: []string{`{host="a", metric="m"} int64 -5=7`, `{metric="n"} int64 6=8`, `{metric="n"} int64 7=9`},
		},
		"strings": {
			fields:  []field{{"value", arrow.BinaryTypes.String}, {"time", &arrow.TimestampType{Unit: arrow.Second}}},
			records: []string{`[{"time":"1970-01-01T00:00:02Z","value":"on"}]`},
			want:    []string{`{metric="value"} string 2000000000=on`},
		},
		"strings of a dictionary": {
			fields:  []field{{"value", words}, {"time", &arrow.TimestampType{Unit: arrow.Millisecond}}},
			records: []string{`[{"time":"1970-01-01T00:00:02Z","value":"on"},{"time":"1970-01-01T00:00:03Z","value":null}]`},
			want:    []string{`{metric="value"} string 2000000000=on`},
		},
		"dimensions for all": {
			fields:  []field{{"time", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Berlin"}}, {"host", words}, {"value", arrow.PrimitiveTypes.Float32}},
			records: []string{`[{"time":"1970-01-01T00:00:00.000001Z","host":"a","value":0.5},{"time":"1970-01-01T00:00:00.000001Z","value":1.5}]`},
			set:     []chunk.Dimension{{Name: "host", Value: "z"}, {Name: "metric", Value: "m"}},
			want:    []string{`{host="a", metric="m"} float64 1000=0.5`, `{host="z", metric="m"} float64 1000=1.5`},
		},
		"numbers of all widths": {
			fields: []field{
				{"time", arrow.PrimitiveTypes.Int64},
				{"a", arrow.PrimitiveTypes.Int8},
				{"b", arrow.PrimitiveTypes.Uint8},
				{"c", arrow.PrimitiveTypes.Uint16},
				{"d", arrow.PrimitiveTypes.Int32},
				{"e", arrow.PrimitiveTypes.Uint32},
				{"f", arrow.PrimitiveTypes.Int64},
				{"g", arrow.PrimitiveTypes.Uint64},
				{"h", arrow.FixedWidthTypes.Float16},
				{"n", arrow.Null},
			},
			records: []string{`[{"time":1,"a":-128,"b":255,"c":65535,"d":-2147483648,"e":4294967295,"f":-9223372036854775808,"g":9007199254740991,"h":0.5}]`},
			want: []string{
				`{metric="a"} int64 1=-128`, `{metric="b"} int64 1=255`, `{metric="c"} int64 1=65535`, `{metric="d"} int64 1=-2147483648`,
				`{metric="e"} int64 1=4294967295`, `{metric="f"} int64 1=-9223372036854775808`, `{metric="g"} int64 1=9007199254740991`, `{metric="h"} float64 1=0.5`,
			},
		},
		"bad rows": {
			fields: []field{{"time", &arrow.TimestampType{Unit: arrow.Second}}, {"a", arrow.PrimitiveTypes.Uint64}, {"b", arrow.PrimitiveTypes.Uint64}},
			records: []string{
				`[{"time":"1970-01-01T00:00:01Z","a":1},{"a":2},{"time":"3000-01-01T00:00:00Z","a":3}]`,
				`[{"time":"1970-01-01T00:00:02Z","a":9223372036854775808,"b":1}]`,
			},
			want:    []string{`{metric="a"} int64 1000000000=1`, `{metric="b"} int64 2000000000=1`},
			refused: []string{"2: no time", "3: the time is out of the range of int64 nanoseconds", `4: column "a": the integer is out of the range of int64`},
		},
		"a name that is too long": {
			fields:  []field{{"time", arrow.PrimitiveTypes.Int64}, {strings.Repeat("x", 2000), arrow.BinaryTypes.String}, {"v", arrow.PrimitiveTypes.Int8}},
			records: []string{fmt.Sprintf(`[{"time":1,"v":1},{"time":2,"v":1,"%s":"a"}]`, strings.Repeat("x", 2000))},
			want:    []string{`{metric="v"} int64 1=1`}, refused: []string{"2: "},
		},
		"nothing": {fields: []field{{"time", arrow.PrimitiveTypes.Int64}, {"v", arrow.PrimitiveTypes.Int8}}, records: []string{`[]`}},
	} {
		for variant, o := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				data := stream(t, tc.fields, tc.records, o...)
				got, refused, err := decode(iotest.OneByteReader(bytes.NewReader(data)), Options{Set: tc.set})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				if len(refused) != len(tc.refused) {
					t.Fatalf("refused %q, want %q", refused, tc.refused)
				}
				for i := range refused {
					if !strings.HasPrefix(refused[i], tc.refused[i]) {
						t.Errorf("refused %q, want %q", refused[i], tc.refused[i])
					}
				}
			})
		}
	}
}

func TestMalformed(t *testing.T) {
	i64, i8, text := arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int8, arrow.BinaryTypes.String
	many := []field{{"time", i64}}
	for i := range maxColumns {
		many = append(many, field{fmt.Sprint("v", i), i8})
	}
	good := stream(t, []field{{"time", i64}, {"v", i8}}, []string{`[{"time":1,"v":1}]`})
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"no time":             {stream(t, []field{{"v", i8}}, nil), "no column is called time"},
		"a time as text":      {stream(t, []field{{"time", text}}, nil), "want a timestamp"},
		"a list":              {stream(t, []field{{"time", i64}, {"l", arrow.ListOf(i8)}}, nil), "nested"},
		"a date":              {stream(t, []field{{"time", i64}, {"d", arrow.FixedWidthTypes.Date32}}, nil), "of type date"},
		"a dictionary of int": {stream(t, []field{{"time", i64}, {"d", &arrow.DictionaryType{IndexType: i8, ValueType: i64}}}, nil), "neither time"},
		"two metrics":         {stream(t, []field{{"time", i64}, {"metric", text}, {"a", i8}, {"b", i8}}, nil), "only one"},
		"a name twice":        {stream(t, []field{{"time", i64}, {"a", i8}, {"a", i8}}, nil), "two columns are called"},
		"many columns":        {stream(t, many, nil), "1025 columns"},
		"zstd":                {stream(t, []field{{"time", i64}, {"v", i8}}, []string{`[{"time":1,"v":1}]`}, ipc.WithZstd()), "Content-Encoding"},
		"text":                {[]byte("time,value\n1,2\n"), "metadata of"},
		"nothing":             {nil, "EOF"},
		"cut in a message":    {good[:len(good)-12], "ends within"},
		"a huge body":         {append(binary.LittleEndian.AppendUint32(nil, continuation), 0xff, 0xff, 0xff, 0x7f), "metadata of 2147483647 bytes"},
	} {
		got, _, err := decode(bytes.NewReader(tc.data), Options{})
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
	if _, _, err := decode(bytes.NewReader(good), Options{MaxBytes: 10}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "at most 10") {
		t.Errorf("a message of more than 10 bytes: %v", err)
	}
	broken := errors.New("connection reset")
	full := errors.New("too much at once")
	if _, _, err := decode(bytes.NewReader(good), Options{Hold: func(int64) error { return full }}); !errors.Is(err, full) || errors.Is(err, ErrFormat) {
		t.Errorf("no memory for a message: %v", err)
	}
	if _, _, err := decode(io.MultiReader(bytes.NewReader(good[:50]), iotest.ErrReader(broken)), Options{}); !errors.Is(err, broken) {
		t.Errorf("a broken connection: %v", err)
	}
	if err := Decode(bytes.NewReader(good), Options{Emit: func(*chunk.Batch) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("an error of Emit: %v", err)
	}
}

// Columns that are small as bytes, and would be large in memory, are converted in slices.
func TestSlices(t *testing.T) {
	const rows, values = 40000, 50
	times := array.NewInt64Builder(memory.DefaultAllocator)
	bits := array.NewBooleanBuilder(memory.DefaultAllocator)
	for i := range rows {
		times.Append(int64(i))
		bits.Append(i%3 == 0)
	}
	fields, columns := []arrow.Field{{Name: "time", Type: arrow.PrimitiveTypes.Int64}}, []arrow.Array{times.NewArray()}
	flags := bits.NewArray()
	for i := range values {
		fields, columns = append(fields, arrow.Field{Name: fmt.Sprint("v", i), Type: arrow.FixedWidthTypes.Boolean}), append(columns, flags)
	}
	schema := arrow.NewSchema(fields, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(array.NewRecord(schema, columns, rows)), w.Close()); err != nil {
		t.Fatal(err)
	}
	next, batches := int64(0), 0
	err := Decode(&out, Options{Emit: func(b *chunk.Batch) error {
		batches++
		if n := b.Observations(); n > sliceCells {
			t.Errorf("a batch of %d observations", n)
		}
		for _, r := range b.Rows {
			for i, at := range r.Samples.Times {
				if at != next+int64(i) || r.Samples.Bools[i] != (at%3 == 0) {
					t.Fatalf("row %d is at %d: %v", next+int64(i), at, r.Samples.Bools[i])
				}
			}
		}
		next += int64(b.Rows[0].Samples.Len())
		return nil
	}})
	if err != nil || next != rows || batches < 4 {
		t.Errorf("%d rows in %d batches: %v", next, batches, err)
	}
}

func FuzzDecode(f *testing.F) {
	fields := []field{{"time", ns}, {"host", words}, {"dc", arrow.BinaryTypes.String}, {"a", arrow.PrimitiveTypes.Float64}, {"b", arrow.FixedWidthTypes.Boolean}, {"c", arrow.PrimitiveTypes.Uint64}}
	record := `[{"time":"1970-01-01T00:00:00.000000001Z","host":"a","dc":"x","a":0.5,"b":true,"c":1},{"time":"1970-01-01T00:00:00.000000001Z","host":"b","dc":null,"a":null}]`
	f.Add(stream(f, fields, []string{record, record}))
	f.Add(stream(f, fields, []string{record}, ipc.WithLZ4()))
	f.Add(stream(f, []field{{"time", arrow.PrimitiveTypes.Int64}, {"metric", arrow.BinaryTypes.LargeString}, {"value", words}}, []string{`[{"time":1,"metric":"m","value":"v"}]`}))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, err := decode(bytes.NewReader(data), Options{MaxBytes: 1 << 20})
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	const rows = 100_000
	host, time, value := array.NewDictionaryBuilder(memory.DefaultAllocator, words).(*array.BinaryDictionaryBuilder), array.NewInt64Builder(memory.DefaultAllocator), array.NewFloat64Builder(memory.DefaultAllocator)
	for i := range rows {
		if err := host.AppendString(fmt.Sprint("host", i%100)); err != nil {
			b.Fatal(err)
		}
		time.Append(int64(i))
		value.Append(math.Sqrt(float64(i)))
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "time", Type: arrow.PrimitiveTypes.Int64}, {Name: "host", Type: words}, {Name: "v", Type: arrow.PrimitiveTypes.Float64}}, nil)
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(array.NewRecord(schema, []arrow.Array{time.NewArray(), host.NewArray(), value.NewArray()}, rows)), w.Close()); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(out.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if err := Decode(bytes.NewReader(out.Bytes()), Options{Emit: func(*chunk.Batch) error { return nil }}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/observation")
}

package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/ingest/collectd"
)

// CollectdOptions say how collectd's datagrams are read. The zero value takes everything.
type CollectdOptions struct {
	Types    collectd.Types    // names of values; nil means those that collectd comes with
	Users    map[string]string // passwords of those who sign and encrypt
	Security collectd.Security // what datagrams must have
}

func (r *Receiver) collectdDecoder() *collectd.Decoder {
	o := r.o.Collectd
	if o.Types == nil {
		o.Types = collectd.KnownTypes()
	}
	return &collectd.Decoder{Types: o.Types, Users: o.Users, Security: o.Security}
}

// collectdReader reads datagrams.
type collectdReader struct{ *collectd.Decoder }

func (c collectdReader) packet(data []byte, now int64) { c.Packet(data, now) }

// ServeCollectd takes the datagrams of collectd's plugin network, until ctx is done; then it stores
// what it has read, closes c, and returns nil. What the store does not take in time is lost, and
// counted.
func (r *Receiver) ServeCollectd(ctx context.Context, c net.PacketConn) error {
	return r.packets(ctx, c, "collectd", func() packetReader { return collectdReader{r.collectdDecoder()} })
}

func (r *Receiver) collectdRoutes() []access.Route {
	f := r.own["collectd"]
	return []access.Route{{Method: "POST", Pattern: "/collectd", Need: access.Write, Handler: http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w := &ownWrite{Request: req, r: r}
		err := f.read(w)
		r.count("collectd_http", w.stored, w.refused)
		w.answer(rw, err)
	})}}
}

// ownCollectd returns the format of collectd's plugin write_http.
func (r *Receiver) ownCollectd() ownFormat {
	decoders := &sync.Pool{New: func() any { return r.collectdDecoder() }}
	return ownFormat{parameters: []string{"rates"}, read: func(w *ownWrite) error {
		rates := false
		if text := w.URL.Query().Get("rates"); text != "" {
			var err error
			if rates, err = strconv.ParseBool(text); err != nil {
				return fmt.Errorf("%w: rates=%s: want true or false", errOwn, text)
			}
		}
		b, err := r.body(w.Request)
		if err != nil {
			return err
		}
		defer b.release()
		d := decoders.Get().(*collectd.Decoder)
		defer decoders.Put(d)
		defer d.Reset()
		if err := d.JSON(b.data, r.o.Now().UnixNano(), rates); errors.Is(err, collectd.ErrJSON) {
			return fmt.Errorf("%w: %w", errOwn, err)
		}
		refused, first := d.Refused()
		w.refused += refused
		for _, f := range first {
			w.describe(exchange.Refusal{Detail: fmt.Sprintf("value list %d: %v", f.Number, f.Reason)})
		}
		if d.Points() == 0 {
			return nil
		}
		return w.append(d.Batch())
	}}
}

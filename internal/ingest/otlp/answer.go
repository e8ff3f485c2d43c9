package otlp

import (
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Answer returns the answer to a request, in JSON or protobuf: that all of it was taken where
// refused is 0, and else how many data points were not, and why.
func Answer(refused int64, why string, json bool) ([]byte, error) {
	m := new(collectorpb.ExportMetricsServiceResponse)
	if refused > 0 {
		m.PartialSuccess = &collectorpb.ExportMetricsPartialSuccess{RejectedDataPoints: refused, ErrorMessage: why}
	}
	return marshal(m, json)
}

// Failure returns the body of an HTTP answer that says that nothing was taken: a google.rpc.Status
// with a code of gRPC.
func Failure(code uint32, why string, json bool) ([]byte, error) {
	return marshal(&statuspb.Status{Code: int32(code), Message: why}, json)
}

func marshal(m proto.Message, json bool) ([]byte, error) {
	if json {
		return protojson.Marshal(m)
	}
	return proto.Marshal(m)
}

// RetryInfo returns the detail of a gRPC status that says when to try again.
func RetryInfo(after time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(after)}
}

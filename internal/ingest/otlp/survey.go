package otlp

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxDepth is how deep messages are nested: five of them lead to an attribute, and two or three
// more to each level of arrays and maps in it.
const maxDepth = 64

// A message is a type of message, as far as its fields are messages: by number, 0 is none.
type message uint8

// The types of messages that have fields which are messages, and one for all others.
const (
	none message = iota
	request
	resourceMetrics
	resource
	scopeMetrics
	scope
	metric
	numbers
	histograms
	exponentials
	summaries
	numberPoint
	histogramPoint
	exponentialPoint
	summaryPoint
	exemplar
	keyValue
	anyValue
	anyValues
	keyValues
	leaf
)

// inner returns the type of the message in a field of m, or none where the field is none.
func (m message) inner(field protowire.Number) message {
	switch m {
	case request:
		return pick(field, 1, resourceMetrics)
	case resourceMetrics:
		return pick(field, 1, resource) + pick(field, 2, scopeMetrics)
	case resource:
		return pick(field, 1, keyValue) + pick(field, 3, leaf)
	case scopeMetrics:
		return pick(field, 1, scope) + pick(field, 2, metric)
	case scope:
		return pick(field, 3, keyValue)
	case metric:
		return pick(field, 5, numbers) + pick(field, 7, numbers) + pick(field, 9, histograms) +
			pick(field, 10, exponentials) + pick(field, 11, summaries) + pick(field, 12, keyValue)
	case numbers:
		return pick(field, 1, numberPoint)
	case histograms:
		return pick(field, 1, histogramPoint)
	case exponentials:
		return pick(field, 1, exponentialPoint)
	case summaries:
		return pick(field, 1, summaryPoint)
	case numberPoint:
		return pick(field, 7, keyValue) + pick(field, 5, exemplar)
	case histogramPoint:
		return pick(field, 9, keyValue) + pick(field, 8, exemplar)
	case exponentialPoint:
		return pick(field, 1, keyValue) + pick(field, 11, exemplar) + pick(field, 8, leaf) + pick(field, 9, leaf)
	case summaryPoint:
		return pick(field, 7, keyValue) + pick(field, 6, leaf)
	case exemplar:
		return pick(field, 7, keyValue)
	case keyValue:
		return pick(field, 2, anyValue)
	case anyValue:
		return pick(field, 5, anyValues) + pick(field, 6, keyValues)
	case anyValues:
		return pick(field, 1, anyValue)
	case keyValues:
		return pick(field, 1, keyValue)
	}
	return none
}

func pick(field, want protowire.Number, m message) message {
	if field == want {
		return m
	}
	return none
}

// survey counts the messages in data, a message of type m, before anything is allocated for them.
// It reports bytes that are no message, more messages than there may be, and too deep ones.
func survey(data []byte, m message, depth int, left *int) error {
	if depth > maxDepth {
		return fmt.Errorf("messages are nested more than %d deep: %w", maxDepth, ErrMalformed)
	}
	for len(data) > 0 {
		field, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("protobuf: %w: %w", protowire.ParseError(n), ErrMalformed)
		}
		data = data[n:]
		if wire != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, wire, data); n < 0 {
				return fmt.Errorf("protobuf: %w: %w", protowire.ParseError(n), ErrMalformed)
			}
			data = data[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return fmt.Errorf("protobuf: %w: %w", protowire.ParseError(n), ErrMalformed)
		}
		data = data[n:]
		inner := m.inner(field)
		if inner == none {
			if m == resource || m == leaf { // strings in a list take memory even when they are empty
				*left--
			}
			continue
		}
		if *left--; *left < 0 {
			return ErrTooLarge
		}
		if err := survey(value, inner, depth+1, left); err != nil {
			return err
		}
	}
	return nil
}

package analytics

import "reflect"

// A function is an [Aggregate]: names for its outputs, and what makes its states.
type function struct {
	outputs []string
	states  func(n int) States
}

// Outputs implements [Aggregate].
func (f *function) Outputs() []string { return f.outputs }

// NewStates implements [Aggregate].
func (f *function) NewStates(n int) States { return f.states(n) }

// one returns what binds an aggregate that takes no arguments and has one output.
func one(name string, states func(n int) States) func([]float64) Aggregate {
	return func([]float64) Aggregate { return &function{outputs: []string{name}, states: states} }
}

// sizeOf is the bytes that one T takes, without what it points to.
func sizeOf[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

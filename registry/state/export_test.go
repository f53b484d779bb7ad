package state

// SetFault has each step of a durable write ask f first, until it is called with nil.
func SetFault(f func(step string) error) {
	fault = nil
	if f != nil {
		fault = func(s step) error { return f(string(s)) }
	}
}

// Steps are those of a durable write, in order.
var Steps = []string{string(stepWrite), string(stepSync), string(stepRename), string(stepFolder)}

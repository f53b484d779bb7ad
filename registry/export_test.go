package registry

// InFlight returns how many entries are in flight.
func InFlight(r *Registry) int { return len(r.flights.slots) }

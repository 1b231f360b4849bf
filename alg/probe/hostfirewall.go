package probe

import "nofixup/alg"

// firewaller is a network that knows whether this computer has a firewall of its own: one of the Firewall constants of package
// alg. The one in memory has none.
type firewaller interface{ Firewall() string }

// Firewall reports whether a packet filter of this computer looks at what comes in, as far as the system tells.
func (System) Firewall() string { return hostFirewall() }

// firewall is what is known of this computer's firewall.
func (r *runner) firewall() string {
	if f, ok := r.cfg.Network.(firewaller); ok {
		return f.Firewall()
	}
	return alg.FirewallNone
}

// noteFirewall says that something did not come in for which this computer may be the reason.
func (r *runner) noteFirewall(state string) {
	const untested = "whether something on the way opens ports for the media of calls was not tested as far as nothing came in"
	switch state {
	case alg.FirewallActive:
		r.note("a firewall of this computer filters what comes in: " + untested + "; let UDP from the reflector in while this runs, or turn the firewall off for so long")
	case alg.FirewallUnknown:
		r.note("a firewall of this computer may filter what comes in (" + firewallUnknown + "): " + untested)
	}
}

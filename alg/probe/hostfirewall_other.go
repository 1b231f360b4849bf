//go:build !linux

package probe

import "nofixup/alg"

// firewallUnknown says why it is not known, and what helps.
const firewallUnknown = "this system does not tell a program; let UDP from the reflector in while this runs"

func hostFirewall() string { return alg.FirewallUnknown }

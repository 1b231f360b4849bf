package alg

// Steps that send the same message in one segment, and in several: an INVITE cut among its headers and in the middle of its
// body, an OPTIONS octet by octet.
const (
	StepInvite             = "invite"
	StepInviteSplitHeaders = "invite-split-headers"
	StepInviteSplitBody    = "invite-split-body"
	StepOptions            = "options"
	StepOptionsOctets      = "options-octets"
)

// Linux takes every segment for a message (net/netfilter/nf_conntrack_sip.c, sip_help_tcp): one whose body is not all there
// passes as it is.
var sipSplitUntouched = Rule{
	ID:       "sip-split-untouched",
	Severity: Info,
	Summary:  "a message that arrives in several segments is left as it is, the same one in a single segment is rewritten",
	Symptom:  "Calls differ from one another: with long messages, or on a busy line, the addresses stay private.",
	Advice:   turnOff,
	Source:   "RFC 3261 18.3",
}

package alg

import "nofixup/sip"

// Rule turns one kind of observation into a finding. Identifiers are for ever: scripts and tickets hold on to them. Every
// rule has a file here, a pair in testdata/pairs or a table in a test that shows it, and a page under docs/findings.
type Rule struct {
	ID       string
	Severity Severity
	Summary  string // what was seen, one line
	Symptom  string // what a user hears or sees
	Advice   string // what to do
	Source   string // the standard that the observation is measured by

	// Benign says that the observation is a service's right, not interference: the path stays clean.
	Benign bool

	// change claims a change; the first rule that claims one takes it.
	change func(x *exchange, c *Change) bool
	// message finds what no single change shows, in a message that was altered.
	message func(x *exchange) (Change, bool)
}

// Rules returns every rule, in the order in which they claim changes: the special before the general.
func Rules() []Rule {
	return []Rule{
		sipProxy,
		contentLengthWrong,
		contentLengthRewritten,
		sdpConnectionRewritten,
		sdpOriginRewritten,
		sdpMediaPortRewritten,
		sdpAttributeRewritten,
		sdpLineInserted,
		sdpLineRemoved,
		sdpRewritten,
		headerReformatted,
		viaRewritten,
		contactRewritten,
		identityRewritten,
		requestURIRewritten,
		callIDRewritten,
		routeRewritten,
		headerInserted,
		headerRemoved,
		bodyCorrupted,
		messageRewritten,
		messageDropped,
		nonconformingDropped,
		portBlocked,
	}
}

// exchange is an altered message with what rules want to know of it.
type exchange struct {
	pair    *Pair
	path    Path
	changes []Change
	sent    sip.Message
	got     sip.Message
	proxies map[string]bool // sent-by of every Via that a proxy added to messages of this flow
}

func newExchange(p *Pair, path Path) *exchange {
	x := &exchange{pair: p, path: path, changes: Compare(path.Proto, p)}
	sent, got := p.ends()
	x.sent, x.got = sip.Parse(sent.Raw), sip.Parse(got.Raw)
	return x
}

// claim returns the rule that takes a change. The last rule for changes takes all, so there always is one.
func claim(rules []Rule, x *exchange, c *Change) *Rule {
	for i := range rules {
		if r := &rules[i]; r.change != nil && r.change(x, c) {
			return r
		}
	}
	return nil
}

// advice that most rules share.
const turnOff = "Turn off the SIP application gateway (also called ALG, helper, fixup, inspection, session helper or " +
	"\"SIP transformations\") of the firewall or router, then run nofixup again. Where it cannot be turned off, use SIP over " +
	"TLS, which it cannot read."

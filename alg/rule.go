package alg

import (
	"bytes"
	"slices"

	"nofixup/sip"
)

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

// Rules returns every rule: those of SIP, those of H.323, those about media, those about messages that do not arrive at all, and the one about TLS.
func Rules() []Rule {
	return slices.Concat(sipRules(), h323Rules(), mediaRules(), []Rule{messageDropped, nonconformingDropped, portBlocked, tlsIntercepted, sipProxyAnswered, sipProxyRefused, responseRedirected, largeDatagramsLost, clientBanned, tcpIntercepted, tcpProxy, ackMissing, messageAdded, messageDelayed}, observedRules(), signRules())
}

// mediaRules are about the media of calls, and about what lets it in.
func mediaRules() []Rule {
	return []Rule{mediaBlocked, mediaOneWay, mediaLossy, mediaDelayed, mediaDependsOnALG, mediaPinholeOpened, bindingShort, mediaAddressPrivate, mediaRefused, mediaLatched, mediaAsymmetric, sdpPortUntouched, mediaSentAstray, mediaFromElsewhere}
}

// observedRules are about requests and registrations of others, as captures show them.
func observedRules() []Rule {
	return []Rule{contactUnreachable, registrationLost, registerUnanswered, registrationMoved, largeMessageLost, signallingRefused, t38Refused}
}

// rulesFor returns the rules for changes in messages of a protocol.
func rulesFor(proto string) []Rule {
	if proto == ProtoSIP {
		return sipRules()
	}
	return h323Rules()
}

// sipRules are in the order in which they claim changes: the special before the general. The last one takes all.
func sipRules() []Rule {
	return []Rule{
		octetsInserted,
		sipProxy,
		contentLengthWrong,
		contentLengthRewritten,
		sdpConnectionRewritten,
		sdpOriginForced,
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
		sipSplitUntouched,
		sipPartlyRewritten,
		messageRewritten,
		viaLowerUntouched,
		viaFoldedUntouched,
		fromUntouched,
	}
}

// h323Rules are in the order in which they claim changes, as those of SIP are.
func h323Rules() []Rule {
	return []Rule{
		h323PartlyRewritten,
		h323MediaAddressRewritten,
		h245AddressRewritten,
		rasAddressRewritten,
		h323SignallingAddressRewritten,
		h323Rewritten,
		h323SplitUntouched,
		h245Unreachable,
	}
}

// exchange is an altered message with what rules want to know of it.
type exchange struct {
	pair    *Pair
	proto   string // of the flow
	changes []Change
	sent    sip.Message // of SIP alone
	got     sip.Message
	proxies map[string]bool // sent-by of every Via that a proxy added to messages of this flow
	proxied bool            // a proxy added one to this message
}

// exchange looks at an altered message. What it returns is valid until it looks at the next one.
func (j *Judge) exchange(p *Pair, flow *Flow) *exchange {
	x := &exchange{pair: p, proto: flow.Proto()}
	if x.proto != ProtoSIP {
		x.changes = Compare(x.proto, p)
	} else {
		sent, got := p.ends()
		c := &j.bench
		c.messages[0].Parse(sent.Raw)
		c.messages[1].Parse(got.Raw)
		x.sent, x.got = c.messages[0], c.messages[1]
		switch {
		case x.inserted(): // a message of nobody's is one change, not as many as it has lines
			x.changes = []Change{{Kind: ChangeInserted, Field: "raw", Got: got.Raw}}
		case !bytes.Equal(sent.Raw, got.Raw):
			x.changes = c.compareMessages()
			x.proxied = proxied(x.changes)
		}
	}
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

const turnOffH323 = "Turn off the H.323 application gateway (also called ALG, helper, fixup or inspection of H.323, H.225, " +
	"RAS or H.245) of the firewall or router, then run nofixup again."

const turnOffTLS = "Exempt the service from TLS inspection (also called decryption, TLS proxy, SSL scanning or deep inspection) in the " +
	"firewall's rules, then run nofixup again."

// advice is what to do on a path of a protocol.
func (r *Rule) advice(proto string) string {
	switch {
	case r.Advice != turnOff || proto == ProtoSIP:
		return r.Advice
	case proto == ProtoSIPS:
		return turnOffTLS
	}
	return turnOffH323
}

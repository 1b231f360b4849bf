package alg

import (
	"bytes"

	"nofixup/sip"
)

// missed is a field of the message that arrived as it was sent, if it is one that belongs to what was rewritten.
func (x *exchange) missed(field string) (Change, bool) {
	sent, ok := x.sent.Find(field)
	if !ok {
		return Change{}, false
	}
	got, ok := x.got.Find(field)
	a, b := sent.Bytes(x.sent.Raw), got.Bytes(x.got.Raw)
	if !ok || !bytes.Equal(a, b) {
		return Change{}, false
	}
	return Change{Kind: ChangeMissed, Field: field, Sent: a, Got: b, SentOff: int(sent.Off), GotOff: int(got.Off)}, true
}

// rewrote returns what stood in a field that holds other octets now, nil if it does not.
func (x *exchange) rewrote(field string) []byte {
	for i := range x.changes {
		if c := &x.changes[i]; c.Field == field && c.Kind == ChangeAltered && replaced(c) {
			return c.Sent
		}
	}
	return nil
}

// rewroteOwn reports whether the address was rewritten where a message says how to reach its sender: in Contact or in the SDP.
func (x *exchange) rewroteOwn(addr []byte) bool {
	for _, field := range []string{"contact[0].uri.host", "sdp.c.address"} {
		if was := x.rewrote(field); was != nil && bytes.Equal(was, addr) {
			return true
		}
	}
	return false
}

// hostOf is a Via's sent-by without its port.
func hostOf(sentBy []byte) []byte {
	if i := bytes.LastIndexByte(sentBy, ':'); i > bytes.LastIndexByte(sentBy, ']') {
		return sentBy[:i]
	}
	return sentBy
}

// folded reports whether a line of the message goes on in the next one before the given field.
func folded(m *sip.Message, field string) bool {
	s, ok := m.Find(field)
	if !ok {
		return false
	}
	before := m.Raw[:s.Off]
	i := bytes.LastIndexByte(before, '\n')
	return i >= 0 && i+1 < len(m.Raw) && (m.Raw[i+1] == ' ' || m.Raw[i+1] == '\t')
}

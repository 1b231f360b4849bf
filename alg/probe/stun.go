package probe

import (
	"encoding/binary"
	"strings"
)

// stun is a Binding request (RFC 8489 5), as a phone sends it on its SIP flow to keep it open (RFC 5626 3.5.2). The tag stands in
// SOFTWARE as text, so that the reflector knows whose it is; it does not answer, being no STUN server.
func (t *template) stun() []byte {
	const (
		bindingRequest = 0x0001
		cookie         = 0x2112a442
		software       = 0x8022 // RFC 8489 14.14
	)
	text := t.agent + " " + t.tag.String()
	padded := text + strings.Repeat("\x00", (4-len(text)%4)%4)
	raw := binary.BigEndian.AppendUint16(nil, bindingRequest)
	raw = binary.BigEndian.AppendUint16(raw, uint16(4+len(padded)))
	raw = binary.BigEndian.AppendUint32(raw, cookie)
	raw = append(raw, t.tag.Token[:8]...) // the transaction: the session's and the message's, 12 octets
	raw = binary.BigEndian.AppendUint32(raw, t.tag.Number)
	raw = binary.BigEndian.AppendUint16(raw, software)
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(text)))
	return append(raw, padded...)
}

// keepalive is what phones send to keep a flow open (RFC 5626 3.5.1, over UDP by habit). It has no room for a tag, so that the
// reflector cannot tell whose it is and keeps nothing of it: whether it arrives is not known. What can be seen is whether the
// message right behind it passes: a gateway or a firewall that takes it for an attack, or for a broken message, and shuts the flow
// for it, is found; one that only drops it is not.
const keepalive = "\r\n\r\n"

const stepKeepalive = "options-keepalive"

package reflector

import (
	"bytes"
	"cmp"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// template composes what an action sends. The text is this file's and sdp.go's; what comes from the client is what a SIP
// user agent has to repeat: the header lines of a request in its response, the dialog's identifiers, and the URI of a Contact.
type template struct {
	wire.Action
	token       wire.Token
	nonce       string         // our tag in From or To
	own, remote netip.AddrPort // as clients are told, and as the socket sees it
	transport   string         // "udp", "tcp" or "tls"
	turn        uint32         // of the message, at the media ports
	media       portRange      // of the server
}

// ports are those that the message announces.
func (t *template) ports() ports {
	return ports{t.own.Addr(), t.Number, t.turn, t.media, t.Port}
}

// tag is the text that names the message.
func (t *template) tag() string { return wire.Tag{Token: t.token, Number: t.Number}.String() }

// compose returns the message, which goes by the given one.
func (t *template) compose(message []byte) ([]byte, error) {
	if t.Action.Action == wire.ActionRespond {
		return t.response(message)
	}
	return t.request(message)
}

// canary holds an address where no application gateway has any business: one that maps whatever looks like an address shows
// itself there.
func (t *template) canary() sip.Field {
	return sip.Field{Name: "X-Canary", Value: t.remote.String() + " " + t.tag()}
}

func (t *template) contact() sip.Field {
	uri := t.scheme() + t.tag()
	if t.Quiet {
		uri += wire.Quiet
	}
	uri += "@" + t.own.String()
	if t.transport == "tcp" {
		uri += ";transport=tcp"
	}
	return sip.Field{Name: "Contact", Value: "<" + uri + ">"}
}

// scheme begins our URIs: over TLS they are SIPS, since transport=tls is deprecated (RFC 5630 3.1.4).
func (t *template) scheme() string {
	if t.transport == "tls" {
		return "sips:"
	}
	return "sip:"
}

// bodyFields returns Content-Type, if there is a body, and Content-Length.
func bodyFields(mediaType, body string) []sip.Field {
	length := sip.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))}
	if body == "" {
		return []sip.Field{length}
	}
	return []sip.Field{{Name: "Content-Type", Value: mediaType}, length}
}

// reasons are the phrases of the statuses that are sent (RFC 3261 21).
var reasons = map[int]string{
	100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 404: "Not Found",
	481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
}

// response answers a request as the automatic answers do, with what the client chose: RFC 3261 8.2.6, 12.1.1, 13.3.1.
func (t *template) response(request []byte) ([]byte, error) {
	var c composer
	if silence := c.parse(request); silence != "" && silence != wire.SilenceQuiet {
		return nil, refuse(http.StatusBadRequest, "to: the message cannot be answered: "+silence, "a request other than ACK, with Via, From, To, Call-ID and CSeq")
	}
	method := string(c.msg.Method())
	var body string
	if t.SDP {
		if method != "INVITE" && method != "UPDATE" {
			return nil, refuse(http.StatusBadRequest, "sdp: not in an answer to "+method, "in one to INVITE or UPDATE")
		}
		body = sdpAnswer(t.ports(), &c.msg)
	}
	head := c.appendHead(nil, strconv.Itoa(t.Status), reasons[t.Status], t.remote, []byte(t.nonce))
	var fields []sip.Field
	switch {
	case method == "REGISTER" && t.Status == http.StatusOK:
		fields = append(fields, sip.Field{Raw: string(c.appendBinding(nil))})
	case t.Status > 100 && t.Status < 300 && takesContact(method):
		fields = append(fields, t.contact())
	}
	fields = append(fields, t.canary())
	fields = append(fields, bodyFields("application/sdp", body)...)
	// The head is what a start line is to Compose: as it stands, with its line end.
	return sip.Compose(nil, string(head), fields, []byte(body)), nil
}

// takesContact says whether a request of that method and the responses to it name the sender's address: RFC 3261 20 table 2,
// RFC 3311 9, RFC 6665 8.2; not MESSAGE (RFC 3428 4) nor INFO (RFC 6086 4.2).
func takesContact(method string) bool {
	switch method {
	case "INVITE", "UPDATE", "OPTIONS", "NOTIFY", "SUBSCRIBE", "REFER":
		return true
	}
	return false
}

// request makes a request to the client: outside of any dialog, or within that of the message: RFC 3261 8.1.1, 12.2.1.1.
func (t *template) request(message []byte) ([]byte, error) {
	var msg sip.Message
	msg.Parse(message)
	var d dialog
	switch {
	case !t.Dialog:
		d = t.outside(&msg)
	case msg.IsRequest():
		d = t.within(&msg)
	case msg.Status() > 0:
		d = t.withinResponse(&msg)
	}
	switch {
	case d.from == "" || d.to == "" || d.callID == "":
		return nil, refuse(http.StatusBadRequest, "to: the message belongs to no dialog", "one with From, To and Call-ID")
	case t.Method == "ACK" && msg.Status() < 200:
		return nil, refuse(http.StatusBadRequest, "to: an ACK goes by a final response", "the receipt of a response from 200 on")
	}
	branch := magicCookie + t.tag()
	if t.Method == "ACK" && msg.Status() >= 300 {
		branch = sentBranch(&msg, branch)
	}
	cseq := max(t.CSeq, 1)
	fields := []sip.Field{
		{Name: "Via", Value: "SIP/2.0/" + strings.ToUpper(cmp.Or(t.transport, "udp")) + " " + t.own.String() + ";branch=" + branch + ";rport"},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "From", Value: d.from},
		{Name: "To", Value: d.to},
		{Name: "Call-ID", Value: d.callID},
		{Name: "CSeq", Value: strconv.FormatUint(uint64(cseq), 10) + " " + t.Method},
	}
	if takesContact(t.Method) {
		fields = append(fields, t.contact())
	}
	fields = append(fields, t.canary())
	mediaType, body := t.content()
	if t.Method == "NOTIFY" {
		fields = append(fields, sip.Field{Name: "Event", Value: "refer"}, sip.Field{Name: "Subscription-State", Value: "active;expires=60"})
	}
	fields = append(fields, bodyFields(mediaType, body)...)
	return sip.Compose(nil, t.Method+" "+d.target+" SIP/2.0", fields, []byte(body)), nil
}

// content returns the body of a request.
func (t *template) content() (mediaType, body string) {
	switch {
	case t.SDP:
		return "application/sdp", sdpOffer(t.ports())
	case t.Method == "NOTIFY":
		return "message/sipfrag", "SIP/2.0 100 Trying\r\n" // RFC 3515 2.4.5
	case t.Method == "MESSAGE":
		return "text/plain", "nofixup"
	case t.Method == "INFO":
		return "application/dtmf-relay", "Signal=1\r\nDuration=160\r\n"
	}
	return "", ""
}

// dialog is where a request belongs.
type dialog struct{ target, from, to, callID string }

// target is what a request to the client is addressed to, and its user's address of record: the Contact URI of its message and
// what of it may stand in a To (RFC 3261 19.1.1 table 1: neither port nor parameters); or else where the message came from.
func (t *template) target(msg *sip.Message) (uri, record string) {
	if uri, record := contactURI(msg); uri != "" {
		return uri, record
	}
	user := t.scheme() + t.tag() + "@"
	return user + t.remote.String(), user + uriHost(t.remote.Addr())
}

// uriHost writes an address as the host of a URI.
func uriHost(addr netip.Addr) string {
	if addr.Is6() {
		return "[" + addr.WithZone("").String() + "]"
	}
	return addr.String()
}

func (t *template) outside(msg *sip.Message) dialog {
	target, record := t.target(msg)
	return dialog{
		target: target,
		from:   "<" + t.scheme() + t.tag() + "@" + uriHost(t.own.Addr()) + ">;tag=" + t.nonce,
		to:     "<" + record + ">",
		callID: t.tag() + "@" + t.own.Addr().String(),
	}
}

// within makes the far end's part of the dialog of a request from the client (RFC 3261 12.1.1).
func (t *template) within(msg *sip.Message) dialog {
	from := string(msg.Value(sip.HeaderTo, 0))
	if from != "" && !tagged(msg, sip.HeaderTo) {
		from += ";tag=" + t.nonce
	}
	target, _ := t.target(msg)
	return dialog{target, from, string(msg.Value(sip.HeaderFrom, 0)), string(msg.Value(sip.HeaderCallID, 0))}
}

// withinResponse goes on with the dialog of a request of ours, which the client has answered (12.1.2).
func (t *template) withinResponse(msg *sip.Message) dialog {
	target, _ := t.target(msg)
	return dialog{target, string(msg.Value(sip.HeaderFrom, 0)), string(msg.Value(sip.HeaderTo, 0)), string(msg.Value(sip.HeaderCallID, 0))}
}

// tagged says whether a From or To has a tag.
func tagged(msg *sip.Message, h sip.Header) bool {
	for _, s := range msg.Spans {
		if s.Header == h && s.Index == 0 && s.Part == sip.PartParam && bytes.EqualFold(msg.Raw[s.NameOff:s.NameEnd], []byte("tag")) {
			return true
		}
	}
	return false
}

// maxURI bounds a Contact URI that is sent back, in octets.
const maxURI = 256

// contactURI returns the URI of the first Contact without its headers, which a Request-URI must not have (RFC 3261 19.1.1), and
// its scheme, user and host alone; or nothing if it is no SIP URI that could stand in a request line.
func contactURI(msg *sip.Message) (uri, record string) {
	off, end, host := -1, 0, 0
	for _, s := range msg.Spans {
		if s.Header != sip.HeaderContact || s.Index != 0 || s.Part < sip.PartScheme || s.Part > sip.PartURIParam {
			continue
		}
		if off < 0 {
			off = int(s.Off)
		}
		if end = int(s.End); s.Part == sip.PartHost {
			host = end
		}
	}
	if off < 0 || host == 0 || end-off > maxURI {
		return "", ""
	}
	text := msg.Raw[off:end]
	scheme, _, _ := bytes.Cut(text, []byte(":"))
	if !bytes.EqualFold(scheme, []byte("sip")) && !bytes.EqualFold(scheme, []byte("sips")) {
		return "", ""
	}
	for _, c := range text {
		if c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' {
			return "", ""
		}
	}
	return string(text), string(text[:host-off])
}

// sentBranch returns the branch of the request that was answered, since the ACK of a refusal belongs to its transaction (RFC
// 3261 17.1.1.3). If it is none of ours it is the other one.
func sentBranch(msg *sip.Message, other string) string {
	for _, s := range msg.Spans {
		if s.Header != sip.HeaderVia || s.Index != 0 || s.Part != sip.PartParam || string(msg.Raw[s.NameOff:s.NameEnd]) != "branch" {
			continue
		}
		tag, ok := bytes.CutPrefix(s.Bytes(msg.Raw), []byte(magicCookie))
		if !ok || len(tag) != wire.TagLen {
			break
		}
		for tag := range wire.Tags(tag) {
			return magicCookie + tag.String()
		}
	}
	return other
}

// magicCookie begins every branch (RFC 3261 8.1.1.7).
const magicCookie = "z9hG4bK"

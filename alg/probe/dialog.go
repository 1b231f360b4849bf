package probe

import (
	"fmt"
	"strconv"
	"strings"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// callInvite is the INVITE of a call that the reflector answers when it is asked to.
func (t *template) callInvite() []byte {
	body := t.offer(t.own.Addr(), false)
	to := t.scheme() + t.tag.String() + wire.Quiet + "@" + host(t.server)
	return sip.Compose(nil, "INVITE "+to+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>;tag=%s", t.own, t.fromTag())},
		{Name: "To", Value: "<" + to + ">"},
		{Name: "Call-ID", Value: t.callID()},
		{Name: "CSeq", Value: "1 INVITE"},
		{Name: "Contact", Value: t.contact()},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String()},
		{Name: "Allow", Value: "INVITE, ACK, CANCEL, OPTIONS, BYE, INFO, UPDATE, REFER, NOTIFY, MESSAGE"},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Type", Value: "application/sdp"},
		{Name: "Content-Length", Value: strconv.Itoa(len(body))},
	}, body)
}

// inDialog is a request within the dialog that an INVITE of ours and its response have made (RFC 3261 12.2.1.1). A re-INVITE
// puts the call on hold.
func (t *template) inDialog(method string, cseq int, invite, response *sip.Message) []byte {
	var body []byte
	fields := []sip.Field{
		{Name: "Via", Value: t.via()},
		{Name: "From", Value: string(invite.Value(sip.HeaderFrom, 0))},
		{Name: "To", Value: string(response.Value(sip.HeaderTo, 0))},
		{Name: "Call-ID", Value: string(invite.Value(sip.HeaderCallID, 0))},
		{Name: "CSeq", Value: strconv.Itoa(cseq) + " " + method},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String() + " " + t.tag.String()},
		{Name: "User-Agent", Value: t.agent},
	}
	if method == "ACK" {
		fields[4].Value = "1 ACK"
	}
	switch method {
	case "INVITE", "UPDATE":
		body = t.offer(t.own.Addr(), false)
		if cseq%2 == 0 { // the first of two re-INVITEs puts the call on hold, the second one takes it back
			body = []byte(strings.Replace(string(body), "t=0 0\r\n", "t=0 0\r\na=sendonly\r\n", 1))
		}
		fields = append(fields, sip.Field{Name: "Contact", Value: t.contact()}, sip.Field{Name: "Content-Type", Value: "application/sdp"})
	case "PRACK":
		fields = append(fields, sip.Field{Name: "RAck", Value: "1 1 INVITE"})
	case "INFO":
		body = []byte("Signal=1\r\nDuration=160\r\n")
		fields = append(fields, sip.Field{Name: "Content-Type", Value: "application/dtmf-relay"})
	case "REFER":
		fields = append(fields, sip.Field{Name: "Contact", Value: t.contact()},
			sip.Field{Name: "Refer-To", Value: fmt.Sprintf("<"+t.scheme()+"transfer@%s>", t.own)},
			sip.Field{Name: "Referred-By", Value: fmt.Sprintf("<"+t.scheme()+"nofixup@%s>", t.own)})
	}
	fields = append(fields, sip.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
	return sip.Compose(nil, method+" "+t.remoteTarget(response)+" SIP/2.0", fields, body)
}

// cancel takes an INVITE back (RFC 3261 9.1): Request-URI, Via, From, To, Call-ID and CSeq number are the INVITE's. A tag of
// its own tells it from the INVITE.
func (t *template) cancel(invite *sip.Message) []byte {
	requestURI, _, _ := strings.Cut(strings.TrimPrefix(string(invite.Raw), "INVITE "), " ")
	return sip.Compose(nil, "CANCEL "+requestURI+" SIP/2.0", []sip.Field{
		{Name: "Via", Value: string(invite.Value(sip.HeaderVia, 0))},
		{Name: "From", Value: string(invite.Value(sip.HeaderFrom, 0))},
		{Name: "To", Value: string(invite.Value(sip.HeaderTo, 0))},
		{Name: "Call-ID", Value: string(invite.Value(sip.HeaderCallID, 0))},
		{Name: "CSeq", Value: "1 CANCEL"},
		{Name: "Max-Forwards", Value: "70"},
		{Name: "X-Canary", Value: t.own.String() + " " + t.tag.String()},
		{Name: "User-Agent", Value: t.agent},
		{Name: "Content-Length", Value: "0"},
	}, nil)
}

// remoteTarget is the URI of the Contact in a response, which requests of the dialog go to (RFC 3261 12.1.2).
func (t *template) remoteTarget(response *sip.Message) string {
	contact := string(response.Value(sip.HeaderContact, 0))
	if _, rest, ok := strings.Cut(contact, "<"); ok {
		if uri, _, ok := strings.Cut(rest, ">"); ok && uri != "" {
			return uri
		}
	}
	return t.scheme() + host(t.server)
}

// respond answers a request of the reflector's: Via, From, Call-ID and CSeq are the request's as it arrived, To gets a tag.
func (t *template) respond(status int, request *sip.Message) []byte {
	reason := map[int]string{180: "Ringing", 200: "OK"}[status]
	var fields []sip.Field
	for line := range request.Lines() {
		if line.Header == sip.HeaderVia {
			fields = append(fields, sip.Field{Raw: string(request.Raw[line.Off:line.End])})
		}
	}
	to := string(request.Value(sip.HeaderTo, 0))
	if _, ok := request.Find("to.tag"); !ok {
		to += ";tag=" + t.calleeTag()
	}
	fields = append(fields,
		sip.Field{Name: "From", Value: string(request.Value(sip.HeaderFrom, 0))},
		sip.Field{Name: "To", Value: to},
		sip.Field{Name: "Call-ID", Value: string(request.Value(sip.HeaderCallID, 0))},
		sip.Field{Name: "CSeq", Value: string(request.Value(sip.HeaderCSeq, 0))},
		sip.Field{Name: "Contact", Value: t.contact()},
		sip.Field{Name: "X-Canary", Value: t.own.String() + " " + t.tag.String()},
		sip.Field{Name: "User-Agent", Value: t.agent},
	)
	var body []byte
	if t.media != 0 {
		body = t.offer(t.own.Addr(), true)
		fields = append(fields, sip.Field{Name: "Content-Type", Value: "application/sdp"})
	}
	fields = append(fields, sip.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
	return sip.Compose(nil, "SIP/2.0 "+strconv.Itoa(status)+" "+reason, fields, body)
}

// calleeTag is the same for all answers of a session, so that the 180 and the 200 belong to one dialog.
func (t *template) calleeTag() string { return "c" + t.tag.Token.String()[:8] + t.nonce }

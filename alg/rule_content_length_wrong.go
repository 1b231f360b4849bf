package alg

// Linux counts the body of a multipart message from its v= line, others do not count at all: the receiver then cuts the
// body short or waits for octets that never come.
var contentLengthWrong = Rule{
	ID:       "content-length-wrong",
	Severity: Critical,
	Summary:  "Content-Length no longer says how long the body is",
	Symptom:  "The far end rejects the message or cuts its SDP short: calls fail, or over TCP the whole connection stalls.",
	Advice:   turnOff,
	Source:   "RFC 3261 18.3, 20.14",
	change: func(x *exchange, c *Change) bool {
		return isField(c, "content-length") && c.Kind != ChangeReformatted && lengthBroken(x)
	},
	message: func(x *exchange) (Change, bool) {
		if !lengthBroken(x) {
			return Change{}, false
		}
		for _, c := range x.changes {
			if isField(&c, "content-length") && c.Kind != ChangeReformatted {
				return Change{}, false // claimed as a change
			}
		}
		// The header is as it was sent; it is the body that has another length now.
		sent, ok1 := x.sent.Find("content-length")
		got, ok2 := x.got.Find("content-length")
		if !ok1 || !ok2 {
			return Change{}, false
		}
		return Change{
			Kind: ChangeAltered, Field: "content-length",
			Sent: x.sent.Raw[sent.Off:sent.End], SentOff: int(sent.Off),
			Got: x.got.Raw[got.Off:got.End], GotOff: int(got.Off),
		}, true
	},
}

// lengthBroken reports that Content-Length fitted the body as sent and does not fit it as received.
func lengthBroken(x *exchange) bool {
	sent, ok := x.sent.ContentLength()
	if !ok || sent != len(x.sent.Body()) {
		return false
	}
	got, ok := x.got.ContentLength()
	return ok && got != len(x.got.Body())
}

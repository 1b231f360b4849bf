package sip

import "bytes"

// SDP returns where the session description stands in Raw: the body if Content-Type is application/sdp (RFC 3261 7.4.1), the
// first such part of a multipart body (RFC 2046 5.1, one level), or, without Content-Type, a body that begins with "v=".
// ok is false if there is none or if it is encoded (Content-Encoding other than identity, base64 or quoted-printable parts).
// Work is linear in the length of the message, and nothing is allocated.
func (m *Message) SDP() (off, end int, ok bool) {
	body := m.Body()
	if body == nil {
		return 0, 0, false
	}
	if e := m.Value(HeaderContentEncoding, 0); len(e) > 0 && !foldEqual(e, "identity") {
		return 0, 0, false
	}
	ct := m.Value(HeaderContentType, 0)
	media := mediaType(ct)
	switch {
	case len(ct) == 0:
		ok, end = bytes.HasPrefix(body, []byte("v=")), len(body)
	case isSDP(media):
		ok, end = true, len(body)
	case len(media) > 10 && foldEqual(media[:10], "multipart/"):
		off, end, ok = sdpPart(body, boundary(ct))
	}
	if !ok {
		return 0, 0, false
	}
	return m.BodyOff + off, m.BodyOff + end, true
}

// mediaType returns type and subtype of a Content-Type, without the parameters.
func mediaType(ct []byte) []byte {
	return ct[:trimLWS(ct, 0, until(ct, 0, cSemi))]
}

// isSDP compares with application/sdp, with or without white space around the slash (RFC 3261 25.1 SLASH).
func isSDP(media []byte) bool {
	slash := bytes.IndexByte(media, '/')
	if slash < 0 {
		return false
	}
	return foldEqual(media[:trimLWS(media, 0, slash)], "application") &&
		foldEqual(media[skipLWS(media, slash+1):], "sdp")
}

// boundary returns the parameter of that name without its quotes. Escapes in it are left alone: no boundary needs one.
func boundary(ct []byte) []byte {
	for i := until(ct, 0, cSemi); i < len(ct); {
		n0 := skipLWS(ct, i+1)
		n1 := until(ct, n0, cSemi|cEqual|cLWS)
		v0 := skipLWS(ct, n1)
		if v0 == len(ct) || ct[v0] != '=' {
			i = until(ct, v0, cSemi)
			continue
		}
		v0 = skipLWS(ct, v0+1)
		v1 := until(ct, v0, cSemi|cLWS)
		if v0 < len(ct) && ct[v0] == '"' {
			if v1 = quoted(ct, v0); v1 < 0 {
				return nil
			}
		}
		if foldEqual(ct[n0:n1], "boundary") {
			if v0 < v1 && ct[v0] == '"' {
				v0, v1 = v0+1, v1-1
			}
			return ct[v0:v1]
		}
		i = until(ct, v1, cSemi)
	}
	return nil
}

// sdpPart returns the first application/sdp part of a multipart body as offsets into it.
func sdpPart(body, boundary []byte) (off, end int, ok bool) {
	if len(boundary) == 0 {
		return 0, 0, false
	}
	inHead, found := false, false
	var head int
	for i := 0; i < len(body); {
		next := lineEnd(body, i)
		switch last, is := delimiter(body[i:next], boundary); {
		case is:
			if found {
				return off, beforeLineEnd(body, off, i), true
			}
			if last {
				return 0, 0, false
			}
			inHead, head = true, next
		case inHead && blankLine(body, i) >= 0:
			inHead = false
			if off = next; plainSDP(body[head:i]) {
				found = true
			}
		}
		i = next
	}
	return off, len(body), found // no closing delimiter: what is there still belongs to the part
}

// delimiter says whether a line is a delimiter of that boundary, and whether it is the closing one (RFC 2046 5.1.1).
func delimiter(line, boundary []byte) (last, ok bool) {
	if len(line) < 2+len(boundary) || line[0] != '-' || line[1] != '-' || !bytes.HasPrefix(line[2:], boundary) {
		return false, false
	}
	rest := line[2+len(boundary):]
	if last = bytes.HasPrefix(rest, []byte("--")); last {
		rest = rest[2:]
	}
	return last, skipLWS(rest, 0) == len(rest)
}

// beforeLineEnd returns end without the line end before it, which belongs to the delimiter that follows.
func beforeLineEnd(b []byte, off, end int) int {
	if end > off && b[end-1] == '\n' {
		end--
		if end > off && b[end-1] == '\r' {
			end--
		}
	}
	return end
}

// plainSDP says whether the header lines of a body part announce an SDP that stands there as it is.
func plainSDP(head []byte) bool {
	sdp := false
	for i := 0; i < len(head); {
		l := lineAt(head, i)
		i = l.End
		v := head[l.ValueOff:l.ValueEnd]
		switch {
		case l.Header == HeaderContentType:
			sdp = isSDP(mediaType(v))
		case sameName(head[l.NameOff:l.NameEnd], "content-transfer-encoding"):
			if foldEqual(v, "base64") || foldEqual(v, "quoted-printable") {
				return false
			}
		}
	}
	return sdp
}

package sip

import (
	"strings"
	"testing"
)

func TestMessage(t *testing.T) {
	m := Parse(invite(t))
	if !m.IsRequest() || string(m.Method()) != "INVITE" || m.Status() != 0 {
		t.Errorf("method %q, status %d", m.Method(), m.Status())
	}
	if n, ok := m.ContentLength(); !ok || n != len(m.Body()) || n == 0 {
		t.Errorf("content length %d %v, body of %d octets", n, ok, len(m.Body()))
	}
	if s, ok := m.Find("contact[0].uri.host"); !ok || string(s.Bytes(m.Raw)) != "10.0.0.9" {
		t.Errorf("contact[0].uri.host: %v %v", s, ok)
	}
	if s, ok := m.Find("contact[1].uri.host"); ok {
		t.Errorf("contact[1].uri.host: %v", s)
	}
	m.Parse([]byte("SIP/2.0 404 Not Found\r\n\r\n"))
	if m.IsRequest() || m.Method() != nil || m.Status() != 404 || m.Body() != nil || m.BodyOff != len(m.Raw) {
		t.Errorf("method %q, status %d, body %q", m.Method(), m.Status(), m.Body())
	}
	m.Parse(nil)
	if m.IsRequest() || m.Status() != 0 || m.Body() != nil || len(m.Spans) != 0 {
		t.Errorf("an empty message: %+v", m)
	}
}

func TestValue(t *testing.T) {
	m := Parse([]byte("OPTIONS sip:a SIP/2.0\r\n" +
		"m: \"x, y\" <sip:a@b> ; q=1\r\n ,\t<sip:c\r\n > , sip:d\r\n" +
		"Contact:\r\nContact : *\r\n" +
		"From: <sip:e>\r\nVia: ;x, SIP/2.0/UDP h\r\n" +
		"X-A: 1\r\nx-b:\r\nx-a:  2 \r\nCall-ID: i\r\n"))
	for _, tt := range []struct {
		name string
		i    int
		want string
	}{
		{"contact", 0, "\"x, y\" <sip:a@b> ; q=1"},
		{"contact", 1, "<sip:c\r\n >"},
		{"M", 2, "sip:d"},
		{"Contact", 3, ""},
		{"contact", 4, "*"},
		{"contact", 5, "nil"},
		{"contact", -1, "nil"},
		{"from", 0, "<sip:e>"},
		{"f", 1, "nil"},
		{"via", 0, ";x"},
		{"via", 1, "SIP/2.0/UDP h"},
		{"x-a", 0, "1"},
		{"X-A", 1, "2"},
		{"x-a", 2, "nil"},
		{"x-b", 0, ""},
		{"x-c", 0, "nil"},
		{"call-id", 0, "i"},
		{"to", 0, "nil"},
	} {
		got := "nil"
		if v := m.Named(tt.name, tt.i); v != nil {
			got = string(v)
		}
		if got != tt.want {
			t.Errorf("%s %d is %q, want %q", tt.name, tt.i, got, tt.want)
		}
	}
	for _, h := range []Header{StartLine, Body, Malformed, HeaderOther, 255} {
		if v := m.Value(h, 0); v != nil {
			t.Errorf("Value(%v) is %q", h, v)
		}
	}
}

func TestLines(t *testing.T) {
	raw := "OPTIONS sip:a SIP/2.0\r\nA: b\r\n c \nhello\n X-D :\r\n\r\nE: f\r\n"
	m := Parse([]byte(raw))
	var got []string
	for l := range m.Lines() {
		got = append(got, l.Header.String()+"|"+raw[l.Off:l.End]+"|"+raw[l.NameOff:l.NameEnd]+"|"+raw[l.ValueOff:l.ValueEnd])
	}
	// " X-D" continues the line before it.
	want := "accept-contact|A: b\r\n c \n|A|b\r\n c/line|hello\n X-D :\r\n||hello\n X-D :"
	if s := strings.Join(got, "/"); s != want {
		t.Errorf("got  %q\nwant %q", s, want)
	}
	for range m.Lines() {
		break
	}
}

func TestContentLength(t *testing.T) {
	for in, want := range map[string]int{
		"": -1, "l: 5\r\n": 5, "l: 5\r\nContent-Length: 05\r\n": 5, "l: 5\r\nl: 6\r\n": -1, "l: 5\r\nl:\r\n": -1,
		"l:\r\n": -1, "l: x\r\n": -1, "l: 2147483647\r\n": 2147483647, "l: 2147483648\r\n": -1, "l: +1\r\n": -1,
	} {
		m := Parse([]byte("OPTIONS sip:a SIP/2.0\r\n" + in + "\r\n"))
		n, ok := m.ContentLength()
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%q: %d, want %d", in, n, want)
		}
	}
}

func TestSDP(t *testing.T) {
	const parts = "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nv=1\r\n--bb\r\n--b \r\nc : Application/SDP;x=y\r\n\r\nv=0\r\ns=-\r\n\r\n--b--\r\nend"
	for _, tt := range []struct{ name, headers, body, want string }{
		{"plain", "Content-Type: application/sdp\r\n", "v=0\r\n", "v=0\r\n"},
		{"compact and mixed case", "C:Application / SDP ; charset=x\r\n", "v=0\r\n", "v=0\r\n"},
		{"no type", "", "v=0\r\n", "v=0\r\n"},
		{"no type, no SDP", "", "x=0\r\n", "none"},
		{"no body", "c: application/sdp\r\n", "", "none"},
		{"other type", "c: application/sdpx\r\n", "v=0\r\n", "none"},
		{"encoded", "c: application/sdp\r\ne: gzip\r\n", "v=0\r\n", "none"},
		{"not really encoded", "c: application/sdp\r\ne: Identity\r\n", "v=0\r\n", "v=0\r\n"},
		{"multipart", "c: multipart/mixed;a=\"b;boundary=c\"; Boundary = \"b\"\r\n", parts, "v=0\r\ns=-\r\n"},
		{"multipart, bare boundary", "c: MULTIPART/mixed;boundary=b;x\r\n", parts, "v=0\r\ns=-\r\n"},
		{"multipart, LF", "c: multipart/mixed;boundary=b\n", strings.ReplaceAll(parts, "\r", ""), "v=0\ns=-\n"},
		{"multipart, not closed", "c: multipart/mixed;boundary=b\n", "--b\nc: application/sdp\n\nv=0\n", "v=0\n"},
		{"multipart, closed before", "c: multipart/mixed;boundary=b\n", "--b--\n--b\nc: application/sdp\n\nv=0\n", "none"},
		{"multipart, base64", "c: multipart/mixed;boundary=b\n", "--b\nc: application/sdp\nContent-Transfer-Encoding: BASE64\n\nv=0\n", "none"},
		{"multipart, empty part", "c: multipart/mixed;boundary=b\n", "--b\nc: application/sdp\n\n--b--", ""},
		{"multipart, no boundary", "c: multipart/mixed;x=y;boundary\r\n", parts, "none"},
		{"multipart, open quote", "c: multipart/mixed;boundary=\"b\r\n", parts, "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := Parse([]byte("OPTIONS sip:a SIP/2.0\r\n" + tt.headers + "\r\n" + tt.body))
			got := "none"
			if off, end, ok := m.SDP(); ok {
				got = string(m.Raw[off:end])
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCompose(t *testing.T) {
	for _, tt := range []struct {
		start  string
		fields []Field
		body   string
		want   string
	}{
		{"OPTIONS sip:a SIP/2.0", nil, "", "OPTIONS sip:a SIP/2.0\r\n\r\n"},
		{
			"OPTIONS sip:a SIP/2.0",
			[]Field{{Name: "v", Value: "SIP/2.0/UDP h\r\n ;rport"}, {Raw: "X :y\n"}, {Name: "l", Value: "1"}},
			"x",
			"OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/UDP h\r\n ;rport\r\nX :y\nl: 1\r\n\r\nx",
		},
		{"A\n", []Field{{Raw: "B: c\n"}, {Raw: "\n"}}, "d", "A\nB: c\n\nd"},
		{"", []Field{{}, {Raw: "\r\n"}, {Name: "a"}}, "", "\r\n: \r\n\r\na: \r\n\r\n"},
	} {
		if got := string(Compose([]byte("-"), tt.start, tt.fields, []byte(tt.body))); got != "-"+tt.want {
			t.Errorf("got  %q\nwant %q", got, "-"+tt.want)
		}
	}
}

package sip

import (
	"bytes"
	"strings"
	"testing"
)

// render gives one line "path=octets" for every span.
func render(msg string) string {
	var b strings.Builder
	for _, s := range AppendSpans(nil, []byte(msg)) {
		b.WriteString("\n" + s.Path([]byte(msg)) + "=" + string(s.Bytes([]byte(msg))))
	}
	return b.String()
}

// The whole list for the INVITE of the benchmarks; its body is what sip/sdp is about.
func TestInvitePaths(t *testing.T) {
	msg := string(invite(t))
	got, _, _ := strings.Cut(render(msg), "\nbody=")
	if want := `
start-line.method=INVITE
request-uri.scheme=sip
request-uri.user=carol
request-uri.host=pbx.lumina.example.net
request-uri.transport=udp
start-line.version=SIP/2.0
via[0].name=Via
via[0].protocol=SIP/2.0/UDP
via[0].sent-by=10.0.0.9:5060
via[0].branch=z9hG4bKw7Qe41xTnR0c
via[0].rport=rport
via[1].name=Via
via[1].protocol=SIP/2.0/UDP
via[1].sent-by=10.1.20.33:5060
via[1].branch=z9hG4bKp3v9c2
via[1].received=10.1.20.33
max-forwards.name=Max-Forwards
max-forwards=68
record-route[0].name=Record-Route
record-route[0].uri.scheme=sip
record-route[0].uri.host=edge1.lumina.example.net
record-route[0].uri.lr=lr
from.name=From
from.display="Dora Maarsen"
from.uri.scheme=sip
from.uri.user=dora
from.uri.host=desk.lumina.example.net
from.tag=4kq81zvne3
to.name=To
to.display=Carol
to.uri.scheme=sip
to.uri.user=carol
to.uri.host=pbx.lumina.example.net
call-id.name=Call-ID
call-id=7215509438116620347@10.0.0.9
cseq.name=CSeq
cseq=3 INVITE
contact[0].name=Contact
contact[0].uri.scheme=sip
contact[0].uri.user=dora
contact[0].uri.host=10.0.0.9
contact[0].uri.port=5060
contact[0].uri.transport=udp
contact[0].expires=240
user-agent.name=User-Agent
user-agent=nofixup-probe/0.1
allow.name=Allow
allow=INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, UPDATE, PRACK
supported.name=Supported
supported=replaces, timer, 100rel
session-expires.name=Session-Expires
session-expires=1800;refresher=uac
content-type.name=Content-Type
content-type=application/sdp
content-length.name=Content-Length
content-length=260`; got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
}

const start = "OPTIONS sip:a@b SIP/2.0\r\n"

func TestPaths(t *testing.T) {
	for _, tt := range []struct{ name, msg, want string }{
		{"empty", "", ""},
		{"only line ends", "\r\n\r\n", ""},
		{"request", "\r\nINVITE sip:carol:pw@[2001:db8::1]:5070;transport=UDP;lr?Subject=x%20y SIP/2.0\r\n\r\nbody", `
start-line.method=INVITE
request-uri.scheme=sip
request-uri.user=carol
request-uri.password=pw
request-uri.host=[2001:db8::1]
request-uri.port=5070
request-uri.transport=UDP
request-uri.lr=lr
request-uri.headers=Subject=x%20y
start-line.version=SIP/2.0
body=body`},
		{"status", "SIP/2.0 180 Ringing now\n\n", `
start-line.version=SIP/2.0
start-line.status=180
start-line.reason=Ringing now`},
		{"status without reason", "sip/2.0 200", `
start-line.version=sip/2.0
start-line.status=200`},
		{"no version", "INVITE sip:a@b\r\n", "\nstart-line=INVITE sip:a@b"},
		{"no URI", "INVITE SIP/2.0\r\n", "\nstart-line=INVITE SIP/2.0"},
		{"bad status", "SIP/2.0 20 OK\r\n", "\nstart-line=SIP/2.0 20 OK"},
		{"HTTP", "GET / HTTP/1.1\r\n", "\nstart-line=GET / HTTP/1.1"},
		{"URI in brackets", "OPTIONS <sip:a@b> SIP/2.0\n", `
start-line.method=OPTIONS
request-uri=<sip:a@b>
start-line.version=SIP/2.0`},
		{"opaque and tel URIs", "OPTIONS urn:service:sos SIP/2.0\nTo: <tel:+1-201-555-0123;phone-context=x>\nf: <data:,>", `
start-line.method=OPTIONS
request-uri.scheme=urn
request-uri=service:sos
start-line.version=SIP/2.0
to.name=To
to.uri.scheme=tel
to.uri.user=+1-201-555-0123
to.uri.phone-context=x
from.name=f
from.uri.scheme=data
from.uri=,`},
		{"start line is not folded", "OPTIONS sip:a SIP/2.0\r\n x: y\r\n", `
start-line.method=OPTIONS
request-uri.scheme=sip
request-uri.host=a
start-line.version=SIP/2.0
session-expires.name=x
session-expires=y`},
		{"body right away", "OPTIONS sip:a SIP/2.0\r\n\r\r\n\r\n", `
start-line.method=OPTIONS
request-uri.scheme=sip
request-uri.host=a
start-line.version=SIP/2.0
body=` + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := render(tt.msg); got != tt.want {
				t.Errorf("got:%s\nwant:%s", got, tt.want)
			}
		})
	}
}

// The lines are put after a start line, whose leaves are left out of want.
func TestHeaderPaths(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"Via", "v: SIP/2.0/UDP 10.0.0.9:5060;branch=z9;rport;RECEIVED = 2001:db8::1;x=\"a;\\\"b,\"\r\n", `
via[0].name=v
via[0].protocol=SIP/2.0/UDP
via[0].sent-by=10.0.0.9:5060
via[0].branch=z9
via[0].rport=rport
via[0].received=2001:db8::1
via[0].x="a;\"b,"`},
		{"Via, spread out", "VIA :SIP / 2.0 / UDP\r\n  [::1] : 5060 ;\tbranch\r\n = z9 , SIP/2.0/TCP h\r\nVia: SIP/2.0/TLS i\n", `
via[0].name=VIA
via[0].protocol=SIP / 2.0 / UDP
via[0].sent-by=[::1] : 5060
via[0].branch=z9
via[1].protocol=SIP/2.0/TCP
via[1].sent-by=h
via[2].name=Via
via[2].protocol=SIP/2.0/TLS
via[2].sent-by=i`},
		{"Via, damaged", "Via: SIP/2.0/UDP 1.2.3.4:5060x junk;branch=q;;;=1;a=, UDP h;b ,,\r\nVia:\nVia: ;c", `
via[0].name=Via
via[0].protocol=SIP/2.0/UDP
via[0].sent-by=1.2.3.4:5060x
via[0]=junk
via[0].branch=q
via[0]==1
via[0].a=a=
via[1]=UDP h
via[1].b=b
via[2].name=Via
via[3].name=Via
via[3].c=c`},
		{"open quote", "Via: SIP/2.0/UDP h;a=\"b;c, d\r\nX: 1", `
via[0].name=Via
via[0].protocol=SIP/2.0/UDP
via[0].sent-by=h
via[0].a=a=
via[0]="b;c, d
session-expires.name=X
session-expires=1`},
		{"name-addr", "From: \"A, <B> \\\" C\" <sips:alice;x?@[::1]:5061;user=phone;Host=h;=v;a= ?b>;tag=1;name=n\r\n", `
from.name=From
from.display="A, <B> \" C"
from.uri.scheme=sips
from.uri.user=alice;x?
from.uri.host=[::1]
from.uri.port=5061
from.uri.param[user]=phone
from.uri.param[host]=h
from.uri==v
from.uri.a=a=
from.uri.headers=b
from.tag=1
from.param[name]=n`},
		{"addr-spec", "t: sip:bob@h:5060;tag=x,y\r\n", `
to.name=t
to.uri.scheme=sip
to.uri.user=bob
to.uri.host=h
to.uri.port=5060
to.tag=x,y`},
		{"single headers are no lists", "From: Liddell, A <sip:a@b>\r\nFrom: x", `
from.name=From
from.display=Liddell, A
from.uri.scheme=sip
from.uri.user=a
from.uri.host=b
from[1].name=From
from[1]=x`},
		{"list", "m: <sip:a@b>;expires=1 , \"x,\" <sip:c>,sip:d\r\nContact: *\r\nRoute: <sip:r;lr>", `
contact[0].name=m
contact[0].uri.scheme=sip
contact[0].uri.user=a
contact[0].uri.host=b
contact[0].expires=1
contact[1].display="x,"
contact[1].uri.scheme=sip
contact[1].uri.host=c
contact[2].uri.scheme=sip
contact[2].uri.host=d
contact[3].name=Contact
contact[3]=*
route[0].name=Route
route[0].uri.scheme=sip
route[0].uri.host=r
route[0].uri.lr=lr`},
		{"open bracket", "Contact: <sip:a@b;x, <sip:c>\r\nRoute: \"x <sip:c>", `
contact[0].name=Contact
contact[0]=<sip:a@b;x, <sip:c>
route[0].name=Route
route[0]="x <sip:c>`},
		{"no URI", "Contact: <10.0.0.9>, < >, Bob sip:a@b;c, <sip:@:;?>\r\n", `
contact[0].name=Contact
contact[0].uri=10.0.0.9
contact[2]=Bob sip:a@b
contact[2].c=c
contact[3].uri.scheme=sip`},
		{"white space in a URI", "Contact: <\tsip:a@b :5060\r\n ; x = y >;z", `
contact[0].name=Contact
contact[0].uri.scheme=sip
contact[0].uri.user=a
contact[0].uri.host=b
contact[0].uri.port=5060
contact[0].uri.x=y
contact[0].z=z`},
		{"one leaf", "i: a@b  \r\nCall-ID:\r\nCALL-ID:c\r\nCSeq: 0001\r\n  INVITE\r\nContent-Length : 0\r\n", `
call-id.name=i
call-id=a@b
call-id[1].name=Call-ID
call-id[2].name=CALL-ID
call-id[2]=c
cseq.name=CSeq
cseq=0001` + "\r\n  INVITE" + `
content-length.name=Content-Length
content-length=0`},
		{"unknown", "X-Canary: 1\r\nx-other:\r\nX-CANARY:2\r\nX%: y\r\n" + strings.Repeat("n", 90) + ":z\r\n", `
header[x-canary].name=X-Canary
header[x-canary]=1
header[x-other].name=x-other
header[x-canary][1].name=X-CANARY
header[x-canary][1]=2
header[x%25].name=X%
header[x%25]=y
header[` + strings.Repeat("n", 59) + "...].name=" + strings.Repeat("n", 90) + `
header[` + strings.Repeat("n", 59) + "...]=z"},
		{"no header", "hello\r\n: x\r\na b: c\r\n\rVia SIP/2.0/UDP 10.0.0.9:5060\nCall\rID: x\ns\x00: y", `
line[1]=hello
line[2]=: x
line[3]=a b: c
line[4]=Via SIP/2.0/UDP 10.0.0.9:5060
line[5]=Call` + "\r" + `ID: x
line[6]=s` + "\x00: y"},
		{"two @", "Contact: <sip:a@b@c;x=d@e>\r\n", `
contact[0].name=Contact
contact[0].uri.scheme=sip
contact[0].uri.user=a
contact[0].uri.host=b@c
contact[0].uri.x=d@e`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimPrefix(render(start+tt.line), render(start))
			if got != tt.want {
				t.Errorf("got:%s\nwant:%s", got, tt.want)
			}
		})
	}
}

func TestLineKey(t *testing.T) {
	msg := []byte("\r\nSIP/2.0 200 OK\r\nv: SIP/2.0/UDP h\r\nVia: SIP/2.0/UDP i\r\nX-Canary: 1\r\nx-canary: 2\r\nhello\r\nTo: sip:a;tag=b\r\n\r\nx")
	want := []string{"start-line", "via", "via", "header[x-canary]", "header[x-canary]", "line", "to", "body"}
	seen := 0
	for _, s := range AppendSpans(nil, msg) {
		if s.LineKey(msg) != want[s.Line] {
			t.Errorf("line %d is %s, want %s", s.Line, s.LineKey(msg), want[s.Line])
		}
		seen = int(s.Line)
	}
	if seen != len(want)-1 {
		t.Errorf("the body is line %d, want %d", seen, len(want)-1)
	}
}

// Every name in the table is found, in any case, and the compact forms are those of the IANA registry.
func TestHeaderNames(t *testing.T) {
	for h := HeaderOther + 1; int(h) < numHeaders; h++ {
		name := headers[h].name
		if len(name) > maxHeaderName {
			t.Errorf("%s is longer than %d octets", name, maxHeaderName)
		}
		for _, n := range []string{name, strings.ToUpper(name)} {
			if got := HeaderByName(n); got != h {
				t.Errorf("HeaderByName(%q) is %v", n, got)
			}
			for _, tail := range []string{"", " and some more to read in words of eight octets", "\r\n"} {
				msg := []byte("OPTIONS sip:a SIP/2.0\r\n" + n + ":" + tail)
				if s := AppendSpans(nil, msg)[4]; s.Header != h || s.Part != PartName || string(s.Bytes(msg)) != n {
					t.Errorf("%q is read as %v", msg, s)
				}
			}
		}
	}
	compact := map[string]Header{
		"a": HeaderAcceptContact, "b": HeaderReferredBy, "c": HeaderContentType, "d": HeaderRequestDisposition,
		"e": HeaderContentEncoding, "f": HeaderFrom, "i": HeaderCallID, "j": HeaderRejectContact, "k": HeaderSupported,
		"l": HeaderContentLength, "m": HeaderContact, "n": HeaderIdentityInfo, "o": HeaderEvent, "r": HeaderReferTo,
		"s": HeaderSubject, "t": HeaderTo, "u": HeaderAllowEvents, "v": HeaderVia, "x": HeaderSessionExpires,
		"y": HeaderIdentity,
	}
	for c := range byte(255) {
		want, ok := compact[strings.ToLower(string(rune(c)))]
		if !ok {
			want = HeaderOther
		}
		if got := HeaderByName(string(rune(c))); got != want {
			t.Errorf("HeaderByName(%q) is %v, want %v", c, got, want)
		}
	}
	for _, other := range []string{"", "\x00", "vi", "via ", "call\rid", "x-canary", strings.Repeat("x", 99)} {
		if got := HeaderByName(other); got != HeaderOther {
			t.Errorf("HeaderByName(%q) is %v", other, got)
		}
	}
}

// Counters stop at their limits, and work stays linear: quadratic work would take minutes here.
func TestMany(t *testing.T) {
	var names bytes.Buffer
	names.WriteString(start)
	for i := range 100_000 {
		names.WriteString("x")
		for n := i; n > 0; n /= 26 {
			names.WriteByte(byte('a' + n%26))
		}
		names.WriteString(":\n")
	}
	const n = 1 << 18
	for _, s := range []string{
		strings.Repeat("Via: SIP/2.0/UDP h\n", n/3),
		"Via: " + strings.Repeat("SIP/2.0/UDP h,", n/3),
		"Via: " + strings.Repeat("/", n),
		"Via: x" + strings.Repeat(";a=\"", n),
		"Contact: " + strings.Repeat("<", n),
		"Contact: " + strings.Repeat("<sip:a@b>,", n),
		"Contact: <sip:" + strings.Repeat("@", n),
		"Contact: <sip:" + strings.Repeat(";:[", n),
		"Contact: <sip:[" + strings.Repeat(" ", n),
		"Contact: " + strings.Repeat("sip:a b<c ", n),
		"Contact: " + strings.Repeat("\"", n),
		"Contact: " + strings.Repeat("a:", n),
		"X:" + strings.Repeat("\r\n ", n),
		strings.Repeat("\r", n),
		strings.Repeat("a:\n", n),
		strings.Repeat("a\n", n),
		names.String(),
	} {
		msg := []byte(start + s)
		check(t, msg, AppendSpans(nil, msg))
	}
}

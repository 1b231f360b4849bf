package alg

import (
	"net/netip"
	"testing"

	"nofixup/sip"
)

// FuzzSigns looks at messages of any content, alone and as request and answer: nothing panics, and a sign says what it is.
func FuzzSigns(f *testing.F) {
	body := signBody("10.0.0.9", "198.51.100.2", "a=rtcp:4001 IN IP4 10.0.0.9\n", "a=candidate:1 1 UDP 1 10.0.0.9 4000 typ host\n", "a=ice-mismatch\n")
	invite := signMessage("198.51.100.2:40060", "10.0.0.9", "", body)
	answer := crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP [2001:db8::1]:5060;rport=1;received=10.0.0.9;branch=z9hG4bK1\nFrom: <sip:a@b:1>\nCall-ID: @\nCSeq: 1 INVITE\nContent-Length: 9\n\nx")
	seeds := [][2][]byte{{invite, answer}, {answer, invite}, {invite[:len(invite)/2], nil}, {invite, crlf("i=(o=IN IP4 )\n")}}
	if len(signsOf(invite, "198.51.100.2:40060", "203.0.113.5:5060")) == 0 || len(signsOf(answer, "203.0.113.5:5060", "10.0.0.9:5060")) == 0 {
		f.Fatal("the seeds show nothing")
	}
	for _, s := range seeds {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		heard := func(raw []byte, src, dst string) *Heard {
			m := sip.Parse(raw)
			return &Heard{Path: Path{Proto: ProtoSIP, Transport: "udp", Family: 4, Port: 5060}, Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Call: string(m.Value(sip.HeaderCallID, 0)), Message: &m}
		}
		request, reply := heard(a, "198.51.100.2:40060", "203.0.113.5:5060"), heard(b, "203.0.113.5:5060", "10.0.0.9:5060")
		list := append(request.Signs(), reply.Signs()...)
		list = append(list, reply.AnswerSigns(request)...)
		list = append(list, request.RepetitionSigns(heard(b, "198.51.100.2:40060", "203.0.113.5:5060"))...)
		if s, ok := reply.RedirectSign(request); ok {
			list = append(list, s)
		}
		var j Judge
		for i := range list {
			s := &list[i]
			if s.Rule == nil || s.Field == "" || s.Evidence == "" || s.Confidence.rank() == 0 || s.Confidence == Low && s.Otherwise == "" {
				t.Fatalf("%+v", s)
			}
			j.AddSign(s)
		}
		if r := j.Report(); r.Fault() {
			t.Fatalf("a sign is a fault: %+v", r.Findings)
		}
	})
}

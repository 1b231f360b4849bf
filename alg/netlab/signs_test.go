package netlab_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nofixup/alg"
	"nofixup/alg/capture"
	"nofixup/alg/netlab"
)

// TestSignsOfKernel sends messages through the kernel's gateway that it does not do justice to, and asks what a capture on either
// side alone shows of it. The same messages through a NAT that leaves them alone show nothing but what a client may have done.
func TestSignsOfKernel(t *testing.T) {
	netlab.Require(t, "tcpdump")
	for _, tc := range []struct {
		mode            netlab.Mode
		inside, outside []string // signs with a confidence above low
	}{
		{netlab.ALG, []string{
			"sign-answer-redirected socket medium",
			"sign-received-mapped via[0].received high",
		}, []string{
			"sign-content-length content-length high",
			"sign-ice-mismatch sdp.media[0].c.address medium",
			"sign-mixed-addresses sdp.media[0].a[rtcp] medium",
			"sign-mixed-addresses sdp.media[3].c.address medium",
		}},
		{netlab.Plain, nil, nil},
	} {
		t.Run(string(tc.mode), func(t *testing.T) {
			lab := netlab.Up(t, tc.mode)
			in, out := lab.Host("rtr").Capture(t, "r0"), lab.Host("rtr").Capture(t, "r1")
			talkThrough(t, lab)
			for _, side := range []struct {
				name string
				file *netlab.Capture
				want []string
			}{{"inside", in, tc.inside}, {"outside", out, tc.outside}} {
				r, err := capture.Report(t.Context(), capture.Config{Files: []string{side.file.Stop(t)}})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range r.Findings {
					switch {
					case f.Confidence == "":
						t.Errorf("%s: %s: %s", side.name, f.ID, f.Summary)
					case f.Confidence != alg.Low:
						got = append(got, fmt.Sprintf("%s %s %s", f.ID, f.Field, f.Confidence))
					}
				}
				slices.Sort(got)
				if got = slices.Compact(got); !slices.Equal(got, side.want) {
					t.Errorf("%s: %q, want %q", side.name, got, side.want)
				}
				if r.Verdict != alg.OverallInconclusive || r.Fault() {
					t.Errorf("%s: %s: one side proves nothing", side.name, r.Verdict)
				}
			}
		})
	}
}

// talkThrough sends requests of a client through the router, and answers as a server gives them.
func talkThrough(t *testing.T, lab *netlab.Lab) {
	t.Helper()
	lan := newStation(t, lab.Host("lan"), netlab.LANAddr)
	wan := newStation(t, lab.Host("wan"), netlab.WANAddr)
	own, server := port(netlab.LANAddr, 5060), port(netlab.WANAddr, 5060)
	odd, neutral := port(netlab.LANAddr, 40000), port(netlab.WANAddr, 15060)
	lan.do(t, order{Do: "open", UDP: everywhere(lan.addrs, []uint16{5060, 40000})})
	wan.do(t, order{Do: "open", UDP: everywhere(wan.addrs, []uint16{5060, 15060})})
	const sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nt=0 0\r\n"
	medium := func(kind string, port int, more ...string) string {
		return fmt.Sprintf("m=%s %d RTP/AVP 0\r\nc=IN IP4 10.0.0.9\r\n", kind, port) + strings.Join(more, "")
	}
	for i, x := range []struct {
		kind, body string
		from, to   uint16
	}{
		{"application/sdp", sdp + medium("audio", 20000) + medium("audio", 20010) + medium("video", 20020) + medium("video", 20030), 5060, 5060},
		{"application/sdp", sdp + medium("audio", 20100, "a=rtcp:20101 IN IP4 10.0.0.9\r\n"), 5060, 5060},
		{"application/sdp", sdp + medium("audio", 20200, "a=candidate:1 1 UDP 2130706431 10.0.0.9 20200 typ host\r\n"), 5060, 5060},
		{"multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\n" + sdp + medium("audio", 20300) + "--b--\r\n", 5060, 5060},
		{"", "", 40000, 5060},
		{"", "", 5060, 15060}, // where no gateway looks: the server sees the public address
	} {
		request := fmt.Sprintf("INVITE sip:b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bKs%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.net>\r\nCall-ID: s%[2]d\r\nCSeq: 1 INVITE\r\nContact: <sip:a@%[1]s>\r\n", own, i)
		if x.kind != "" {
			request += "Content-Type: " + x.kind + "\r\n"
		}
		request += fmt.Sprintf("Content-Length: %d\r\n\r\n", len(x.body)) + x.body
		src, dst := own, server
		if x.from == odd.Port() {
			src = odd
		}
		if x.to == neutral.Port() {
			dst = neutral
		}
		lan.do(t, order{Do: "send", Message: message{"udp", src, dst, []byte(request)}})
		got, ok := wan.next(time.After(stationPatience))
		if !ok {
			t.Fatalf("request %d does not arrive", i)
		}
		// RFC 3261 8.2.6.2, RFC 3581 4: what the server got comes back, and where it came from.
		head, _, _ := bytes.Cut(got.Payload, []byte("Contact: "))
		answer := "SIP/2.0 486 Busy Here" + strings.TrimPrefix(string(head), "INVITE sip:b@example.net SIP/2.0")
		answer = strings.Replace(answer, ";rport;", fmt.Sprintf(";rport=%d;received=%s;", got.Src.Port(), got.Src.Addr()), 1)
		wan.do(t, order{Do: "send", Message: message{"udp", dst, got.Src, []byte(answer + "Content-Length: 0\r\n\r\n")}})
		if _, ok := lan.next(time.After(stationPatience)); !ok {
			t.Fatalf("the answer to request %d does not arrive", i)
		}
	}
}

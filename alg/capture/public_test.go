package capture

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nofixup/alg"
	"nofixup/h323"
	"nofixup/sip"
)

// Public captures that are not part of the project, with what an expert sees in them. NOFIXUP_CAPTURES names the directory
// that they are in.
var publicTruths = []struct {
	file     string
	messages int
	calls    []string // state, audio, packets to the caller and to the callee
	streams  []string // packets and losses, in the order in which they began
	findings []string
}{
	// 236 and 229 packets, one of them lost. The capture ends before the call does.
	{"t0data__PCAP_wireshark__rtp_example.raw", 16, []string{"answered two-way 229 236"}, []string{"236 0", "229 1"}, nil},
	// Of the packets on the ports of media two are STUN (frames 13 and 15): frames 18 to 1088 hold 524 of RTP, which go out, and
	// frames 20 to 1094 the 525 that come in. The last three of these come after BYE, and are refused by ICMP.
	{"beavicario__2021-2022-PTAVI-Practicas__linphone-call-total.pcapng", 9, []string{"ended two-way 522 524"}, []string{"524 0", "525 0"}, []string{"media-latched"}},
	// Two dialogs, of which one answers to the proxy alone and one to the caller, too. No media was captured.
	{"irontec__sngrep__ipv6frag.pcap", 32, []string{"ended unknown 0 0"}, nil, nil},
	{"NormB__sipnab__DTMFsipinfo.pcap", 32, []string{"answered unknown 0 0"}, nil, nil},
	{"NormB__sipnab__sip-over-tcp.pcap", 7, []string{"ended two-way 42 24"}, []string{"42 0", "24 0"}, nil},
	// The caller says recvonly, the callee sendonly: one way is all that was agreed on.
	{"NormB__sipnab__sip-rtp-g711.pcap", 10, []string{"ended not-expected 425 0", "answered not-expected 414 0"}, []string{"425 0", "414 0"}, nil},
}

func captureFile(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("NOFIXUP_CAPTURES")
	if dir == "" {
		t.Skip("NOFIXUP_CAPTURES does not name the directory with the public captures")
	}
	return filepath.Join(dir, name)
}

func TestTruths(t *testing.T) {
	for _, tc := range publicTruths {
		t.Run(tc.file, func(t *testing.T) {
			file := captureFile(t, tc.file)
			r, err := Report(t.Context(), Config{Files: []string{file}})
			if err != nil {
				t.Fatal(err)
			}
			var calls, streams []string
			for _, c := range r.Calls {
				calls = append(calls, fmt.Sprintf("%s %s %d %d", c.State, c.Audio, c.Packets[0], c.Packets[1]))
				if len(c.Legs) > 0 || c.Audio == alg.AudioNotExpected && !strings.Contains(c.Why, "by agreement") {
					t.Errorf("%+v", c)
				}
			}
			for _, s := range r.Streams {
				streams = append(streams, fmt.Sprintf("%d %d", s.Packets, s.Lost))
			}
			if !slices.Equal(calls, tc.calls) || !slices.Equal(streams, tc.streams) || !slices.Equal(ids(r), tc.findings) || r.Fault() {
				t.Errorf("%q, streams %q, findings %q; want %q, %q, %q", calls, streams, ids(r), tc.calls, tc.streams, tc.findings)
			}
			if c := analyse(t, file); len(c.messages) != tc.messages || !c.Complete() {
				t.Errorf("%d messages, want %d; %+v", len(c.messages), tc.messages, c.Left)
			}
		})
	}
}

// The H.323 call in detail: frames, the PDUs of H.245, and where media goes.
func TestTruthH323(t *testing.T) {
	r := analyse(t, captureFile(t, publicTruths[0].file))
	var call, control []string
	frames := map[int]bool{}
	media := map[string]bool{}
	for _, m := range r.messages {
		var p h323.PDU
		if m.Proto == alg.ProtoH245 {
			p.ParseH245(m.Raw)
			control = append(control, p.Message.String())
			frames[m.Frames[len(m.Frames)-1]] = true
			if server := m.Flow.Ends[1].String(); server != "10.1.6.18:1232" {
				t.Errorf("H.245 at %s", server)
			}
		} else {
			p.ParseCall(m.Raw)
			call = append(call, fmt.Sprintf("%v %s", m.Frames, p.Message))
		}
		for _, a := range m.Announced {
			if p.Message == h323.OLCAck {
				media[a.Kind+" "+a.Addr.String()] = true
			}
		}
	}
	if want := []string{"[4] setup", "[6] callProceeding", "[8] alerting", "[10] connect"}; !slices.Equal(call, want) {
		t.Errorf("%q, want %q", call, want)
	}
	if len(control) != 12 || len(frames) != 11 || !frames[22] {
		t.Errorf("%d PDUs of H.245 in %d frames: %q", len(control), len(frames), control)
	}
	for _, want := range []string{"media 10.1.3.143:5000", "rtcp 10.1.3.143:5001", "media 10.1.6.18:2006", "rtcp 10.1.6.18:2007"} {
		if !media[want] {
			t.Errorf("no %s in %v", want, media)
		}
	}
}

// The INVITEs that come in fragments of IPv6, 1,699 and 1,879 octets of UDP with its header: the proxy adds a Via and a
// Record-Route and puts a relay into the description.
func TestTruthFragments(t *testing.T) {
	var got []string
	for _, m := range analyse(t, captureFile(t, "irontec__sngrep__ipv6frag.pcap")).messages {
		s := sip.Parse(m.Raw)
		if string(s.Method()) != "INVITE" {
			continue
		}
		vias, routes := 0, 0
		for s.Value(sip.HeaderVia, vias) != nil {
			vias++
		}
		for s.Value(sip.HeaderRecordRoute, routes) != nil {
			routes++
		}
		got = append(got, fmt.Sprintf("%d: %d Via, %d Record-Route, relay %v", len(m.Raw)+8, vias, routes, strings.Contains(string(m.Raw), "audio 30002 ")))
	}
	if want := []string{"1699: 1 Via, 1 Record-Route, relay false", "1879: 2 Via, 2 Record-Route, relay true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

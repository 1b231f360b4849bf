package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"nofixup/alg/media"
	"nofixup/h323"
	"nofixup/reflector/wire"
)

var (
	aliceMedia = netip.MustParseAddrPort("192.168.1.10:4000")
	bobMedia   = netip.MustParseAddrPort("203.0.113.10:5000")
)

func TestStartsSIP(t *testing.T) {
	tests := []struct {
		text string
		want verdict
	}{
		{"INVITE sip:a@b SIP/2.0\r\n", yes},
		{"\r\n\r\nINVITE sip:a@b SIP/2.0\r\n", yes},
		{"SIP/2.0 200 OK\r\n", yes},
		{"invite sip:a@b sip/2.0\n", yes},
		{"NEWMETHOD-X tel:1 SIP/2.0\r\n", yes},
		{"INVITE sip:a b@c SIP/2.0\r\n", yes}, // a space too many is the sender's mistake, not another protocol's
		{"INV", maybe},
		{"", maybe},
		{"SIP/2.", maybe},
		{"INVITE sip:a@b SI", maybe},
		{"GET / HTTP/1.1\r\n", no},
		{"HTTP/1.1 200 OK\r\n", no},
		{"OPTIONS rtsp://a RTSP/1.0\r\n", no},
		{"SIP/2.0x", no},
		{"INVITE\r\n", no},
		{"\x80\x00abc", no},
		{"SIPX", maybe},
		{strings.Repeat("A", 40) + " sip:a SIP/2.0\r\n", no},
	}
	for _, test := range tests {
		if got := startsSIP([]byte(test.text)); got != test.want {
			t.Errorf("%q: %d, want %d", test.text, got, test.want)
		}
	}
}

// A call on odd ports: the messages are known by what they look like, the streams by what the messages announce.
func TestCall(t *testing.T) {
	src, dst := netip.AddrPortFrom(alice.Addr(), 15999), netip.AddrPortFrom(bob.Addr(), 7777)
	frames := [][]byte{
		udpFrame(t, src, dst, sipMessage("INVITE sip:c@d SIP/2.0", "call-1", aliceMedia)),
		udpFrame(t, dst, src, sipMessage("SIP/2.0 200 OK", "call-1", bobMedia)),
		udpFrame(t, src, dst, []byte("\r\n\r\n")), // keeps the binding alive
	}
	for i := range 100 {
		if i != 50 {
			frames = append(frames, udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 1, 96, i)))
		}
		frames = append(frames, udpFrame(t, bobMedia, aliceMedia, rtpPacket(t, 2, 0, i)))
	}
	frames = append(frames, udpFrame(t, next(aliceMedia), next(bobMedia), []byte{0x80, 201, 0, 1, 0, 0, 0, 1}))
	r := of(t, 1, timed(frames...)...)
	if got, want := starts(r.messages), []string{"[1] INVITE sip:c@d SIP/2.0", "[2] SIP/2.0 200 OK"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if m := r.messages[1]; m.Call != "call-1" || m.FromClient() || m.Sighting().At.UnixNano() != start+20*ms {
		t.Errorf("%+v", m)
	}
	var flows []string
	for _, f := range r.Flows {
		flows = append(flows, f.Proto)
		if f.Proto == ProtoRTP && f.Parent != 1 {
			t.Errorf("flow %d: parent %d", f.ID, f.Parent)
		}
	}
	if !slices.Equal(flows, []string{"sip", "rtp", "rtp"}) {
		t.Errorf("flows %v", flows)
	}
	if len(r.Streams) != 2 {
		t.Fatalf("%d streams", len(r.Streams))
	}
	s := r.Streams[0]
	if s.Packets != 99 || s.Lost != 1 || !s.Announced || s.Payloads[0].Format != (media.Format{Payload: 96, Name: "opus", Rate: 48000}) {
		t.Errorf("%+v", s.Stats)
	}
	if s.Receiver == nil || s.Receiver.Message != 2 || s.Sender == nil || s.Sender.Message != 1 || s.Receiver.Path != "sdp.media[0]" {
		t.Errorf("%+v, %+v", s.Receiver, s.Sender)
	}
	if p := r.Flows[0].Path(); p.Proto != "sip" || p.Transport != "udp" || p.Port != 7777 || p.Family != 4 || p.SourcePort != 0 {
		t.Errorf("%+v", p)
	}
}

func next(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

// No message was captured: streams are known by how they behave, and other protocols are none.
func TestStreamsWithoutMessages(t *testing.T) {
	var frames [][]byte
	dns := make([]byte, 60)
	for i := range 60 {
		frames = append(frames, udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 1, 8, i)))
		dns[0], dns[1], dns[2] = 0x80|byte(i), byte(i*37), 0x81
		frames = append(frames, udpFrame(t, netip.AddrPortFrom(bob.Addr(), 53), alice, dns))
		quic := bytes.Repeat([]byte{byte(i * 11)}, 80)
		quic[0] = 0xc0
		frames = append(frames, udpFrame(t, netip.AddrPortFrom(bob.Addr(), 443), alice, quic))
	}
	r := of(t, 1, timed(frames...)...)
	if len(r.Streams) != 1 || r.Streams[0].Packets != 60 || r.Streams[0].Announced || len(r.Flows) != 1 {
		t.Errorf("%d streams, %d flows", len(r.Streams), len(r.Flows))
	}
}

// Two calls one after the other between the same ports: each stream belongs to its own.
func TestPortsUsedAgain(t *testing.T) {
	var frames [][]byte
	for call := range 2 {
		name := string(rune('a' + call))
		frames = append(frames, udpFrame(t, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", name, aliceMedia)),
			udpFrame(t, bob, alice, sipMessage("SIP/2.0 200 OK", name, bobMedia)))
		for i := range 200 {
			frames = append(frames, udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, uint32(call+1), 0, i)))
		}
	}
	r := of(t, 1, timed(frames...)...)
	if len(r.Streams) != 2 || r.Streams[0].Receiver.Call != "a" || r.Streams[1].Receiver.Call != "b" || r.Streams[0].Sender.Call != "a" {
		for _, s := range r.Streams {
			t.Errorf("%x: %+v", s.SSRC, s.Receiver)
		}
	}
}

// A mirrored port shows every packet twice: the second message is a copy, and a retransmission is none.
func TestCopies(t *testing.T) {
	invite := ether(packetUDP(t, alice, bob, 77, sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia)))
	again := ether(packetUDP(t, alice, bob, 78, sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia)))
	r := of(t, 1, shot{at: start, data: invite}, shot{at: start + 1000, data: invite}, shot{at: start + 500*ms, data: again}, shot{at: start + 500*ms + 1000, data: again})
	var got []int
	for _, m := range r.messages {
		got = append(got, m.Copy)
	}
	if !slices.Equal(got, []int{0, 1, 0, 3}) {
		t.Errorf("%v", got)
	}
}

// What an ICMP error quotes is an error of the flow and no message.
func TestICMP(t *testing.T) {
	message := sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia)
	for _, ends := range [][2]netip.AddrPort{{alice, bob}, {alice6, bob6}} {
		packet := packetUDP(t, ends[0], ends[1], 7, message)
		var icmp []byte
		if ends[0].Addr().Is4() {
			icmp = ether(stack(t, ip(ends[1].Addr(), ends[0].Addr(), layers.IPProtocolICMPv4, 8),
				&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload(packet)))
		} else {
			n := ip(ends[1].Addr(), ends[0].Addr(), layers.IPProtocolICMPv6, 8)
			h := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(1, 4)}
			if err := h.SetNetworkLayerForChecksum(n.(gopacket.NetworkLayer)); err != nil {
				t.Fatal(err)
			}
			icmp = ether(stack(t, n, h, gopacket.Payload(slices.Concat(make([]byte, 4), packet))))
		}
		r := of(t, 1, timed(ether(packet), icmp, icmp)...)
		if len(r.messages) != 1 || len(r.Flows) != 1 || len(r.Flows[0].Errors) != 1 || len(r.Errors) != 1 {
			t.Fatalf("%v: %d messages, %d flows, %v", ends, len(r.messages), len(r.Flows), r.Errors)
		}
		if e := r.Flows[0].Errors[0]; !e.Unreachable() || e.Count != 2 || e.Frame != 2 || e.Src != ends[0] || e.Dst != ends[1] || e.From != ends[1].Addr() {
			t.Errorf("%+v", e)
		}
	}
}

func TestSTUN(t *testing.T) {
	server := netip.MustParseAddrPort("198.51.100.77:3478")
	request := slices.Concat([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12))
	// 203.0.113.5:40000 with the magic cookie over it.
	answer := slices.Concat([]byte{1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12),
		[]byte{0, 0x20, 0, 8, 0, 1, 0x9c ^ 0x21, 0x40 ^ 0x12, 203 ^ 0x21, 0 ^ 0x12, 113 ^ 0xa4, 5 ^ 0x42})
	r := of(t, 1, timed(udpFrame(t, aliceMedia, server, request), udpFrame(t, server, aliceMedia, answer), udpFrame(t, server, aliceMedia, answer))...)
	want := Mapping{Client: aliceMedia, Server: server, Mapped: netip.MustParseAddrPort("203.0.113.5:40000")}
	if !slices.Equal(r.Mappings, []Mapping{want}) || r.Flows[0].Proto != ProtoSTUN || r.Flows[0].STUNs != 3 {
		t.Errorf("%v, want %v", r.Mappings, want)
	}
}

// A call switches to T.38: the fax is counted and no loss of RTP.
func TestFax(t *testing.T) {
	fax := func(call string, at netip.AddrPort, line string) []byte {
		m := sipMessage(line, call, at)
		m = bytes.ReplaceAll(m, []byte("m=audio"), []byte("m=image"))
		return bytes.ReplaceAll(m, []byte("RTP/AVP 0 96"), []byte("udptl t38   "))
	}
	frames := [][]byte{
		udpFrame(t, alice, bob, sipMessage("INVITE sip:c@d SIP/2.0", "x", aliceMedia)),
		udpFrame(t, bob, alice, sipMessage("SIP/2.0 200 OK", "x", bobMedia)),
	}
	for i := range 50 {
		frames = append(frames, udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 1, 0, i)))
	}
	frames = append(frames, udpFrame(t, alice, bob, fax("x", aliceMedia, "INVITE sip:c@d SIP/2.0")), udpFrame(t, bob, alice, fax("x", bobMedia, "SIP/2.0 200 OK")))
	for i := range 100 {
		if i != 30 {
			frames = append(frames, udpFrame(t, aliceMedia, bobMedia, []byte{0, byte(i), 1, 6, 0}))
		}
	}
	r := of(t, 1, timed(frames...)...)
	if len(r.Streams) != 1 || r.Streams[0].Packets != 50 || r.Streams[0].Lost != 0 {
		t.Errorf("%d streams", len(r.Streams))
	}
	if f := r.Flows[len(r.Flows)-1]; f.Fax[0].Packets != 99 || f.Fax[0].Lost != 1 {
		t.Errorf("%+v", f.Fax)
	}
}

func TestProbeTags(t *testing.T) {
	tag := wire.Tag{Token: wire.Token{1, 2, 3}, Number: 77}
	m := sipMessage("OPTIONS sip:"+tag.String()+"@b SIP/2.0", tag.String()+"@a", netip.AddrPort{})
	r := of(t, 1, timed(udpFrame(t, alice, bob, m))...)
	if len(r.messages) != 1 || !slices.Equal(r.messages[0].Probes, []Probe{tag}) {
		t.Errorf("%v", r.messages)
	}
}

// RAS is known on its port, and elsewhere by how it begins.
func TestRAS(t *testing.T) {
	request, _, err := h323.RASMessage{Body: h323.GatekeeperRequest{RASAddress: alice}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []uint16{1719, 1718, 15060} {
		server := netip.AddrPortFrom(bob.Addr(), port)
		r := of(t, 1, timed(udpFrame(t, alice, server, request), udpFrame(t, server, alice, request))...)
		if len(r.messages) != 2 || r.messages[0].Proto != "ras" || !bytes.Equal(r.messages[0].Raw, request) {
			t.Errorf("port %d: %v", port, r.messages)
		}
	}
}

// The address of H.245 is that of a message, and what the connection carries belongs to the call.
func TestH245Followed(t *testing.T) {
	signalling := netip.MustParseAddrPort("203.0.113.10:1720")
	control := netip.MustParseAddrPort("203.0.113.10:34567")
	connect, _, err := h323.CallMessage{Reference: 5, FromCallee: true, ID: [16]byte{7}, Body: h323.AnswerBody{Message: h323.Connect, H245Address: control}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	setup, _, err := h323.CallMessage{Reference: 5, ID: [16]byte{7}, Body: h323.SetupBody{}}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	channel, _, err := h323.AppendControlTPKT(nil, h323.ChannelAck{Media: bobMedia, MediaControl: next(bobMedia)})
	if err != nil {
		t.Fatal(err)
	}
	caller := netip.AddrPortFrom(alice.Addr(), 40000)
	frames := [][]byte{
		tcpFrame(t, caller, signalling, 0, 0, "S", nil), tcpFrame(t, caller, signalling, 1, 1, "A", setup[:4]), tcpFrame(t, caller, signalling, 5, 1, "A", setup[4:]),
		tcpFrame(t, signalling, caller, 1, 1, "A", connect),
		tcpFrame(t, next(caller), control, 0, 0, "S", nil), tcpFrame(t, control, next(caller), 1, 1, "A", slices.Concat(channel, channel)),
	}
	for i := range 3 { // too few to be a stream unannounced
		frames = append(frames, udpFrame(t, aliceMedia, bobMedia, rtpPacket(t, 1, 0, i)))
	}
	r := of(t, 1, timed(frames...)...)
	var got []string
	for _, m := range r.messages {
		got = append(got, m.Proto)
		if m.Call != "07000000000000000000000000000000" {
			t.Errorf("message %d: call %q", m.ID, m.Call)
		}
	}
	if !slices.Equal(got, []string{"h323", "h323", "h245", "h245"}) || len(r.Flows) != 3 || r.Flows[1].Parent != 1 || r.Flows[2].Parent != 2 {
		t.Fatalf("%v, %d flows", got, len(r.Flows))
	}
	if len(r.Streams) != 1 || r.Streams[0].Receiver == nil || r.Streams[0].Receiver.Path != "olcAck.mediaChannel" {
		t.Errorf("%+v", r.Streams)
	}
	if p := r.Flows[1].Path(); p.Proto != "h323" || p.Port != 34567 {
		t.Errorf("%+v", p)
	}
}

// A port that was announced for H.245 may be the one from which the next connection goes out.
func TestH245PortReused(t *testing.T) {
	signalling := netip.MustParseAddrPort("203.0.113.10:1720")
	announced := netip.AddrPortFrom(alice.Addr(), 41000)
	setup := func(id byte, h245 netip.AddrPort) []byte {
		raw, _, err := h323.CallMessage{Reference: 5, ID: [16]byte{id}, Body: h323.SetupBody{H245Address: h245}}.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	caller := netip.AddrPortFrom(alice.Addr(), 40000)
	r := of(t, 1, timed(
		tcpFrame(t, caller, signalling, 0, 0, "S", nil), tcpFrame(t, caller, signalling, 1, 1, "A", setup(7, announced)),
		tcpFrame(t, announced, signalling, 0, 0, "S", nil), tcpFrame(t, announced, signalling, 1, 1, "A", setup(8, netip.AddrPort{})),
	)...)
	if len(r.messages) != 2 || r.messages[1].Proto != "h323" || r.Flows[1].Parent != 0 {
		t.Errorf("%+v", r.messages)
	}
	r = of(t, 1, timed(
		tcpFrame(t, caller, signalling, 0, 0, "S", nil), tcpFrame(t, caller, signalling, 1, 1, "A", setup(7, announced)),
		tcpFrame(t, announced, bob, 0, 0, "S", nil), tcpFrame(t, announced, bob, 1, 1, "A", sipMessage("OPTIONS sip:x@y SIP/2.0", "c9", netip.AddrPort{})),
	)...)
	if len(r.messages) != 2 || r.messages[1].Proto != "sip" {
		t.Errorf("%+v", r.messages)
	}
}

// What the captures of the H.323 lab hold (testdata/h323): the calls that have audio one way have a stream one way inside.
func TestLabH323(t *testing.T) {
	tests := []struct {
		name     string
		messages map[string]int
		streams  int
		errors   int
	}{
		{"nofs-notun.lan", map[string]int{"h323": 7, "h245": 13}, 2, 0},
		{"nofs-notun.wan", map[string]int{"h323": 7, "h245": 13}, 2, 0},
		{"nofs-tun.lan", map[string]int{"h323": 18}, 2, 0},
		{"nofs-tun.wan", map[string]int{"h323": 18}, 2, 0},
		{"fs-notun.lan", map[string]int{"h323": 7, "h245": 10}, 1, 0},
		{"fs-notun.wan", map[string]int{"h323": 7, "h245": 10}, 2, 1},
		{"fs-tun.lan", map[string]int{"h323": 14}, 1, 0},
		{"fs-tun.wan", map[string]int{"h323": 14}, 2, 1},
		{"gk-direct.lan", map[string]int{"h323": 3, "ras": 8}, 0, 0},
		{"gk-direct.wan", map[string]int{"h323": 3, "ras": 12}, 0, 0},
		{"gk-inbound.lan", map[string]int{"h323": 14, "ras": 9}, 2, 0},
		{"gk-inbound.wan", map[string]int{"h323": 14, "ras": 9}, 2, 0},
	}
	for _, test := range tests {
		name := "../../testdata/h323/" + test.name + ".pcap"
		if _, err := os.Stat(name); err != nil {
			t.Fatal(err)
		}
		r := analyse(t, name)
		count := map[string]int{}
		for _, m := range r.messages {
			count[m.Proto]++
			if m.Missing != 0 || m.Stray || m.Proto != "ras" && int(binary.BigEndian.Uint16(m.Raw[2:])) != len(m.Raw) {
				t.Errorf("%s: message %d is not whole", test.name, m.ID)
			}
		}
		for proto, n := range test.messages {
			if count[proto] != n {
				t.Errorf("%s: %d messages of %s, want %d", test.name, count[proto], proto, n)
			}
		}
		errors := 0
		for _, f := range r.Flows {
			errors += len(f.Errors)
		}
		if len(r.Streams) != test.streams || errors != test.errors || !r.Complete() {
			t.Errorf("%s: %d streams, %d errors, %+v", test.name, len(r.Streams), errors, r.Left)
		}
		for _, s := range r.Streams {
			if s.Receiver == nil || s.Lost != 0 {
				t.Errorf("%s: stream %x: %d lost, %v", test.name, s.SSRC, s.Lost, s.Receiver)
			}
		}
	}
}

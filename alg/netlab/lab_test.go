package netlab_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"nofixup/alg/netlab"
)

func TestMain(m *testing.M) {
	netlab.Main(m, map[string]func(args []string) int{
		"peer": peerFunc, "station": stationFunc, "names": namesFunc, "softphone": softphoneFunc,
		"callers": callersFunc, "uas": uasFunc, "hostile": hostileFunc, "replay": replayFunc, "relay": relayFunc,
	})
}

// invite is an INVITE of a phone that has the address, and offers media on the port.
func invite(local netip.AddrPort, media int) string {
	version, host := "IP4", local.Addr().String()
	if local.Addr().Is6() {
		version = "IP6"
	}
	sdp := fmt.Sprintf("v=0\r\no=alice 1 1 IN %s %s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\nm=audio %[3]d RTP/AVP 0\r\n",
		version, host, media)
	return "INVITE sip:bob@example.net SIP/2.0\r\n" +
		fmt.Sprintf("Via: SIP/2.0/UDP %v;branch=z9hG4bK%d\r\n", local, media) +
		"Max-Forwards: 70\r\n" +
		"From: <sip:alice@example.org>;tag=1\r\n" +
		"To: <sip:bob@example.net>\r\n" +
		fmt.Sprintf("Call-ID: %d@example.org\r\n", media) +
		"CSeq: 1 INVITE\r\n" +
		fmt.Sprintf("Contact: <sip:alice@%v>\r\n", local) +
		"Content-Type: application/sdp\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n", len(sdp)) + sdp
}

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

// TestInvite shows that every mode is what it says: what leaves the phone and what reaches the Internet, octet for octet.
func TestInvite(t *testing.T) {
	netlab.Require(t)
	t.Parallel()
	const media = 40000
	for _, mode := range netlab.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			type trial struct {
				name              string
				lan, wan, shown   netip.Addr // the phone, the peer, the address the phone writes into the message
				source, rewritten netip.Addr // what the peer sees as source, and in the message
			}
			local := mode.Local()
			trials := []trial{{"IPv4", local, netlab.WANAddr, local, mode.Source(), local}}
			switch mode {
			case netlab.ALG:
				trials[0].rewritten = netlab.PublicAddr
			case netlab.Double:
				// The helper at the router knows the address it sees, not that of the phone behind one more NAT.
				trials = append(trials, trial{"outer address", local, netlab.WANAddr, netlab.LANAddr, mode.Source(), netlab.PublicAddr})
			}
			if mode.IPv6() {
				tr := trial{"IPv6", netlab.LANAddr6, netlab.WANAddr6, netlab.LANAddr6, mode.Source6(), netlab.LANAddr6}
				if mode == netlab.ALG {
					tr.rewritten = netlab.PublicAddr6
				}
				trials = append(trials, tr)
			}
			for _, tr := range trials {
				t.Run(tr.name, func(t *testing.T) {
					t.Parallel()
					lab := netlab.Up(t, mode)
					phone := newPeer(t, lab.Host("lan"), tr.lan, 5060)
					server := newPeer(t, lab.Host("wan"), tr.wan, 5060)
					phone.sendTo(t, server.local, invite(port(tr.shown, 5060), media))
					got := server.receive(t)
					if want := port(tr.source, 5060); got.Addr != want {
						t.Errorf("source: got %v, want %v", got.Addr, want)
					}
					if want := invite(port(tr.rewritten, 5060), media); string(got.Payload) != want {
						t.Errorf("message: got\n%s\nwant\n%s", got.Payload, want)
					}
					if mode != netlab.Double {
						pinhole(t, lab, phone, server, got.Addr, media)
					}
				})
			}
		})
	}
}

// pinhole checks that after an INVITE the announced media port is open from the Internet exactly if there are helpers.
// The keepalive behind the media packet takes the same way: when it has arrived, the media packet has, or never will.
func pinhole(t *testing.T, lab *netlab.Lab, phone, server *peer, seen netip.AddrPort, media uint16) {
	t.Helper()
	inside := lab.Host("lan").Capture(t, "l0")
	server.sendTo(t, port(seen.Addr(), media), "media packet")
	server.sendTo(t, seen, "\r\n\r\n")
	phone.receive(t)
	open := false
	for _, d := range inside.Datagrams(t) {
		if d.Dst == port(phone.local.Addr(), media) && string(d.Payload) == "media packet" {
			open = true
		}
	}
	if open != lab.Mode.Helpers() {
		t.Errorf("media port open: got %v, want %v", open, lab.Mode.Helpers())
	}
}

// TestCapture shows that a capture has exactly what was sent between its start and its end, on both sides of the router,
// with fragments put together again.
func TestCapture(t *testing.T) {
	netlab.Require(t, "tcpdump")
	t.Parallel()
	const rounds, burst = 10, 50
	lab := netlab.Up(t, netlab.Plain)
	for _, tr := range []struct{ lan, wan, source netip.Addr }{
		{netlab.LANAddr, netlab.WANAddr, netlab.PublicAddr},
		{netlab.LANAddr6, netlab.WANAddr6, netlab.PublicAddr6},
	} {
		phone := newPeer(t, lab.Host("lan"), tr.lan, 6000)
		server := newPeer(t, lab.Host("wan"), tr.wan, 7000)
		for round := range rounds {
			inside, outside := lab.Host("lan").Capture(t, "l0"), lab.Host("wan").Capture(t, "w0")
			var want []string
			begin := time.Now()
			for i := range burst {
				text := fmt.Sprintf("%d/%d\x00\xff", round, i)
				if i%10 == 9 {
					text += strings.Repeat("long", 1200)
				}
				want = append(want, text)
				phone.sendTo(t, server.local, text)
			}
			for range burst {
				server.receive(t)
			}
			check := func(side string, ds []netlab.Datagram, source netip.AddrPort) {
				t.Helper()
				if len(ds) != len(want) {
					t.Fatalf("%s: got %d datagrams, want %d", side, len(ds), len(want))
				}
				for i, d := range ds {
					if string(d.Payload) != want[i] {
						t.Errorf("%s: datagram %d: got %q, want %q", side, i, d.Payload, want[i])
					}
					if d.Src != source || d.Dst != server.local {
						t.Errorf("%s: datagram %d: from %v to %v, want %v to %v", side, i, d.Src, d.Dst, source, server.local)
					}
					if d.At.Before(begin.Add(-time.Second)) || d.At.After(time.Now().Add(time.Second)) {
						t.Errorf("%s: datagram %d: time %v", side, i, d.At)
					}
				}
			}
			check("outside", outside.Datagrams(t), port(tr.source, 6000))
			check("inside", inside.Datagrams(t), phone.local)
		}
	}
}

// TestNFT shows that a test can make the network worse, and repair it.
func TestNFT(t *testing.T) {
	t.Parallel()
	lab := netlab.Up(t, netlab.Plain)
	phone := newPeer(t, lab.Host("lan"), netlab.LANAddr, 5060)
	server := newPeer(t, lab.Host("wan"), netlab.WANAddr, 5060)
	isp := lab.Host("isp")
	isp.NFT(t, `table ip loss {
		chain c { type filter hook forward priority 0; udp dport 5060 counter drop; }
	}`)
	phone.sendTo(t, server.local, "lost")
	for !strings.Contains(isp.Run(t, "nft", "list", "table", "ip", "loss"), "packets 1 ") {
		time.Sleep(time.Millisecond)
	}
	isp.NFT(t, "delete table ip loss")
	phone.sendTo(t, server.local, "not lost")
	if got := server.receive(t); string(got.Payload) != "not lost" {
		t.Errorf("got %q", got.Payload)
	}
}

// TestReady shows that both IP versions work the moment Up returns. A first packet that gets lost on the way, and be it
// that of the neighbour discovery, takes a second to be repeated.
func TestReady(t *testing.T) {
	for _, mode := range netlab.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			begin := time.Now()
			lab := netlab.Up(t, mode)
			if took := time.Since(begin); took > time.Second {
				t.Errorf("up in %v", took)
			}
			pairs := [][2]netip.Addr{{mode.Local(), netlab.WANAddr2}}
			if mode.IPv6() {
				pairs = append(pairs, [2]netip.Addr{netlab.LANAddr6, netlab.WANAddr6})
			}
			for _, pair := range pairs {
				a := newPeer(t, lab.Host("lan"), pair[0], 6000)
				b := newPeer(t, lab.Host("wan"), pair[1], 7000)
				begin := time.Now()
				a.sendTo(t, b.local, "there")
				b.sendTo(t, b.receive(t).Addr, "and back")
				a.receive(t)
				if took := time.Since(begin); took > 900*time.Millisecond {
					t.Errorf("%v to %v and back: %v", pair[0], pair[1], took)
				}
			}
		})
	}
}

// TestRun shows the ways to run a program in a namespace, and that it ends with its context.
func TestRun(t *testing.T) {
	lab := netlab.Up(t, netlab.Plain)
	wan := lab.Host("wan")
	if out := wan.Run(t, "ip", "-o", "-4", "addr", "show", "w0"); !strings.Contains(out, netlab.WANAddr2.String()) {
		t.Errorf("addresses of wan: %q", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := netlab.Start(t, wan.Command(ctx, "sh", "-c", "echo begun; sleep 1000; echo not reached"))
	p.WaitFor(t, "begun")
	begin := time.Now()
	cancel()
	if err := p.Wait(); err == nil {
		t.Error("a killed program has succeeded")
	}
	if took := time.Since(begin); took > time.Second {
		// The sleeping child holds the output open, unless it is killed too.
		t.Errorf("it took %v to kill it", took)
	}
	if got := p.Output(); got != "begun\n" {
		t.Errorf("output: got %q", got)
	}
	if out := netlab.Start(t, wan.Command(t.Context(), "sleep", "1000")).Stop(t); out != "" {
		t.Errorf("output: got %q", out)
	}
}

// TestBuild builds a main package of the standard library, since the module's own may change its ways.
func TestBuild(t *testing.T) {
	binary := netlab.Build(t, "cmd/gofmt")
	if again := netlab.Build(t, "cmd/gofmt"); again != binary {
		t.Errorf("built twice: %s and %s", binary, again)
	}
	lab := netlab.Up(t, netlab.Plain)
	if out := lab.Host("lan").Run(t, binary, "-h"); !strings.Contains(out, "usage: gofmt") {
		t.Errorf("output: got %q", out)
	}
}

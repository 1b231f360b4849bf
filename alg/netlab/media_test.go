package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"nofixup/alg/netlab"
	"nofixup/reflector/wire"
)

// hostileSessions and hostileActions are how often a hostile client tries: more than the budgets allow.
const (
	hostileSessions = 4
	hostileActions  = 10000 // in all
)

// hostileOffer is a quiet INVITE whose session description names a victim and, now and then, its sender.
func hostileOffer(token wire.Token, number uint32, own, victim netip.Addr) string {
	tag := wire.Tag{Token: token, Number: number}.String()
	var body strings.Builder
	fmt.Fprintf(&body, "v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\n", victim)
	for _, m := range []struct {
		rtp, rtcp netip.Addr
	}{{victim, victim}, {own, victim}, {victim, own}, {own, own}} {
		fmt.Fprintf(&body, "m=audio 30000 RTP/AVP 0\r\nc=IN IP4 %s\r\na=rtcp:30001 IN IP4 %s\r\n", m.rtp, m.rtcp)
	}
	return fmt.Sprintf("INVITE sip:%s%s@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP %s:5070;branch=z9hG4bK%[1]s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:a@%[3]s>;tag=1\r\nTo: <sip:b@203.0.113.10>\r\nCall-ID: %[1]s\r\nCSeq: 1 INVITE\r\nContact: <sip:a@%[3]s:5070>\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %[4]d\r\n\r\n%[5]s", tag, wire.Quiet, own, body.Len(), body.String())
}

func hostileRTP(token wire.Token) []byte {
	head := "\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78" + wire.Tag{Token: token, Number: 9}.String()
	return []byte(head + strings.Repeat("\xd5", 172-len(head)))
}

// hostileFunc opens sessions, prints their tokens, waits until the victim's address has been heard with them, and has the
// reflector send as much and to as many places as it can. Its arguments are URL and pin of the reflector, the victim's address, and its
// own as the reflector sees it.
func hostileFunc(args []string) int {
	client, err := wire.NewClient(args[0], wire.Options{Pin: args[1]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	victim, own := netip.MustParseAddr(args[2]), netip.MustParseAddr(args[3])
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	var all sync.WaitGroup
	results := make([]error, hostileSessions)
	for i := range results {
		sess, err := client.Open(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println("token", sess.Grant.Token)
		all.Go(func() { results[i] = hostile(ctx, sess, own, victim) })
	}
	fmt.Println("opened")
	all.Wait()
	if err := errors.Join(results...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("done")
	return 0
}

func hostile(ctx context.Context, sess *wire.Session, own, victim netip.Addr) error {
	conn, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return err
	}
	defer conn.Close()
	media := sess.Grant.Media[0]
	sip := &net.UDPAddr{IP: media.Addr.AsSlice(), Port: 5060}
	if _, err := conn.WriteTo([]byte(hostileOffer(sess.Grant.Token, 1, own, victim)), sip); err != nil {
		return err
	}
	heard := map[bool]bool{} // by whether it was the victim
	records := 0
	for len(heard) < 2 || records < 2 {
		r, err := sess.Receipts(ctx, 0, time.Second)
		if err != nil {
			return err
		}
		for _, r := range r.Receipts {
			heard[r.Remote.Addr() == victim] = true
		}
		if _, err := conn.WriteTo(hostileRTP(sess.Grant.Token), &net.UDPAddr{IP: media.Addr.AsSlice(), Port: int(media.First)}); err != nil {
			return err
		}
		m, err := sess.Media(ctx, 0, time.Second)
		if err != nil {
			return err
		}
		if records = len(m.Media); len(heard) < 2 {
			time.Sleep(100 * time.Millisecond)
		}
	}
	for range 50 {
		if _, err := conn.WriteTo(hostileRTP(sess.Grant.Token), &net.UDPAddr{IP: media.Addr.AsSlice(), Port: int(media.First)}); err != nil {
			return err
		}
	}
	r, err := sess.Receipts(ctx, 0, 0)
	if err != nil {
		return err
	}
	done := map[string]int{}
	for i := range hostileActions / hostileSessions {
		a := wire.Action{
			Action: wire.ActionPinhole, To: uint64(i%len(r.Receipts) + 1), Number: uint32(i), Line: i / 2 % 4, RTCP: i/8%2 == 0,
			Port: media.First + 2*uint16(i%32), From: []string{wire.FromMedia, wire.FromPort, wire.FromHost}[i%3], Neighbour: i/16%2 == 0,
		}
		switch i % 5 {
		case 0:
			a = wire.Action{Action: wire.ActionMedia, Record: uint64(rand.IntN(records) + 1), Number: a.Number, Count: 1000, Size: 172, Interval: 5}
		case 1:
			a = wire.Action{Action: wire.ActionMedia, To: a.To, Line: a.Line, Port: a.Port, RTCP: true, Number: a.Number, Count: 1000, Interval: 5}
		}
		sent, err := sess.Send(ctx, a)
		var refused *wire.StatusError
		switch {
		case errors.As(err, &refused):
			done[strconv.Itoa(refused.Code)]++
		case err != nil:
			return err
		default:
			done[a.Action+" "+sent.NotSent]++
		}
	}
	fmt.Println(done)
	time.Sleep(time.Second)
	return nil
}

// replayFunc sends with the tokens of others for a while: a message and media. Its arguments are the reflector's address, the
// own one, and the tokens.
func replayFunc(args []string) int {
	conn, err := net.ListenPacket("udp4", args[1]+":0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer conn.Close()
	own := netip.MustParseAddr(args[1])
	for range 20 {
		for _, text := range args[2:] {
			var token wire.Token
			if err := token.UnmarshalText([]byte(text)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			for port, raw := range map[int][]byte{5060: []byte(hostileOffer(token, 1, own, own)), 10000: hostileRTP(token), 10003: hostileRTP(token)} {
				if _, err := conn.WriteTo(raw, &net.UDPAddr{IP: net.ParseIP(args[0]), Port: port}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return 0
}

// TestMediaHostile has a client try to make the reflector send to somebody else, and more than it has sent itself. What leaves
// the reflector is on the wire.
func TestMediaHostile(t *testing.T) {
	netlab.Require(t, "tcpdump")
	lab := netlab.Up(t, netlab.Plain)
	url, pin := reflectorAt(t, lab.Host("wan"), netlab.WANAddr, netlab.WANAddr2)
	capture := lab.Host("wan").Capture(t, "w0")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	victim := netlab.ISPOuterAddr
	client := netlab.Start(t, lab.Host("lan").Func(ctx, "hostile", url, pin, victim.String(), netlab.PublicAddr.String()))
	client.WaitFor(t, "opened")
	args := []string{netlab.WANAddr.String(), victim.String()}
	for line := range strings.Lines(client.Output()) {
		if token, ok := strings.CutPrefix(strings.TrimSpace(line), "token "); ok {
			args = append(args, token)
		}
	}
	replay := netlab.Start(t, lab.Host("isp").Func(ctx, "replay", args...))
	if err := replay.Wait(); err != nil {
		t.Errorf("replay: %v: %s", err, replay.Output())
	}
	if err := client.Wait(); err != nil {
		t.Errorf("client: %v: %s", err, client.Output())
	}
	t.Log(client.Output())
	type sum struct{ packets, octets int }
	var in, out, pinholes sum
	add := func(s *sum, d netlab.Datagram) { s.packets, s.octets = s.packets+1, s.octets+len(d.Payload) }
	replayed := 0
	for _, d := range capture.Datagrams(t) {
		isMedia := func(port uint16) bool { return 10000 <= port && port <= 10063 }
		switch {
		case d.Src.Addr() == victim:
			replayed++
		case d.Src.Addr() == netlab.PublicAddr:
			if isMedia(d.Dst.Port()) {
				add(&in, d)
			}
		case d.Dst.Addr() != netlab.PublicAddr:
			t.Errorf("%v > %v: %q", d.Src, d.Dst, d.Payload)
		case isMedia(d.Src.Port()) && len(d.Payload) == wire.MinMediaSize:
			add(&pinholes, d)
		case isMedia(d.Src.Port()):
			// Pinhole datagrams of RTCP are among these: as large as RTCP on credit.
			add(&out, d)
		}
	}
	t.Logf("from the client %+v, to it %+v and pinholes %+v, from the victim %d", in, out, pinholes, replayed)
	budget := sum{32 * hostileSessions, 32 * hostileSessions * 64}
	if out.packets+pinholes.packets > in.packets+budget.packets || out.octets+pinholes.octets > in.octets+budget.octets ||
		pinholes.packets > budget.packets {
		t.Error("the reflector sent more than it may")
	}
	if in.packets == 0 || out.packets == 0 || pinholes.packets == 0 || replayed < 20 {
		t.Error("the test shows nothing")
	}
}

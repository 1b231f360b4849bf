package capture

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// The classes of the calls that generate makes.
const (
	classGood      = "good"
	classNoneIn    = "one-way:no-rtp-toward-inside"
	classNoneOut   = "one-way:no-rtp-toward-outside"
	classPrivate   = "one-way:private-address-in-sdp"
	classHalf      = "alg:address-rewritten-port-not"
	classSymmetric = "nat:rtp-source-port-differs-from-sdp"
)

// truth is what is known of a generated call. Of the two directions, 0 goes from the inside to the outside.
type truth struct {
	ID      string         `json:"call_id"`
	Class   string         `json:"class"`
	Sent    [2]int         `json:"rtp_sent"`
	Lost    [2]int         `json:"rtp_lost"` // between the two vantage points
	Inside  netip.AddrPort `json:"inside_rtp"`
	Outside netip.AddrPort `json:"outside_rtp"`
}

// generatedCall is a call through a NAT.
type generatedCall struct {
	truth
	start  int64
	frames [2][2][]byte // of RTP: by direction, inside and outside; nil where it does not pass
	seq    [2]uint16
	ts     [2]uint32
}

const (
	talkFrom = 82 // packets' times after the INVITE
	spacing  = 20 * ms
)

// generate makes calls of so many seconds each through a NAT, of all classes, and hands put what either vantage point sees: nil
// for nothing. Frames are valid during the call.
func generate(t testing.TB, calls, seconds int, put func(at int64, inside, outside []byte)) []truth {
	r := rand.New(rand.NewPCG(7, 9))
	noise := make([]byte, 1<<16)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	classes := []string{classGood, classNoneIn, classGood, classNoneOut, classGood, classPrivate, classGood, classHalf, classGood, classSymmetric}
	var list []*generatedCall
	for i := range calls {
		list = append(list, generateCall(t, r, i, classes[i%len(classes)], start+int64(i)*(20_000*ms/int64(calls)+31_000)))
	}
	phase := func(c *generatedCall) int64 { return c.start % spacing }
	byPhase := slices.Clone(list)
	slices.SortStableFunc(byPhase, func(a, b *generatedCall) int { return int(phase(a) - phase(b)) })
	last := list[len(list)-1].start + int64(talkFrom+50*seconds+4)*spacing
	for tick := start - start%spacing; tick <= last; tick += spacing {
		for _, c := range byPhase {
			at := tick + phase(c)
			n := int((at - c.start) / spacing)
			if at < c.start || n > talkFrom+50*seconds+1 {
				continue
			}
			if in, out := c.signalling(t, n, talkFrom+50*seconds); in != nil {
				put(at, in, out)
			}
			if n >= talkFrom && n < talkFrom+50*seconds {
				edge := n == talkFrom || n == talkFrom+50*seconds-1
				for dir := range 2 {
					c.packet(dir, noise, at+int64(dir)*1000, !edge && r.IntN(200) == 0, put)
				}
			}
		}
	}
	var all []truth
	for _, c := range list {
		all = append(all, c.truth)
	}
	return all
}

// generateCall lays out a call.
func generateCall(t testing.TB, r *rand.Rand, i int, class string, at int64) *generatedCall {
	c := &generatedCall{truth: truth{ID: fmt.Sprintf("%08x%08x@generated", r.Uint32(), i), Class: class}, start: at}
	addr := func(a, b, c, d int, port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(a), byte(b), byte(c), byte(d)}), uint16(port))
	}
	c.Inside = addr(192, 168, 1+i/250, 2+i%250, 10000+2*(i%10000))
	c.Outside = addr(198, 51, 100, 10+i%40, 30000+2*(i%15000))
	public := c.public(i)
	src, towards := [2]netip.AddrPort{c.Inside, public}, [2]netip.AddrPort{c.Inside, public}
	passes := [2][2]bool{{true, true}, {true, true}} // by direction
	switch class {
	case classNoneIn:
		passes[1][0] = false
	case classNoneOut:
		passes[0][1] = false
	case classPrivate:
		towards[1], passes[1][0] = c.Inside, false
	case classHalf:
		towards[1], passes[1][0] = netip.AddrPortFrom(public.Addr(), c.Inside.Port()), false
	case classSymmetric:
		src[0] = netip.AddrPortFrom(c.Inside.Addr(), c.Inside.Port()+7)
		src[1] = netip.AddrPortFrom(public.Addr(), public.Port()+5)
	}
	for dir := range 2 {
		c.seq[dir], c.ts[dir] = uint16(r.Uint32()), r.Uint32()
		ssrc := r.Uint32()
		for side := range 2 {
			if !passes[dir][side] {
				continue
			}
			from, to := src[side], c.Outside
			if dir == 1 {
				from, to = c.Outside, towards[side]
			}
			c.frames[dir][side] = udpFrame(t, from, to, rtpPacket(t, ssrc, 0, 0))
			clear(c.frames[dir][side][40:42]) // no checksum (RFC 768)
		}
	}
	return c
}

func (c *generatedCall) public(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, 1}), uint16(20000+2*(i%20000)))
}

// signalling is the message at that packet time, nil if there is none.
func (c *generatedCall) signalling(t testing.TB, n, end int) (inside, outside []byte) {
	i := int(c.Inside.Port()-10000) / 2
	near, far := netip.AddrPortFrom(c.Inside.Addr(), 5060), netip.AddrPortFrom(c.Outside.Addr(), 5060)
	nat := netip.AddrPortFrom(c.public(i).Addr(), uint16(1024+i))
	offer := c.public(i)
	switch c.Class {
	case classPrivate:
		offer = c.Inside
	case classHalf:
		offer = netip.AddrPortFrom(offer.Addr(), c.Inside.Port())
	}
	none := netip.AddrPort{}
	up := func(first, cseq, tag string, media, natted netip.AddrPort) ([]byte, []byte) {
		return udpFrame(t, near, far, writes(first, c.ID, cseq, tag, near, media)), udpFrame(t, nat, far, writes(first, c.ID, cseq, tag, nat, natted))
	}
	down := func(first, cseq string, media netip.AddrPort) ([]byte, []byte) {
		return udpFrame(t, far, near, writes(first, c.ID, cseq, ";tag=b", near, media)), udpFrame(t, far, nat, writes(first, c.ID, cseq, ";tag=b", nat, media))
	}
	switch n {
	case 0:
		return up("INVITE sip:bob@"+far.String()+" SIP/2.0", "1 INVITE", "", c.Inside, offer)
	case 1:
		return down("SIP/2.0 100 Trying", "1 INVITE", none)
	case 5:
		return down("SIP/2.0 180 Ringing", "1 INVITE", none)
	case 80:
		return down("SIP/2.0 200 OK", "1 INVITE", c.Outside)
	case 81:
		return up("ACK sip:bob@"+far.String()+" SIP/2.0", "1 ACK", ";tag=b", none, none)
	case end:
		return up("BYE sip:bob@"+far.String()+" SIP/2.0", "2 BYE", ";tag=b", none, none)
	case end + 1:
		return down("SIP/2.0 200 OK", "2 BYE", none)
	}
	return nil, nil
}

// writes is a message whose Via names own.
func writes(first, call, cseq, tag string, own, media netip.AddrPort) []byte {
	body := ""
	if media.IsValid() {
		body = fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=call\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n", media.Addr(), media.Port())
	}
	return fmt.Appendf(nil, "%s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%c;rport\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a%s\r\nTo: <sip:bob@example.com>%s\r\n"+
		"Call-ID: %s\r\nCSeq: %s\r\nContact: <sip:u@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", first, own, call[:16], cseq[0], call[:8], tag, call, cseq, own, len(body), body)
}

// packet hands on the next packet of RTP in a direction.
func (c *generatedCall) packet(dir int, noise []byte, at int64, lost bool, put func(at int64, inside, outside []byte)) {
	for _, f := range c.frames[dir] {
		if f != nil {
			binary.BigEndian.PutUint16(f[44:], c.seq[dir])
			binary.BigEndian.PutUint32(f[46:], c.ts[dir])
			copy(f[54:], noise[int(c.seq[dir])%(len(noise)-160):][:160])
		}
	}
	c.seq[dir]++
	c.ts[dir] += 160
	c.Sent[dir]++
	seen := c.frames[dir]
	if lost {
		c.Lost[dir]++
		seen[1-dir] = nil // where it would have arrived
	}
	put(at, seen[0], seen[1])
}

// generateFiles writes PREFIX.in.pcap, PREFIX.in.pcapng and PREFIX.out.pcap, and what is in them to PREFIX.truth.json. It
// returns how many packets the inside has.
func generateFiles(t testing.TB, prefix string, calls, seconds int) (packets int) {
	t.Helper()
	le := binary.LittleEndian
	type out struct {
		*bufio.Writer
		name string
		ng   bool
	}
	var outs []out
	for _, name := range []string{".in.pcap", ".in.pcapng", ".out.pcap"} {
		f, err := os.Create(prefix + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		o := out{bufio.NewWriterSize(f, 1<<20), prefix + name, name == ".in.pcapng"}
		if o.ng {
			o.Write(slices.Concat(sectionBlock(le), interfaceBlock(le, 1, 9)))
		} else {
			o.Write(pcapFile(le, magicNano, 1, nil))
		}
		outs = append(outs, o)
	}
	var head [28]byte
	record := func(o out, at int64, b []byte) {
		if b == nil {
			return
		}
		if o.ng {
			pad := -len(b) & 3
			total := uint32(32 + len(b) + pad)
			le.PutUint32(head[0:], blockEnhanced)
			le.PutUint32(head[4:], total)
			le.PutUint32(head[8:], 0)
			le.PutUint32(head[12:], uint32(uint64(at)>>32))
			le.PutUint32(head[16:], uint32(at))
			le.PutUint32(head[20:], uint32(len(b)))
			le.PutUint32(head[24:], uint32(len(b)))
			o.Write(head[:28])
			o.Write(b)
			var tail [8]byte
			le.PutUint32(tail[pad:], total)
			o.Write(tail[:pad+4])
			return
		}
		le.PutUint32(head[0:], uint32(at/1e9))
		le.PutUint32(head[4:], uint32(at%1e9))
		le.PutUint32(head[8:], uint32(len(b)))
		le.PutUint32(head[12:], uint32(len(b)))
		o.Write(head[:16])
		o.Write(b)
	}
	list := generate(t, calls, seconds, func(at int64, inside, outside []byte) {
		if inside != nil {
			packets++
		}
		record(outs[0], at, inside)
		record(outs[1], at, inside)
		record(outs[2], at+150_000, outside)
	})
	for _, o := range outs {
		if err := o.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(prefix+".truth.json", b, 0o600); err != nil {
		t.Fatal(err)
	}
	return packets
}

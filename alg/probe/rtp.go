package probe

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"nofixup/alg"
	"nofixup/reflector/wire"
)

// Ports of a [mediaEnd], counted from its first: RTP and RTCP of audio, RTP and RTCP of video.
const (
	audioPort = iota
	audioControlPort
	videoPort
	videoControlPort
	mediaEndPorts
)

// mediaEnd is where the media of a call is sent from and received.
type mediaEnd struct {
	local netip.Addr
	base  uint16
	conns [mediaEndPorts]net.PacketConn

	mu      sync.Mutex
	packets []mediaPacket
}

// mediaPacket is one datagram that came in.
type mediaPacket struct {
	at     time.Time
	from   netip.AddrPort
	length int    // octets
	head   []byte // the first wire.MediaHead of them
}

// maxMediaPackets bounds what is kept of one call, should somebody flood its ports.
const maxMediaPackets = 4096

// openTries is how often free ports are looked for.
const openTries = 16

// openMedia opens the ports of a call's media, in a row, the first an even one.
func (r *runner) openMedia(ctx context.Context, local netip.Addr) (*mediaEnd, error) {
	var err error
	for range openTries {
		e := &mediaEnd{local: local, base: r.ports.take(mediaEndPorts)}
		if err = e.open(ctx, r.cfg.Network); err == nil {
			for i := range e.conns {
				r.wg.Go(func() { e.read(e.conns[i]) })
			}
			return e, nil
		}
		e.close()
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

func (e *mediaEnd) open(ctx context.Context, network Network) (err error) {
	for i := range e.conns {
		if e.conns[i], err = network.ListenPacket(ctx, "udp", e.at(i).String()); err != nil {
			return err
		}
	}
	e.mark(e.conns[audioPort])
	return nil
}

// at is the i-th of the ports.
func (e *mediaEnd) at(i int) netip.AddrPort { return netip.AddrPortFrom(e.local, e.base+uint16(i)) }

// expedited is what telephones mark audio with: DSCP EF (RFC 4594 4.1), as the octet of the IP header.
const expedited = 46 << 2

// mark has what a socket sends marked as audio, where the system allows it.
func (e *mediaEnd) mark(conn net.PacketConn) {
	udp, ok := conn.(*net.UDPConn)
	switch {
	case !ok:
	case e.local.Is4():
		_ = ipv4.NewConn(udp).SetTOS(expedited)
	default:
		_ = ipv6.NewConn(udp).SetTrafficClass(expedited)
	}
}

// read takes what comes in until the socket is closed.
func (e *mediaEnd) read(conn net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(pace) // an ICMP error for what was sent is no end
			continue
		}
		source, _ := addrPort(from)
		p := mediaPacket{at: time.Now(), from: source, length: n, head: bytes.Clone(buf[:min(n, wire.MediaHead)])}
		e.mu.Lock()
		if len(e.packets) < maxMediaPackets {
			e.packets = append(e.packets, p)
		}
		e.mu.Unlock()
	}
}

func (e *mediaEnd) close() {
	for _, conn := range e.conns {
		if conn != nil {
			conn.Close()
		}
	}
}

// with returns what came in with a tag in it.
func (e *mediaEnd) with(tag string) (list []mediaPacket) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.packets {
		if bytes.Contains(p.head, []byte(tag)) {
			list = append(list, p)
		}
	}
	return list
}

// burst is media of one kind that is sent evenly.
type burst struct {
	kind     string // one of the Media constants of alg
	count    int
	octets   int // of each datagram
	interval time.Duration
}

// What a call sends: as much audio as comes back twice, once to its source and once to the address announced, and frames of video
// as large as endpoints send them. Three calls at once stay below 200 datagrams a second.
var (
	audioBurst = burst{alg.MediaAudio, 64, 172, 22 * time.Millisecond}
	videoBurst = burst{alg.MediaVideo, 24, 1200, 56 * time.Millisecond}
	rtcpBurst  = burst{alg.MediaRTCP, 3, 0, 450 * time.Millisecond}
	portBurst  = burst{alg.MediaAudio, 24, wire.MinMediaSize + 12, 20 * time.Millisecond}
)

// firstSequence is the sequence number that media begins with: one before the numbers wrap would be as good, but not as easy to
// read in a capture.
const firstSequence = 1

// play sends a burst, each datagram with the tag of the given number in it, and returns how many left.
func (r *runner) play(ctx context.Context, conn net.PacketConn, to netip.AddrPort, b burst, number uint32, nonce string) (sent int) {
	tag := wire.Tag{Token: r.session.Grant.Token, Number: number}.String()
	ticker := time.NewTicker(b.interval)
	defer ticker.Stop()
	for i := range b.count {
		raw, err := b.packet(i, number, tag+nonce)
		if err != nil {
			panic("probe: " + err.Error()) // what goes in is of our making
		}
		// An ICMP error for an earlier one makes the system refuse one datagram; the next may pass.
		if _, err := conn.WriteTo(raw, net.UDPAddrFromAddrPort(to)); err == nil || fromNetwork(err) {
			sent++
		}
		if i+1 == b.count {
			break
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return sent
		}
	}
	return sent
}

// packet makes the i-th datagram of a burst. What is behind the header of RTP begins with the text.
func (b *burst) packet(i int, ssrc uint32, text string) ([]byte, error) {
	if b.kind == alg.MediaRTCP {
		return rtcp.Marshal([]rtcp.Packet{
			&rtcp.SenderReport{SSRC: ssrc, RTPTime: uint32(i), PacketCount: uint32(i), OctetCount: uint32(i)},
			&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
				Source: ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: text}},
			}}},
		})
	}
	const header = 12 // octets, without extensions (RFC 3550 5.1)
	payload := make([]byte, max(b.octets-header, len(text)))
	for j := copy(payload, text); j < len(payload); j++ {
		payload[j] = 0xFF // silence in PCMU
	}
	p := rtp.Packet{Header: rtp.Header{
		Version: 2, Marker: i == 0, SequenceNumber: uint16(firstSequence + i), SSRC: ssrc,
		Timestamp: uint32(int64(i) * int64(b.interval) * 8 / int64(time.Millisecond)),
	}, Payload: payload}
	if b.kind == alg.MediaVideo {
		p.PayloadType = 97
		p.Timestamp = uint32(int64(i) * int64(b.interval) * 90 / int64(time.Millisecond))
	}
	return p.Marshal()
}

package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"nofixup/alg"
)

// flow is a planned flow with what was learnt about it.
type flow struct {
	plan   PlannedFlow
	local  netip.Addr
	udp    *link          // what all its messages travel over; nil for TCP, where each has a connection
	mapped netip.AddrPort // the source that the reflector saw last
	nonce  string         // what the reflector's answers call themselves by; sent back, it proves the source address

	mtu   int        // of the interface that it is sent from; 0 if not known
	lossy bool       // messages in fragments are not worth sending
	shut  *alg.Trial // since when nothing arrives any more

	gatekeeper  gatekeeper
	connected   int   // tcp: connections that came about
	unconnected int   // tcp: connections that did not come about
	refused     error // what this computer itself refused
}

// link is what a message travels over: a UDP socket towards one target, or one TCP connection.
type link struct {
	alg.Flow
	flow   *flow
	socket *datagrams // udp
	stream net.Conn   // tcp, or what TLS makes of it
	tls    *alg.TLS   // of TLS: the handshake; the ledger's lock
	tcp    alg.TCP    // of TCP: what both ends know of the connection; the ledger's lock
	began  time.Time

	// Of H.323, where a connection has one script and the order of messages is what tells them apart.
	step    Step
	try     int
	inbound []*asked // the reflector's messages, in order; the ledger's lock
	came    int      // how many of them arrived

	turn    chan struct{}  // tcp: holds one while something is written; no lock, since a message in parts takes its time
	written int            // tcp: octets so far, of who has the turn
	mu      sync.Mutex     // guards tee
	tee     io.Writer      // tcp: gets what arrives as well
	mapped  netip.AddrPort // the source that the reflector saw
}

// ordered reports that messages on the link are known by their order: those of H.245 have no room for a number, and those of
// the reflector are not numbered.
func (l *link) ordered() bool { return l.Proto() == alg.ProtoH323 || l.Proto() == alg.ProtoH245 }

func (l *link) local() netip.AddrPort { return l.Inside[0] }

// send writes a message to a connection and returns where it begins in the stream of its direction. It can be cut after so many
// octets: the parts are then sent splitPause apart, or less where they are many, each in a segment of its own.
func (l *link) send(raw []byte, cuts ...int) (off int, err error) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	off = l.written
	pause := splitPause
	if len(cuts) > 0 {
		pause = min(splitPause, splitTime/time.Duration(len(cuts)))
	}
	_ = l.stream.SetWriteDeadline(time.Now().Add(writeTime + time.Duration(len(cuts))*pause))
	for done := 0; done < len(raw); {
		next := len(raw)
		if len(cuts) > 0 {
			next, cuts = cuts[0], cuts[1:]
		}
		if done > 0 {
			time.Sleep(pause)
		}
		n, err := l.stream.Write(raw[done:next])
		l.written += n
		if err != nil {
			return off, err
		}
		done = next
	}
	return off, nil
}

// splitPause is between the parts of a message that is cut: long enough for each to be a segment that arrives by itself.
const splitPause = 50 * time.Millisecond

// splitTime is how long a message of many parts may take: they then follow closer on each other.
const splitTime = time.Second

// writeTime bounds a write to a connection whose other end has stopped reading.
const writeTime = 5 * time.Second

// abort ends a connection with a reset: no port is left in TIME_WAIT, so that the next connection can come from it.
func (l *link) abort() {
	conn := l.stream
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn() // an alert that TLS ends would come before the reset
	}
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}

// socket is one UDP socket that links share: all from one source port of one family.
type socket struct {
	conn  net.PacketConn
	local netip.AddrPort
	out   *datagrams
}

// openSocket binds a source port at an address.
func openSocket(ctx context.Context, network Network, local netip.Addr, port alg.SourcePort) (*socket, error) {
	conn, err := network.ListenPacket(ctx, "udp", netip.AddrPortFrom(local, uint16(port)).String())
	if err != nil {
		return nil, err
	}
	addr, err := addrPort(conn.LocalAddr())
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &socket{conn: conn, local: addr, out: newDatagrams(conn, addr.Addr().Is6())}, nil
}

// read hands every datagram that arrives to take until the socket is closed. An ICMP error that the system reports for a
// datagram sent earlier, or that an interface went down, is no end: the socket lives on.
func (s *socket) read(take func(raw []byte, at time.Time)) {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := s.conn.ReadFrom(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.out.drain()
			time.Sleep(pace) // an error that stays must not make this spin
			continue
		}
		take(append([]byte(nil), buf[:n]...), time.Now())
	}
}

// read hands every message that arrives over a connection to take until the connection ends, and what is left then, if it
// was no whole message, to rest.
func (l *link) read(take func(raw []byte, off int, at time.Time), rest func(raw []byte, off int, at time.Time)) {
	var (
		framer = newFramer(l.Proto())
		buf    []byte
		lead   int // octets of buf that are line ends ahead of a message: they are compared with it
		off    int
		chunk  = make([]byte, 64<<10)
	)
	for {
		n, err := l.stream.Read(chunk)
		l.also(chunk[:n])
		buf = append(buf, chunk[:n]...)
		for len(buf) > lead {
			n, message, ferr := framer.next(buf[lead:])
			if ferr != nil {
				if !isShort(ferr) {
					err = ferr
				}
				break
			}
			if n += lead; !message {
				lead = n
				continue
			}
			lead = 0
			take(append([]byte(nil), buf[:n]...), off, time.Now())
			buf = buf[n:]
			off += n
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && len(buf) == 0 {
				return
			}
			if len(buf) > 0 {
				rest(buf, off, time.Now())
			}
			return
		}
	}
}

// setTee has what arrives over a connection written to w as well, until that fails.
func (l *link) setTee(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tee = w
}

func (l *link) also(raw []byte) {
	l.mu.Lock()
	w := l.tee
	l.mu.Unlock()
	if w == nil || len(raw) == 0 {
		return
	}
	if _, err := w.Write(raw); err != nil {
		l.setTee(nil)
	}
}

// localAddr returns the address that the system sends from towards a target.
func localAddr(ctx context.Context, network Network, target netip.AddrPort) (netip.Addr, error) {
	conn, err := network.DialContext(ctx, "udp", "", target.String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	addr, err := addrPort(conn.LocalAddr())
	return addr.Addr(), err
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		ap := u.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
}

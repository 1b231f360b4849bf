package probe

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// datagrams is the sending side of a UDP socket: it chooses DF for each message and reads the ICMP errors that the system keeps
// for it, where the system has such things.
type datagrams struct {
	conn    net.PacketConn
	raw     syscall.RawConn // nil where there is no such thing, as in the network in memory
	v6      bool
	df      bool            // the system lets DF be chosen
	errs    bool            // it keeps ICMP errors, with their senders
	refused func(icmpError) // told of every ICMP error; set before anything is sent

	mu sync.Mutex // DF is the socket's, not the message's
}

// icmpError is one ICMP error as the system told of it.
type icmpError struct {
	by      netip.Addr     // who sent it; the zero address where that is not known
	to      netip.AddrPort // where the datagram that it quotes went
	quoted  []byte         // of that, as much as the error quotes
	reason  string         // what it says, in the words of RFC 792, RFC 1812 and RFC 4443
	tooBig  bool           // the datagram is larger than the next link carries
	nextMTU int            // and that carries so many octets; 0 if it does not say
}

func newDatagrams(conn net.PacketConn, v6 bool) *datagrams {
	d := &datagrams{conn: conn, v6: v6}
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			d.raw = raw
			d.df, d.errs = prepareSocket(raw, v6)
		}
	}
	return d
}

// fragmenting reports whether DF can be chosen.
func (d *datagrams) fragmenting() bool { return d.df }

// sendTries is how often a datagram is sent that was not, because an error from the network was waiting to be told: one for each
// that can have arrived meanwhile.
const sendTries = 8

// send sends one datagram. An ICMP error for an earlier one makes the system refuse the next instead, which then is not sent at
// all (Linux): such a refusal is the network's, so that the datagram is sent again.
func (d *datagrams) send(raw []byte, to netip.AddrPort, df string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if df != "" && d.df {
		if err := setDF(d.raw, d.v6, df); err != nil {
			return err
		}
		defer func() { _ = setDF(d.raw, d.v6, "") }()
	}
	var err error
	for range sendTries {
		if _, err = d.conn.WriteTo(raw, net.UDPAddrFromAddrPort(to)); err == nil || !d.errs || !fromNetwork(err) {
			return err
		}
		d.drain()
	}
	return err
}

// drain reads the errors that the system keeps.
func (d *datagrams) drain() {
	if !d.errs {
		return
	}
	for _, e := range readErrors(d.raw) {
		if d.refused != nil {
			d.refused(e)
		}
	}
}

// fromNetwork reports whether an error of a socket is one that an ICMP error brings about.
func fromNetwork(err error) bool {
	for _, e := range [...]error{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES, syscall.EMSGSIZE, syscall.EPROTO,
		syscall.ENOPROTOOPT, syscall.EOPNOTSUPP,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// put sends the octets of a message, and returns where they begin in the stream of their direction.
func (r *runner) put(m *sent, raw []byte) (off int, err error) {
	if s := m.link.socket; s != nil {
		if m.step.Name == stepKeepalive {
			_ = s.send([]byte(keepalive), m.link.Inside[1], "")
		}
		return 0, s.send(raw, m.link.Inside[1], m.step.Datagram.DF)
	}
	return m.link.send(raw, m.cuts...)
}

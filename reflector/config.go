package reflector

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"nofixup/reflector/wire"
	"nofixup/sip"
)

// Off as an address leaves a service out.
const Off = "off"

// Config says what a [Server] listens on and how much it holds. The zero value listens on the usual ports of every address
// of the machine, with a key of its own.
type Config struct {
	// Hosts are the addresses to listen on, which are also the ones that clients are told. None means the wildcard
	// addresses of IPv4 and, where there is one, IPv6; clients are then told the address that their HTTPS request came to.
	Hosts []netip.Addr

	// Advertise are the addresses that clients are told in place of Hosts, as a 1:1 NAT in front needs it: the first of
	// a family stands for the first host of that family, and so on. Those that are left when every host has one stand for the
	// addresses of Unused in the same way. Hosts and unused addresses beyond them are told as they are.
	Advertise []netip.Addr

	// Unused are addresses that lead to this machine or its network and at which nobody listens. Clients are told, and try to
	// connect: whoever completes such a connection is in between. They must be none of Hosts, which must then be given. One
	// that is private and has none of Advertise in its place is told only to clients that came to an address like it.
	Unused []netip.Addr

	// HTTPS, SIP, SIPS and Neutral are the addresses of the services: "host:port", ":port" for every one of Hosts, port 0 for
	// any free port (the same on every host), or [Off]. Empty means ":443", ":5060", ":5061" and ":15060". HTTPS cannot
	// be off. The others are UDP and TCP, on the same port where it can be had.
	//
	// SIPS is SIP over TLS, with the key of HTTPS. What does not begin as TLS, and datagrams, are SIP in clear there: some
	// application gateways watch that port, too.
	//
	// The neutral service is on the port of HTTPS as well, where the first octet of a connection tells the two apart: many
	// networks let out nothing but the web. It is not if Neutral is off.
	HTTPS, SIP, SIPS, Neutral string

	// H225 and RAS are the addresses of H.323: call signalling over TCP, and registration, admission and status over UDP.
	// Empty means ":1720" and ":1719". H245 is where the calls of H225 have their H.245, which clients are told in a Connect:
	// an address as above, or a range of ports, "FIRST-LAST" on every one of Hosts or "HOST:FIRST-LAST" on one address, at
	// most 256 of them. Empty means "11000-11031".
	//
	// Unless they are off the neutral service takes H.225 and RAS as well, told from SIP by the first octet.
	H225, RAS, H245 string

	// Media are the UDP ports that take media: a range as for H245, which begins with an even port and ends with an odd one, or
	// [Off]. ":0" means eight free pairs. Empty means "10000-10063". Clients are told, and can have these ports announced in
	// calls.
	Media string

	// Also are further ports of the neutral service, in the order in which clients shall try them: "tcp:80" or "udp:123" on
	// every one of Hosts, "tcp:192.0.2.1:80" on one address, port 0 for any free port. Nil means none.
	Also []string

	// Certificate is the key and the chain for HTTPS. Nil makes a key at start and signs it by itself: clients then need
	// [Server.Pin].
	Certificate *tls.Certificate

	// Network is what the server listens through. Nil means the system's.
	Network Network

	// Log gets an event for each session opened and closed, with the client's address cut to its /24 or /48 prefix, and
	// never payload. Nil means no log.
	Log *slog.Logger

	// Version is what the server calls itself in grants after "nofixup-reflector "; empty means "devel".
	Version string

	// Limits bound what the server holds and gives; its zero fields mean the defaults.
	Limits Limits
}

// Network makes the sockets of a server. The network is "tcp" or "udp", or "tcp4", "tcp6", "udp4", "udp6" for a wildcard
// address; the address is one IP address and a port. Where a packet socket is a *net.UDPConn, the server also learns
// TTLs and, on a wildcard address, destination addresses from it; any other one gets by on the interface alone.
type Network interface {
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

// Limits bound a server. Zero fields mean the defaults given here.
type Limits struct {
	Sessions          int           // live sessions: 512
	SessionsPerSource int           // live sessions of one /32 or /64: 64
	Octets            int64         // memory of all receipts, payload and bookkeeping: 256 MiB
	Lifetime          time.Duration // of a session, from its grant or renewal: 15 minutes
	Renewals          int           // of a session: 8
	Idle              time.Duration // a session that heard nothing for so long may be pushed out by a new one: 2 minutes

	Messages        int // receipts of one session, both directions: 12,000
	SessionOctets   int // payload in the receipts of one session: 12 MiB
	MessageOctets   int // largest datagram or message taken: 65,507, the most that UDP over IPv4 carries; over TCP also no more than 16 KiB of header and 32 KiB of body, of H.323 16 KiB
	UnprovenAnswers int // answers of one session to addresses that have not proven themselves: 8
	Actions         int // messages that one session can make the reflector send: 600
	Polls           int // waiting polls of one session: 8

	MediaPerSecond int // media packets of one session a second, in each direction: 200
	MediaSeconds   int // seconds of as many media packets: 30; beyond them none is taken
	Pinholes       int // datagrams of one session to announced ports and their neighbours: 32

	Streams           int           // TCP connections on the ports that take probes: 2,048
	StreamsPerSource  int           // of one /32 or /64: 16; of a /24 or /48 four times as many
	StreamsPerSession int           // of one session at a time: 32
	StreamFirst       time.Duration // in which the first octet of a connection must arrive, the HTTPS port's included: 5 s
	StreamMessage     time.Duration // in which a whole message must arrive, from its first octet: 10 s
	StreamIdle        time.Duration // for which nothing may come or go between messages: 15 s
	StreamWrite       time.Duration // in which a client must have taken what it is sent: 5 s
	StreamLife        time.Duration // of a connection in all: 60 s
	HandshakeBurst    int           // TLS handshakes on the port of SIPS that one /32 or /64 can begin at once: 256; a /24 or /48 four times as many
	HandshakeRefill   time.Duration // after which it can begin one more: 100 ms; a /24 or /48 a quarter of it

	OpenBurst   int           // sessions that one /32 or /64 can open at once: 60; a /24 or /48 four times as many
	OpenRefill  time.Duration // after which it can open one more: 1 s; a /24 or /48 a quarter of it
	Connections int           // connections to the HTTPS port, until they turn out to be streams: 2,048
	PerSource   int           // of one /32 or /64: 64; of a /24 or /48 four times as many

	HeaderOctets int           // request line and header fields of an HTTPS request: 16 KiB
	BodyOctets   int64         // body of an HTTPS request: 4 KiB
	Header       time.Duration // in which the first octet of a connection to the HTTPS port, a TLS handshake there or on the port of SIPS, and a request header must arrive, each: 5 s
	Request      time.Duration // in which a whole request must arrive: 10 s
	Answer       time.Duration // in which an answer must have been taken, once there is one: 30 s
}

func (l Limits) withDefaults() Limits {
	l.Sessions = cmp.Or(l.Sessions, 512)
	l.SessionsPerSource = cmp.Or(l.SessionsPerSource, 64)
	l.Octets = cmp.Or(l.Octets, 256<<20)
	l.Lifetime = cmp.Or(l.Lifetime, 15*time.Minute)
	l.Renewals = cmp.Or(l.Renewals, 8)
	l.Idle = cmp.Or(l.Idle, 2*time.Minute)
	l.Messages = cmp.Or(l.Messages, 12000)
	l.SessionOctets = cmp.Or(l.SessionOctets, 12<<20)
	l.MessageOctets = cmp.Or(l.MessageOctets, maxDatagram)
	l.UnprovenAnswers = cmp.Or(l.UnprovenAnswers, 8)
	l.Actions = cmp.Or(l.Actions, 600)
	l.Polls = cmp.Or(l.Polls, 8)
	l.MediaPerSecond = cmp.Or(l.MediaPerSecond, 200)
	l.MediaSeconds = cmp.Or(l.MediaSeconds, 30)
	l.Pinholes = cmp.Or(l.Pinholes, 32)
	l.Streams = cmp.Or(l.Streams, 2048)
	l.StreamsPerSource = cmp.Or(l.StreamsPerSource, 16)
	l.StreamsPerSession = cmp.Or(l.StreamsPerSession, 32)
	l.StreamFirst = cmp.Or(l.StreamFirst, 5*time.Second)
	l.StreamMessage = cmp.Or(l.StreamMessage, 10*time.Second)
	l.StreamIdle = cmp.Or(l.StreamIdle, 15*time.Second)
	l.StreamWrite = cmp.Or(l.StreamWrite, 5*time.Second)
	l.StreamLife = cmp.Or(l.StreamLife, time.Minute)
	l.HandshakeBurst = cmp.Or(l.HandshakeBurst, 256)
	l.HandshakeRefill = cmp.Or(l.HandshakeRefill, 100*time.Millisecond)
	l.OpenBurst = cmp.Or(l.OpenBurst, 60)
	l.OpenRefill = cmp.Or(l.OpenRefill, time.Second)
	l.Connections = cmp.Or(l.Connections, 2048)
	l.PerSource = cmp.Or(l.PerSource, 64)
	l.HeaderOctets = cmp.Or(l.HeaderOctets, 16<<10)
	l.BodyOctets = cmp.Or(l.BodyOctets, 4<<10)
	l.Header = cmp.Or(l.Header, 5*time.Second)
	l.Request = cmp.Or(l.Request, 10*time.Second)
	l.Answer = cmp.Or(l.Answer, 30*time.Second)
	l.SessionOctets = int(min(int64(l.SessionOctets), l.Octets))
	return l
}

// streamLimits bound a message over TCP, where a sender who promises more is refused before it comes.
func (l Limits) streamLimits() sip.Limits {
	return sip.Limits{Head: min(16<<10, l.MessageOctets), Body: min(32<<10, l.MessageOctets)}
}

// maxDatagram is the largest payload of UDP over IPv4 in octets.
const maxDatagram = 65507

// withDefaults fills what is empty and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	c.HTTPS = cmp.Or(c.HTTPS, ":443")
	c.SIP = cmp.Or(c.SIP, ":5060")
	c.SIPS = cmp.Or(c.SIPS, ":5061")
	c.Neutral = cmp.Or(c.Neutral, ":15060")
	c.H225 = cmp.Or(c.H225, ":1720")
	c.RAS = cmp.Or(c.RAS, ":1719")
	c.H245 = cmp.Or(c.H245, "11000-11031")
	c.Media = cmp.Or(c.Media, "10000-10063")
	c.Version = cmp.Or(c.Version, "devel")
	if c.Network == nil {
		c.Network = systemNetwork{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	if c.HTTPS == Off {
		return c, errors.New("https: cannot be off: clients have no other way to open a session")
	}
	if c.Neutral == Off && len(c.Also) > 0 {
		return c, errors.New("also: these are further ports of the neutral service, which is off")
	}
	if c.Limits.MessageOctets > maxDatagram || c.Limits.MessageOctets < 0 {
		return c, fmt.Errorf("message limit: %d octets, the most that UDP carries is %d", c.Limits.MessageOctets, maxDatagram)
	}
	c.Hosts, c.Advertise = unmap(c.Hosts), unmap(c.Advertise)
	for _, addr := range c.Hosts {
		if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
			return c, fmt.Errorf("host %s: not a unicast address; no host at all means every address", addr)
		}
	}
	if len(c.Hosts) == 0 {
		c.Hosts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	for _, addr := range c.Advertise {
		if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
			return c, fmt.Errorf("advertise %s: not a unicast address", addr)
		}
	}
	if err := c.checkUnused(); err != nil {
		return c, err
	}
	for _, v6 := range []bool{false, true} {
		if n, m := countFamily(c.Advertise, v6), countFamily(c.Hosts, v6)+countFamily(c.Unused, v6); n > m {
			return c, fmt.Errorf("advertise: %d addresses of a family for %d hosts and unused addresses of it", n, m)
		}
	}
	if err := c.checkAddresses(); err != nil {
		return c, err
	}
	return c, nil
}

// unmap turns IPv4 addresses in IPv6 form into IPv4 ones, in a copy.
func unmap(addrs []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		out[i] = addr.Unmap()
	}
	return out
}

func countFamily(addrs []netip.Addr, v6 bool) (n int) {
	for _, addr := range addrs {
		if addr.Is6() == v6 {
			n++
		}
	}
	return n
}

// advertised returns what clients are told in place of the i-th host, those of Unused counted after all hosts.
func (c *Config) advertised(i int) netip.Addr {
	own := slices.Concat(c.Hosts, c.Unused)
	v6 := own[i].Is6()
	nth := countFamily(own[:i], v6)
	for _, addr := range c.Advertise {
		if addr.Is6() != v6 {
			continue
		}
		if nth == 0 {
			return addr
		}
		nth--
	}
	return own[i]
}

// systemNetwork is the network of the system.
type systemNetwork struct{}

func (systemNetwork) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
}

func (systemNetwork) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, network, address)
}

// budget is what a grant says of the limits.
func (l Limits) budget() wire.Budget {
	return wire.Budget{
		Messages:        l.Messages,
		Octets:          l.SessionOctets,
		MessageOctets:   l.MessageOctets,
		UnprovenAnswers: l.UnprovenAnswers,
		Actions:         l.Actions,
		MediaPerSecond:  l.MediaPerSecond,
		MediaSeconds:    l.MediaSeconds,
		Pinholes:        l.Pinholes,
		LifetimeSeconds: int(l.Lifetime / time.Second),
		Renewals:        l.Renewals,
	}
}

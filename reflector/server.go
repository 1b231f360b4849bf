package reflector

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nofixup/reflector/wire"
)

// Names of what is no service of the grant.
const (
	ServiceHTTPS = "https" // the control port, in [Server.Addr] and [ListenError]
	ServiceAlso  = "also"  // the ports of [Config.Also], in [ListenError]
)

// Server is a running reflector. Its methods may be called at any time and by several goroutines.
type Server struct {
	cfg      Config
	store    *store
	counters counters
	identity identity
	url      string

	https []endpoint
	web   []*split    // of the same
	udp   []*service  // in the order of the grant, as tcp
	tcp   []*listener // with those of web that take probes
	h225  []endpoint  // of the service of that name
	h245  []endpoint  // where H.245 has connections of its own
	media []*service  // of media, in the order of their ports
	http  *http.Server

	unused []netip.Addr // [Config.Unused] as clients know them

	mediaPorts portRange     // of media
	turns      atomic.Uint32 // that messages took at the ports of media; see mediaTurn
	announced  atomic.Uint32 // ports of h245 that clients were told
	tls        *tls.Config   // of the port of SIPS
	handshakes *rateLimit    // there

	stop    chan struct{} // closed when the server begins to end
	end     func()        // closes stop
	done    chan struct{} // closed when it has ended
	running sync.WaitGroup

	mu      sync.Mutex
	err     error                // why it ended, if nobody asked for it
	streams map[*stream]struct{} // open TCP connections that take probes
}

// Start listens on everything that the config asks for and serves it until [Server.Shutdown]. The context bounds the
// listening only. When something cannot be bound nothing is, and the error is a [*ListenError].
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, stop: make(chan struct{}), done: make(chan struct{})}
	s.turns.Store(firstMediaTurn(time.Now()))
	s.end = sync.OnceFunc(func() { close(s.stop) })
	s.store = newStore(cfg.Limits, &s.counters, cfg.Log)
	if s.identity, err = newIdentity(cfg.Certificate, slices.Concat(cfg.Hosts, cfg.Advertise, []netip.Addr{
		netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback(),
	})); err != nil {
		return nil, err
	}
	s.tls = s.identity.config()
	s.handshakes = newRateLimit(cfg.Limits.HandshakeBurst, cfg.Limits.HandshakeRefill)
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	s.url = "https://" + hostPort(s.publicAddress())
	s.http = s.newHTTP()
	for _, web := range s.web {
		ln := web.branch(kindTLS)
		s.running.Go(web.run)
		s.running.Go(func() { s.serve(ln) })
	}
	for _, svc := range slices.Concat(s.udp, s.media) {
		s.running.Go(func() { s.receive(svc) })
	}
	for _, l := range s.tcp {
		s.running.Go(func() { s.accept(l) })
	}
	go func() {
		s.running.Wait()
		close(s.done)
	}()
	return s, nil
}

// listen opens the sockets. Nobody is served before all of them are open: a client must find the rest.
func (s *Server) listen(ctx context.Context) (err error) {
	l := s.cfg.Limits
	streams := newConnLimit(l.Streams, l.StreamsPerSource)
	var opened []io.Closer
	defer func() {
		if err != nil {
			closeAll(opened)
			for _, svc := range s.media {
				svc.sock.Close()
			}
		}
	}()
	bind := func(service, network, address string) (socks []io.Closer, ends []endpoint, err error) {
		open := s.openListener
		if network == "udp" {
			open = s.openPacket
		}
		socks, ends, err = s.cfg.bind(ctx, service, network, address, open)
		opened = append(opened, socks...)
		return socks, ends, err
	}
	for _, svc := range [...]struct{ name, address string }{
		{wire.ServiceSIP, s.cfg.SIP},
		{wire.ServiceSIPS, s.cfg.SIPS},
		{wire.ServiceNeutral, s.cfg.Neutral},
	} {
		if svc.address == Off {
			continue
		}
		both, err := s.bindBoth(ctx, svc.name, svc.address)
		if err != nil {
			return err
		}
		opened = append(opened, both.all()...)
		if svc.name == wire.ServiceSIPS {
			for i := range both.udp {
				both.udp[i] = both.udp[i].clear()
			}
		}
		s.takeDatagrams(both.packets, both.udp)
		s.takeAllStreams(both.listeners, both.tcp, streams)
	}
	if err := s.listenH323(bind, streams); err != nil {
		return err
	}
	if err := s.listenMedia(ctx, bind); err != nil {
		return err
	}
	socks, ends, err := bind(ServiceHTTPS, "tcp", s.cfg.HTTPS)
	if err != nil {
		return err
	}
	s.https = ends
	limit := newConnLimit(l.Connections, l.PerSource)
	for i, sock := range socks {
		web := newSplit(&limitListener{
			Listener: sock.(net.Listener), limit: limit,
			accepted: &s.counters.connections, refused: &s.counters.connectionsRefused,
		}, min(l.Header, l.StreamFirst), &s.counters)
		s.web = append(s.web, web)
		if s.cfg.Neutral != Off {
			kinds := []kind{kindText}
			if s.cfg.H225 != Off {
				kinds = append(kinds, kindTPKT)
			}
			s.takeStreams(web.branch(kinds...), ends[i].neutral(), streams)
		}
	}
	for _, entry := range s.cfg.Also {
		network, address, err := readAlso(entry)
		if err != nil {
			return err
		}
		socks, ends, err := bind(ServiceAlso, network, address)
		if err != nil {
			return err
		}
		for i := range ends {
			ends[i] = ends[i].neutral()
		}
		if network == "udp" {
			s.takeDatagrams(socks, ends)
			continue
		}
		s.takeAllStreams(socks, ends, streams)
	}
	return s.listenUnused()
}

// binder opens the sockets of a service.
type binder func(service, network, address string) ([]io.Closer, []endpoint, error)

// listenH323 opens the sockets of H.323 alone. H.245 is for calls, so there is none without H.225.0.
func (s *Server) listenH323(bind binder, streams *connLimit) error {
	if s.cfg.RAS != Off {
		socks, ends, err := bind(wire.ServiceRAS, "udp", s.cfg.RAS)
		if err != nil {
			return err
		}
		s.takeDatagrams(socks, ends)
	}
	if s.cfg.H225 == Off {
		return nil
	}
	socks, ends, err := bind(wire.ServiceH225, "tcp", s.cfg.H225)
	if err != nil {
		return err
	}
	s.h225 = ends
	s.takeAllStreams(socks, ends, streams)
	if s.cfg.H245 == Off {
		return nil
	}
	addresses, err := readPorts(ServiceH245, s.cfg.H245)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		socks, ends, err := bind(ServiceH245, "tcp", address)
		if err != nil {
			return err
		}
		s.h245 = append(s.h245, ends...)
		s.takeAllStreams(socks, ends, streams)
	}
	return nil
}

// takeDatagrams adds UDP sockets that take probes.
func (s *Server) takeDatagrams(socks []io.Closer, ends []endpoint) {
	for i, sock := range socks {
		svc := &service{endpoint: ends[i], sock: newSocket(sock.(net.PacketConn), ends[i].local)}
		if s.cfg.RAS != Off && svc.service != wire.ServiceSIP {
			svc.ras = new(gatekeeper)
		}
		s.udp = append(s.udp, svc)
	}
}

func (s *Server) takeAllStreams(socks []io.Closer, ends []endpoint, limit *connLimit) {
	for i, sock := range socks {
		s.takeStreams(sock.(net.Listener), ends[i], limit)
	}
}

// takeStreams adds a listener whose connections take probes, within a limit that all such listeners share.
func (s *Server) takeStreams(ln net.Listener, end endpoint, limit *connLimit) {
	s.tcp = append(s.tcp, &listener{end, &limitListener{
		Listener: ln, limit: limit, accepted: &s.counters.streams, refused: &s.counters.streamsRefused,
	}})
}

// bound are the sockets of one service.
type bound struct {
	packets, listeners []io.Closer
	udp, tcp           []endpoint
}

func (b bound) all() []io.Closer { return slices.Concat(b.packets, b.listeners) }

// bindBoth opens the UDP and TCP sockets of a service. Port 0 becomes the same port for both, or two different ones if no port
// can be found that is free for both.
func (s *Server) bindBoth(ctx context.Context, service, address string) (b bound, err error) {
	for try := 1; ; try++ {
		b.packets, b.udp, err = s.cfg.bind(ctx, service, "udp", address, s.openPacket)
		if err != nil {
			return bound{}, err
		}
		host, port, _ := net.SplitHostPort(address) // bind has read it as well
		free := isFree(port)
		same := address
		if free && try < samePortTries {
			same = net.JoinHostPort(host, strconv.Itoa(int(b.udp[0].local.Port())))
		}
		b.listeners, b.tcp, err = s.cfg.bind(ctx, service, "tcp", same, s.openListener)
		if err == nil {
			return b, nil
		}
		closeAll(b.packets)
		if !free || try >= samePortTries || !addressInUse(err) {
			return bound{}, err
		}
	}
}

func (s *Server) openPacket(ctx context.Context, network, address string) (io.Closer, net.Addr, error) {
	conn, err := s.cfg.Network.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, nil, err
	}
	return conn, conn.LocalAddr(), nil
}

func (s *Server) openListener(ctx context.Context, network, address string) (io.Closer, net.Addr, error) {
	ln, err := s.cfg.Network.Listen(ctx, network, address)
	if err != nil {
		return nil, nil, err
	}
	return ln, ln.Addr(), nil
}

// newHTTP makes the HTTPS server. It speaks HTTP/1.1 only: one request at a time on a connection keeps the limits simple.
func (s *Server) newHTTP() *http.Server {
	l := s.cfg.Limits
	srv := &http.Server{
		Handler: http.HandlerFunc(s.serveHTTP),
		TLSConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{*s.identity.cert},
		},
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: l.Header,
		ReadTimeout:       l.Request,
		WriteTimeout:      wire.MaxWait + l.Answer, // of the whole answer; it is set anew when there is something to write
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    l.HeaderOctets,
		ErrorLog:          log.New(countWriter{&s.counters}, "", 0),

		DisableGeneralOptionsHandler: true,
	}
	srv.Protocols.SetHTTP1(true)
	return srv
}

// countWriter counts what net/http would log: the messages hold whole addresses.
type countWriter struct{ counters *counters }

func (w countWriter) Write(p []byte) (int, error) {
	w.counters.connectionErrors.Add(1)
	return len(p), nil
}

func (s *Server) serve(ln net.Listener) {
	err := s.http.ServeTLS(ln, "", "")
	if errors.Is(err, http.ErrServerClosed) || s.stopping() {
		return
	}
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	// A reflector whose control port is gone is of no use.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Limits.Answer)
		defer cancel()
		_ = s.Shutdown(ctx) // Wait tells why the server ended
	}()
}

func (s *Server) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// URL returns the address that a client can use: the first of Advertise or Hosts, or this machine's own, with the port
// unless it is 443.
func (s *Server) URL() string { return s.url }

// publicAddress is the first address that clients can use for HTTPS.
func (s *Server) publicAddress() netip.AddrPort {
	end := s.https[0]
	if end.tell.IsUnspecified() {
		return netip.AddrPortFrom(ownAddress(), end.local.Port())
	}
	return netip.AddrPortFrom(end.tell, end.local.Port())
}

// hostPort writes an address as the host of an HTTPS URL.
func hostPort(ap netip.AddrPort) string {
	if ap.Port() != 443 {
		return ap.String()
	}
	if ap.Addr().Is6() {
		return "[" + ap.Addr().String() + "]"
	}
	return ap.Addr().String()
}

// Pin returns the pin of the server's key as curl writes it: "sha256//BASE64".
func (s *Server) Pin() string { return s.identity.pin() }

// Addr returns where a service is bound first, over UDP if it has that: [ServiceHTTPS], [ServiceH245], [ServiceMedia], or a
// service of the grant. Over TCP a service has the same address, but perhaps not if its port was left open. It is the zero
// AddrPort if the service is off, and has an unspecified address if it is bound to all of the machine's.
func (s *Server) Addr(service string) netip.AddrPort {
	if service == ServiceHTTPS {
		return s.https[0].local
	}
	for _, svc := range slices.Concat(s.udp, s.media) {
		if svc.service == service {
			return svc.local
		}
	}
	for _, l := range s.tcp {
		if l.service == service {
			return l.local
		}
	}
	return netip.AddrPort{}
}

// Wait returns when the server has ended: nil after Shutdown, else what made it end.
func (s *Server) Wait() error {
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Shutdown ends the server: it closes the sockets and connections that take probes, answers waiting polls with what there is, and waits for requests that
// are being answered. When ctx ends first it cuts them off and returns ctx's error. All sessions are forgotten.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	for _, svc := range slices.Concat(s.udp, s.media) {
		svc.sock.Close()
	}
	for _, l := range s.tcp {
		l.ln.Close()
	}
	s.closeStreams()
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	s.store.close()
	<-s.done
	return err
}

package reflector

import (
	"errors"
	"net"
	"time"
)

// listener is a TCP port that takes probes.
type listener struct {
	endpoint
	ln net.Listener
}

// accept takes connections until the listener is closed. Each is read by a goroutine of its own; there are no more of them
// than the limits allow, since the listener closes the others before they get here.
func (s *Server) accept(l *listener) {
	const pause, maxPause = 5 * time.Millisecond, time.Second
	for wait := pause; ; {
		conn, err := l.ln.Accept()
		switch {
		case err == nil:
			wait = pause
			st := newStream(s, l, conn)
			if !s.enroll(st) {
				conn.Close()
				return
			}
			s.running.Go(func() {
				defer s.discharge(st)
				st.run()
			})
		case errors.Is(err, net.ErrClosed), s.stopping():
			return
		default:
			// Out of file descriptors, say: connections that end make room again.
			s.counters.readErrors.Add(1)
			time.Sleep(wait)
			wait = min(2*wait, maxPause)
		}
	}
}

// enroll notes an open connection, or says that the server is ending.
func (s *Server) enroll(st *stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping() {
		return false
	}
	if s.streams == nil {
		s.streams = make(map[*stream]struct{})
	}
	s.streams[st] = struct{}{}
	s.counters.streamsOpen.Add(1)
	return true
}

func (s *Server) discharge(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
	s.counters.streamsOpen.Add(-1)
}

// closeStreams closes every connection that takes probes. The server is ending, so there are no new ones.
func (s *Server) closeStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.streams {
		st.conn.Close()
	}
}

// Package reflectortest starts reflectors for tests.
package reflectortest

import (
	"cmp"
	"context"
	"net/netip"
	"testing"
	"time"

	"nofixup/reflector"
)

// Start runs a reflector until the test has ended. Where no config is given or it leaves things open, it listens on
// 127.0.0.1, on free ports, with a key of its own: clients need the server's Pin. A test that cannot have its reflector fails.
func Start(t testing.TB, config ...reflector.Config) *reflector.Server {
	t.Helper()
	var cfg reflector.Config
	switch len(config) {
	case 0:
	case 1:
		cfg = config[0]
	default:
		t.Fatalf("start a reflector: %d configs", len(config))
	}
	if len(cfg.Hosts) == 0 {
		cfg.Hosts = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	cfg.HTTPS = cmp.Or(cfg.HTTPS, ":0")
	cfg.SIP = cmp.Or(cfg.SIP, ":0")
	cfg.SIPS = cmp.Or(cfg.SIPS, ":0")
	cfg.Neutral = cmp.Or(cfg.Neutral, ":0")
	cfg.H225 = cmp.Or(cfg.H225, ":0")
	cfg.H245 = cmp.Or(cfg.H245, ":0")
	cfg.RAS = cmp.Or(cfg.RAS, ":0")
	cfg.Media = cmp.Or(cfg.Media, ":0")
	s, err := reflector.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("start a reflector: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shut the reflector down: %v", err)
		}
	})
	return s
}

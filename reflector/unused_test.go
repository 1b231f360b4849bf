package reflector

import (
	"net/netip"
	"strings"
	"testing"
)

// TestUnusedRefused shows that an address at which this very reflector listens is not told as one where nobody does.
func TestUnusedRefused(t *testing.T) {
	host, other := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"other", Config{Hosts: []netip.Addr{host}, Unused: []netip.Addr{other}}, ""},
		{"a host", Config{Hosts: []netip.Addr{host}, Unused: []netip.Addr{host}}, "it is one of the hosts"},
		{"an advertised one", Config{Hosts: []netip.Addr{host}, Advertise: []netip.Addr{other}, Unused: []netip.Addr{other}}, "it is one of the hosts"},
		{"in IPv6 form", Config{Hosts: []netip.Addr{host}, Unused: []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}}, "it is one of the hosts"},
		{"every address is a host", Config{Unused: []netip.Addr{other}}, "without a host"},
		{"unspecified", Config{Hosts: []netip.Addr{host}, Unused: []netip.Addr{netip.IPv4Unspecified()}}, "not a unicast"},
		{"a service of its own address", Config{Hosts: []netip.Addr{host}, H245: "127.0.0.2:0", Unused: []netip.Addr{other}}, "h245 listens on"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := tc.cfg
			cfg.HTTPS, cfg.SIP, cfg.SIPS, cfg.Neutral, cfg.H225, cfg.RAS, cfg.Media = ":0", ":0", ":0", ":0", ":0", Off, Off
			if cfg.H245 == "" {
				cfg.H245 = Off
			}
			s, err := Start(t.Context(), cfg)
			if s != nil {
				defer s.Shutdown(t.Context())
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}

package reflector

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"nofixup/reflector/wire"
)

// TestUnusedRefused shows that an address at which this very reflector listens is not told as one where nobody does.
func TestUnusedRefused(t *testing.T) {
	host, other, public := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("203.0.113.10")
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
		{"one public address for both", Config{
			Hosts: []netip.Addr{host}, Advertise: []netip.Addr{public, public}, Unused: []netip.Addr{other},
		}, "clients are told 203.0.113.10"},
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

// TestUnusedTold shows which addresses a client is told that came to 127.0.0.1: behind a 1:1 NAT the public ones, and no private
// one that is somebody else's in the client's network.
func TestUnusedTold(t *testing.T) {
	addrs := func(text string) (list []netip.Addr) {
		for _, field := range strings.Fields(text) {
			list = append(list, netip.MustParseAddr(field))
		}
		return list
	}
	for _, tc := range []struct {
		advertise, unused, want, log string
	}{
		{"", "127.0.0.2", "127.0.0.2", ""},
		{"", "10.0.0.6", "10.0.0.6", ""},
		{"", "203.0.113.11", "203.0.113.11", ""},
		{"203.0.113.10", "203.0.113.11", "203.0.113.11", ""},
		{"203.0.113.10", "10.0.0.6", "", "10.0.0.6"},
		{"203.0.113.10", "100.64.0.6", "", "100.64.0.6"},
		{"203.0.113.10", "10.0.0.6 203.0.113.12 10.0.0.7", "203.0.113.12", `"10.0.0.6 10.0.0.7"`},
		{"203.0.113.10 203.0.113.11", "10.0.0.6", "203.0.113.11", ""},
		{"203.0.113.10 203.0.113.11", "10.0.0.6 10.0.0.7", "203.0.113.11", "10.0.0.7"},
		{"203.0.113.10 2001:db8::11", "10.0.0.6 fd00::6", "2001:db8::11", "10.0.0.6"},
		{"10.1.0.5", "10.0.0.6", "10.0.0.6", ""},
		{"10.1.0.5", "127.0.0.2 169.254.0.6", "", `"127.0.0.2 169.254.0.6"`},
		{"10.1.0.5", "fd00::6", "", "fd00::6"},
	} {
		t.Run(tc.advertise+"/"+tc.unused, func(t *testing.T) {
			var log bytes.Buffer
			s, err := Start(t.Context(), Config{
				Hosts: addrs("127.0.0.1"), Advertise: addrs(tc.advertise), Unused: addrs(tc.unused), Log: textLog(&log),
				HTTPS: ":0", SIP: ":0", SIPS: Off, Neutral: Off, H225: Off, H245: Off, RAS: Off, Media: Off,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Shutdown(t.Context())
			var warned string
			if tc.log != "" {
				warned = "unused=" + tc.log + "\n"
			}
			if text := log.String(); strings.Count(text, "\n") != strings.Count(warned, "\n") || !strings.HasSuffix(text, warned) {
				t.Errorf("logged %q", text)
			}
			c, err := wire.NewClient(s.Addr(ServiceHTTPS).String(), wire.Options{Pin: s.Pin()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseIdle()
			sess, err := c.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Trim(fmt.Sprint(sess.Grant.Unused), "[]"); got != tc.want {
				t.Errorf("told %q, want %q", got, tc.want)
			}
		})
	}
}

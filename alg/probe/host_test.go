package probe

import (
	"errors"
	"testing"
)

func TestIsVPN(t *testing.T) {
	for name, want := range map[string]bool{
		"tun0": true, "wg0": true, "wg-home": false, "ppp0": true, "utun4": true, "tailscale0": true, "nordlynx": true, "WG1": true,
		"eth0": false, "wlan0": false, "enp3s0": false, "tunnel": false, "": false, "lo": false, "vpn0": true,
	} {
		if got := isVPN(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

func TestEnclosure(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  string
	}{
		{"a computer", map[string]string{"/proc/sys/kernel/osrelease": "6.12.0-amd64"}, nil, ""},
		{"no Linux", nil, nil, ""},
		{"WSL", map[string]string{"/proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2"}, nil, "the Windows Subsystem for Linux"},
		{"Docker", map[string]string{"/.dockerenv": ""}, nil, "a container"},
		{"Podman", map[string]string{"/run/.containerenv": ""}, nil, "a container"},
		{"LXC", nil, map[string]string{"container": "lxc"}, "a container"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := enclosure(func(name string) ([]byte, error) {
				text, ok := tc.files[name]
				if !ok {
					return nil, errors.New("not there")
				}
				return []byte(text), nil
			}, func(name string) string { return tc.env[name] })
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestProxyVariable(t *testing.T) {
	if got := ProxyVariable(func(string) string { return "" }); got != "" {
		t.Error(got)
	}
	if got := ProxyVariable(func(name string) string { return map[string]string{"https_proxy": "http://192.0.2.1"}[name] }); got != "https_proxy" {
		t.Error(got)
	}
}

package probe

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Notes says what about this computer, seen from the interface that has the address, limits what a result means.
func (s System) Notes(addr netip.Addr) []string {
	var notes []string
	name, mtu := s.Interface(addr)
	if isVPN(name) {
		notes = append(notes, name+" is a VPN by its name: the network behind it was tested, not the one that this computer is plugged into")
	}
	if mtu > 0 && mtu < usualMTU {
		notes = append(notes, fmt.Sprintf("the MTU of %s is %d octets, less than the usual %d: large messages travel in fragments", name, mtu, usualMTU))
	}
	if inside := enclosure(os.ReadFile, os.Getenv); inside != "" {
		notes = append(notes, "this runs in "+inside+", which may bring a NAT of its own: the address of the host is worth a --via-address, or run it on the host")
	}
	if name := ProxyVariable(os.Getenv); name != "" {
		notes = append(notes, name+" is set and was not used: SIP does not go through an HTTP proxy, and the reflector is asked directly unless --proxy is given")
	}
	if socketLimits != "" {
		notes = append(notes, socketLimits)
	}
	return notes
}

// usualMTU is that of Ethernet, in octets.
const usualMTU = 1500

// isVPN reports whether an interface is named as the common tunnels name theirs.
func isVPN(name string) bool {
	for _, prefix := range []string{"tun", "tap", "wg", "ppp", "ipsec", "utun", "tailscale", "zt", "nordlynx", "proton", "gpd", "cscotun", "vpn"} {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), prefix); ok && strings.Trim(rest, "0123456789") == "" {
			return true
		}
	}
	return false
}

// enclosure names what this program is enclosed in, "" if nothing is known of. A container engine leaves a file in the root
// or a variable, the Windows Subsystem for Linux names itself in the kernel's release.
func enclosure(read func(string) ([]byte, error), env func(string) string) string {
	release, _ := read("/proc/sys/kernel/osrelease")
	if bytes.Contains(bytes.ToLower(release), []byte("microsoft")) {
		return "the Windows Subsystem for Linux"
	}
	marked := func(name string) bool { _, err := read(name); return err == nil }
	if marked("/.dockerenv") || marked("/run/.containerenv") || env("container") != "" || env("KUBERNETES_SERVICE_HOST") != "" {
		return "a container"
	}
	return ""
}

// ProxyVariable returns the name of the environment variable that asks for an HTTP proxy, "" if there is none.
func ProxyVariable(env func(string) string) string {
	names := []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"}
	if i := slices.IndexFunc(names, func(n string) bool { return env(n) != "" }); i >= 0 {
		return names[i]
	}
	return ""
}

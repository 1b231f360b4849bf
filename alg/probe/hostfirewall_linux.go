package probe

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"nofixup/alg"
)

// firewallUnknown says why it is not known, and what helps.
const firewallUnknown = "only root can tell; run this as root, or let UDP from the reflector in while this runs"

// What include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h and netfilter.h have and package syscall lacks.
const (
	nfnlSubsysNftables = 10
	nftMsgNewChain     = 3
	nftMsgGetChain     = 4
	nfgenmsgLen        = 4

	nftaChainHook   = 4
	nftaChainPolicy = 5
	nftaChainUse    = 6
	nftaChainType   = 7
	nftaHookNum     = 1

	nfAccept = 1

	nfprotoInet   = 1
	nfprotoIPv4   = 2
	nfprotoNetdev = 5
	nfprotoIPv6   = 10

	hookPrerouting = 0 // NF_INET_PRE_ROUTING; of the family netdev NF_NETDEV_INGRESS
	hookInput      = 1 // NF_INET_LOCAL_IN
	hookIngress    = 5 // NF_INET_INGRESS
)

// hostFirewall looks for chains of nf_tables and tables of iptables that filter what comes in to this computer, within the network
// namespace that it runs in. Programs of eBPF are not looked for.
func hostFirewall() string {
	unknown := false
	for _, look := range []func() (bool, error){nftables, iptables} {
		switch found, err := look(); {
		case found:
			return alg.FirewallActive
		case err != nil:
			unknown = true
		}
	}
	if unknown {
		return alg.FirewallUnknown
	}
	return alg.FirewallNone
}

// iptables reads which tables of iptables filter (net/netfilter/x_tables.c). The files exist once the modules are loaded.
func iptables() (found bool, err error) {
	for _, name := range []string{"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"} {
		text, rerr := os.ReadFile(name)
		if rerr != nil {
			if !errors.Is(rerr, fs.ErrNotExist) {
				err = rerr
			}
			continue
		}
		for table := range strings.FieldsSeq(string(text)) {
			found = found || table != "nat" // that one translates
		}
	}
	return found, err
}

// nftables asks the kernel for all chains (nf_tables_dump_chains in net/netfilter/nf_tables_api.c).
func nftables() (found bool, err error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_NETFILTER)
	if err != nil {
		if errors.Is(err, syscall.EPROTONOSUPPORT) || errors.Is(err, syscall.EAFNOSUPPORT) {
			return false, nil // a kernel without it
		}
		return false, err
	}
	defer syscall.Close(fd)
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 1})
	request := make([]byte, syscall.NLMSG_HDRLEN+nfgenmsgLen)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], nfnlSubsysNftables<<8|nftMsgGetChain)
	binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	if err := syscall.Sendto(fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return false, err
	}
	buf := make([]byte, 64<<10)
	const most = 1024 // answers: more is no firewall of one computer, and was seen to filter by then
	for range most {
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if err != nil {
			return false, err
		}
		filters, done, err := readChains(buf[:n])
		if filters || done || err != nil {
			return filters, err
		}
	}
	return false, errors.New("the list of chains does not end")
}

// readChains reads one answer to a dump of chains: whether one of them filters what comes in, and whether it is the last answer.
func readChains(answer []byte) (filters, done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return false, false, err
	}
	for i := range messages {
		m := &messages[i]
		switch {
		case m.Header.Type == syscall.NLMSG_DONE:
			return filters, true, nil
		case m.Header.Type == syscall.NLMSG_ERROR:
			if len(m.Data) < 4 {
				return false, false, syscall.EBADMSG
			}
			switch e := syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data))); e {
			case 0, syscall.EINVAL, syscall.EOPNOTSUPP: // a kernel without nf_tables (nfnetlink_rcv_msg)
				return filters, true, nil
			default:
				return false, false, e
			}
		case m.Header.Type == nfnlSubsysNftables<<8|nftMsgNewChain && len(m.Data) >= nfgenmsgLen:
			filters = filters || filtersInput(m.Data[0], m.Data[nfgenmsgLen:])
		}
	}
	return filters, false, nil
}

// filtersInput reports whether a chain can drop what comes in: one of type filter at a hook that it passes, which has rules or
// drops by itself. An empty one that accepts is what some programs leave behind.
func filtersInput(family byte, attributes []byte) bool {
	hook, filter, accepts, empty := -1, false, true, false
	eachAttribute(attributes, func(kind uint16, value []byte) {
		switch {
		case kind == nftaChainHook:
			eachAttribute(value, func(kind uint16, value []byte) {
				if kind == nftaHookNum && len(value) == 4 {
					hook = int(binary.BigEndian.Uint32(value) & 0xFF)
				}
			})
		case kind == nftaChainType:
			filter = strings.TrimRight(string(value), "\x00") == "filter"
		case kind == nftaChainPolicy && len(value) == 4:
			accepts = binary.BigEndian.Uint32(value) == nfAccept
		case kind == nftaChainUse && len(value) == 4:
			empty = binary.BigEndian.Uint32(value) == 0
		}
	})
	if !filter || empty && accepts {
		return false
	}
	switch family {
	case nfprotoInet, nfprotoIPv4, nfprotoIPv6:
		return hook == hookPrerouting || hook == hookInput || hook == hookIngress
	case nfprotoNetdev:
		return hook == hookPrerouting
	}
	return false
}

// eachAttribute goes through netlink attributes (struct nlattr): length and type of two octets each, in the order of this
// computer, and the value, filled up to a multiple of four. It ends where they make no sense.
func eachAttribute(b []byte, take func(kind uint16, value []byte)) {
	const head, kinds = 4, 0x3FFF // NLA_TYPE_MASK
	for len(b) >= head {
		n := int(binary.NativeEndian.Uint16(b))
		if n < head || n > len(b) {
			return
		}
		take(binary.NativeEndian.Uint16(b[2:])&kinds, b[head:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

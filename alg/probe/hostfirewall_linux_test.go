package probe

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// netlinkMessage puts a header before a payload (struct nlmsghdr).
func netlinkMessage(kind uint16, payload []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(syscall.NLMSG_HDRLEN+len(payload)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, make([]byte, syscall.NLMSG_HDRLEN-len(b))...)
	return append(append(b, payload...), make([]byte, -len(payload)&3)...)
}

// chain is what the kernel tells of one.
func chain(family byte, kind string, hook, policy, rules uint32) []byte {
	payload := []byte{family, 0, 0, 0}
	payload = append(payload, attribute(nftaChainHook|syscall.NLA_F_NESTED, attribute(nftaHookNum, number(hook)))...)
	payload = append(payload, attribute(nftaChainPolicy, number(policy))...)
	payload = append(payload, attribute(nftaChainUse, number(rules))...)
	payload = append(payload, attribute(nftaChainType, append([]byte(kind), 0))...)
	return netlinkMessage(nfnlSubsysNftables<<8|nftMsgNewChain, payload)
}

func netlinkError(e syscall.Errno) []byte {
	return netlinkMessage(syscall.NLMSG_ERROR, append(binary.NativeEndian.AppendUint32(nil, uint32(-int32(e))), make([]byte, 16)...))
}

var done = netlinkMessage(syscall.NLMSG_DONE, make([]byte, 4))

func TestReadChains(t *testing.T) {
	const drop = 0
	for _, tc := range []struct {
		name    string
		answer  []byte
		filters bool
		done    bool
		err     error
	}{
		{"none", done, false, true, nil},
		{"input", chain(nfprotoInet, "filter", hookInput, drop, 2), true, false, nil},
		{"prerouting", append(chain(nfprotoIPv4, "filter", hookPrerouting, nfAccept, 1), done...), true, true, nil},
		{"IPv6, no rules", chain(nfprotoIPv6, "filter", hookInput, drop, 0), true, false, nil},
		{"empty", chain(nfprotoIPv4, "filter", hookInput, nfAccept, 0), false, false, nil},
		{"forward", chain(nfprotoInet, "filter", 2, drop, 2), false, false, nil},
		{"nat", chain(nfprotoIPv4, "nat", hookPrerouting, nfAccept, 2), false, false, nil},
		{"bridge", chain(7, "filter", hookInput, drop, 2), false, false, nil},
		{"device", chain(nfprotoNetdev, "filter", hookPrerouting, nfAccept, 1), true, false, nil},
		{"no permission", netlinkError(syscall.EPERM), false, false, syscall.EPERM},
		{"no nf_tables", netlinkError(syscall.EINVAL), false, true, nil},
		{"short error", netlinkMessage(syscall.NLMSG_ERROR, nil), false, false, syscall.EBADMSG},
	} {
		t.Run(tc.name, func(t *testing.T) {
			filters, done, err := readChains(tc.answer)
			if filters != tc.filters || done != tc.done || !errors.Is(err, tc.err) {
				t.Errorf("%v %v %v", filters, done, err)
			}
		})
	}
}

// FuzzReadChains shows that nothing that comes over a netlink socket is read beyond its end.
func FuzzReadChains(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", "FuzzReadChains", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	f.Add(append(chain(nfprotoInet, "filter", hookInput, nfAccept, 1), done...))
	f.Add(netlinkError(syscall.EPERM))
	f.Fuzz(func(t *testing.T, answer []byte) {
		filters, _, err := readChains(answer)
		if filters && err != nil {
			t.Error("both")
		}
	})
}

// TestHostFirewall shows that the kernel answers, whatever it says here: the lab has both answers.
func TestHostFirewall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may ask")
	}
	if _, err := nftables(); err != nil && !errors.Is(err, syscall.EPERM) {
		t.Error(err)
	}
}

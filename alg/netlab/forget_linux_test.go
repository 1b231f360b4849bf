package netlab_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// forgetFlows empties the connection table of the namespace it runs in, and the table of connections that helpers
// expect: a delete request that names no entry means all of them (ctnetlink_del_conntrack and ctnetlink_del_expect in
// net/netfilter/nf_conntrack_netlink.c).
func forgetFlows() error {
	const (
		subsystemConntrack, subsystemExpect = 1, 2 // NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP
		messageDelete                       = 2    // IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_EXP_DELETE
		headerLength, length                = 16, 20
	)
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer syscall.Close(fd)
	for _, subsystem := range []uint16{subsystemConntrack, subsystemExpect} {
		// A struct nlmsghdr, and a struct nfgenmsg of zeros: all address families.
		request := make([]byte, length)
		binary.NativeEndian.PutUint32(request[0:], length)
		binary.NativeEndian.PutUint16(request[4:], subsystem<<8|messageDelete)
		binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
		if err := syscall.Sendto(fd, request, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		answer := make([]byte, 4096)
		n, _, err := syscall.Recvfrom(fd, answer, 0)
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		if n < headerLength+4 || binary.NativeEndian.Uint16(answer[4:]) != syscall.NLMSG_ERROR {
			return fmt.Errorf("netlink: subsystem %d: answer % x", subsystem, answer[:n])
		}
		if code := int32(binary.NativeEndian.Uint32(answer[headerLength:])); code != 0 {
			return fmt.Errorf("netlink: subsystem %d: %w", subsystem, syscall.Errno(-code))
		}
	}
	count, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	if err != nil {
		return err
	}
	if left := strings.TrimSpace(string(count)); left != "0" {
		return fmt.Errorf("%s flows are left", left)
	}
	return nil
}

package netlab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// Capture is a running or finished tcpdump on one device of a host.
type Capture struct {
	path    string
	process *Process
	stopped bool
}

// Sizes for tcpdump. In immediate mode every packet takes a slot of the full snapshot length in the kernel's buffer,
// whatever its own size. So the length is that of the longest IP packet with its Ethernet header, not tcpdump's 262144
// octets, which would leave few slots; the buffer then has 1,024 of them, enough for what a probe sends while tcpdump waits for
// a processor.
const (
	snapLength = 65536 + 64 // octets
	bufferSize = 128 << 10  // KiB
)

// Capture starts tcpdump on a device of the host, into a pcap file in a temporary directory of t, and returns when tcpdump
// is listening: no packet sent from then on is missed. It skips the test where tcpdump is not installed (see [Require]).
// Packets of all protocols are recorded in both directions, with times in nanoseconds. To see what a router does to a
// packet, capture on both of its devices. The device "lo" is not supported: the kernel hands every packet there to tcpdump
// twice, and the counts in [Capture.Stop] would never agree.
func (h *Host) Capture(t testing.TB, device string) *Capture {
	t.Helper()
	Require(t, "tcpdump")
	c := &Capture{path: filepath.Join(t.TempDir(), h.name+"-"+device+".pcap")}
	// tcpdump gives up root before it opens a file it is told to write, and security profiles restrict where that may be.
	// A file that is already open is neither's business.
	f, err := os.Create(c.path)
	if err != nil {
		t.Fatalf("netlab: capture: %v", err)
	}
	defer f.Close()
	// Not the context of t: a capture may be stopped in a cleanup. Start sees to the end.
	cmd := h.Command(context.Background(), "tcpdump", "-n", "-p", "-U", "--immediate-mode", "--time-stamp-precision=nano",
		"-s", strconv.Itoa(snapLength), "-B", strconv.Itoa(bufferSize), "-i", device, "-w", "-")
	cmd.Stdout = f
	c.process = Start(t, cmd)
	c.process.WaitFor(t, "listening on")
	return c
}

// tcpdumpCounters matches the counters as tcpdump prints them on request, on one line, and at its end, on several.
var tcpdumpCounters = regexp.MustCompile(`(\d+) packets? captured,?\s+(\d+) packets? received by filter,?\s+(\d+) packets? dropped by kernel`)

// Stop ends the capture and returns the path of the pcap file. Every packet that had passed the device before the call is
// in the file. If tcpdump lost one the test fails. A second call only returns the path.
func (c *Capture) Stop(t testing.TB) string {
	t.Helper()
	if c.stopped {
		return c.path
	}
	c.stopped = true
	// tcpdump ends at once when it is interrupted and leaves behind what is still in the kernel's buffer. So it is asked
	// for its counters until it has written as many packets as the kernel has handed to it.
	for seen := 0; ; time.Sleep(2 * time.Millisecond) {
		c.process.Signal(t, statsSignal)
		var counters [][]string
		if err := c.process.waitFor(func(out string) bool {
			counters = tcpdumpCounters.FindAllStringSubmatch(out, -1)
			return len(counters) > seen
		}); err != nil {
			t.Fatalf("netlab: capture %s: counters: %v: %s", c.path, err, c.process.Output())
		}
		seen = len(counters)
		last := counters[seen-1]
		captured, received, dropped := number(last[1]), number(last[2]), number(last[3])
		if dropped > 0 {
			t.Errorf("netlab: capture %s: the kernel dropped %d packets", c.path, dropped)
		}
		if captured+dropped >= received {
			break
		}
		if seen > 1000 {
			t.Errorf("netlab: capture %s: tcpdump wrote %d of %d packets", c.path, captured, received)
			break
		}
	}
	c.process.Stop(t)
	return c.path
}

// number parses digits a regular expression has matched.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(fmt.Sprintf("netlab: %v", err))
	}
	return n
}

// Datagrams ends the capture, if it still runs, and returns the UDP datagrams in it, in the order in which they were
// complete. Fragments are reassembled.
func (c *Capture) Datagrams(t testing.TB) []Datagram {
	t.Helper()
	f, err := os.Open(c.Stop(t))
	if err != nil {
		t.Fatalf("netlab: %v", err)
	}
	defer f.Close()
	ds, err := ReadDatagrams(f)
	if err != nil {
		t.Fatalf("netlab: capture %s: %v", c.path, err)
	}
	return ds
}

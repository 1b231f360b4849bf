//go:build linux

package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"nofixup/alg"
)

// hostile is a file that is made to exhaust whoever reads it.
type hostile struct {
	name string
	// said is what must be said of it; empty where nothing is left out.
	said string
	file func(t *testing.T, n int, w io.Writer)
}

// packets writes a file of n packets of IP.
func packets(make func(t *testing.T) func(i int) []byte) func(t *testing.T, n int, w io.Writer) {
	return func(t *testing.T, n int, w io.Writer) {
		if _, err := io.Copy(w, &generated{total: n, make: make(t)}); err != nil {
			t.Fatal(err)
		}
	}
}

// stream writes a file with one connection of TCP, on which n segments come, each so far behind the one before.
func stream(port uint16, gap uint32, next func(i int) []byte) func(t *testing.T, n int, w io.Writer) {
	return packets(func(t *testing.T) func(i int) []byte {
		seq := uint32(1)
		dst := netip.AddrPortFrom(bob.Addr(), port)
		return func(i int) []byte {
			if i == 0 {
				return packetTCP(t, alice, dst, 0, 0, "S", nil)
			}
			b := next(i)
			p := packetTCP(t, alice, dst, seq, 1, "A", b)
			seq += uint32(len(b)) + gap
			return p
		}
	})
}

func hostiles(t *testing.T) []hostile {
	le := binary.LittleEndian
	setup := realSetup(t)
	return []hostile{
		{"records of 4 GiB", "a record claims 4294967[0-9]+ octets", func(t *testing.T, n int, w io.Writer) {
			w.Write(pcapFile(le, magicNano, linkRaw, nil))
			for i := range n {
				b := le.AppendUint32(nil, uint32(start/1e9))
				b = le.AppendUint32(b, 0)
				b = le.AppendUint32(b, 0xfffffff0)
				b = le.AppendUint32(b, 0xfffffff0)
				b = append(b, bytes.Repeat([]byte{byte(i)}, 40)...)
				if i%3 == 0 {
					b = append(b, pcapFile(le, magicNano, linkRaw, timed(packetTiny, packetTiny, packetTiny))[24:]...)
				}
				w.Write(b)
			}
		}},
		{"blocks of 4 GiB", "a block claims 4294967[0-9]+ octets", func(t *testing.T, n int, w io.Writer) {
			w.Write(slices.Concat(sectionBlock(le), interfaceBlock(le, linkRaw, 9)))
			good := packetBlock(le, 0, uint64(start), packetTiny)
			for range n {
				w.Write(le.AppendUint32(le.AppendUint32(nil, blockEnhanced), 0xfffffff0))
				w.Write(good)
			}
		}},
		{"interfaces", "interface [0-9]+ cannot be used", func(t *testing.T, n int, w io.Writer) {
			w.Write(sectionBlock(le))
			one := interfaceBlock(le, linkRaw, 9)
			for range n {
				w.Write(one)
			}
			w.Write(packetBlock(le, n-1, uint64(start), packetTiny))
		}},
		{"sections", "", func(t *testing.T, n int, w io.Writer) {
			one := slices.Concat(sectionBlock(le), interfaceBlock(le, linkRaw, 9), packetBlock(le, 0, uint64(start), packetTiny))
			for range n {
				w.Write(one)
			}
		}},
		{"options that lie", "", func(t *testing.T, n int, w io.Writer) {
			w.Write(sectionBlock(le))
			b := le.AppendUint16(nil, linkRaw)
			b = append(b, 0, 0, 0, 0, 4, 0)
			b = le.AppendUint16(b, 9)
			w.Write(block(le, blockInterface, append(le.AppendUint16(b, 0xffff), 0xff, 0, 0, 0)))
			one := packetBlock(le, 0, uint64(start), packetTiny)
			le.PutUint16(one[len(one)-14:], 0xfff0) // the length of the comment
			for range n {
				w.Write(one)
			}
		}},
		{"gzip bomb", "", func(t *testing.T, n int, w io.Writer) {
			z := gzip.NewWriter(w)
			bomb(z, n)
			z.Close()
		}},
		{"zstd bomb", "", func(t *testing.T, n int, w io.Writer) {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			bomb(z, n)
			z.Close()
		}},
		{"tiny flows", "idle conversations", packets(func(*testing.T) func(i int) []byte {
			return func(i int) []byte { return numbered(packetTiny, i) }
		})},
		{"SSRCs in one flow", "streams for which there was no room", packets(func(t *testing.T) func(i int) []byte {
			p := packetUDP(t, aliceMedia, bobMedia, 1, rtpPacket(t, 1, 0, 1))
			return func(i int) []byte {
				binary.BigEndian.PutUint32(p[36:], uint32(i/6+1))
				binary.BigEndian.PutUint16(p[30:], uint16(i))
				return p
			}
		})},
		{"SSRCs", "no room", packets(func(t *testing.T) func(i int) []byte {
			p := packetUDP(t, aliceMedia, bobMedia, 1, rtpPacket(t, 1, 0, 1))
			return func(i int) []byte {
				binary.BigEndian.PutUint32(p[36:], uint32(i/6+1))
				binary.BigEndian.PutUint16(p[30:], uint16(i%6))
				return numbered(p, i/6)
			}
		})},
		{"calls on one flow", "calls beyond the first", packets(func(t *testing.T) func(i int) []byte {
			return func(i int) []byte {
				return packetUDP(t, alice, bob, 1, sipMessage("INVITE sip:a@b SIP/2.0", strconv.Itoa(i), bobMedia))
			}
		})},
		{"calls on every port", "calls beyond the first", packets(func(t *testing.T) func(i int) []byte {
			return func(i int) []byte {
				return packetUDP(t, alice, netip.AddrPortFrom(bob.Addr(), uint16(1024+i%60000)), 1, sipMessage("INVITE sip:a@b SIP/2.0", strconv.Itoa(i), bobMedia))
			}
		})},
		{"methods", "", packets(func(t *testing.T) func(i int) []byte {
			return func(i int) []byte {
				method := "OPTIONS"
				if i > 0 {
					method = fmt.Sprintf("M%d", i)
				}
				return packetUDP(t, alice, bob, 1, sipMessage(method+" sip:a@b SIP/2.0", "x", netip.AddrPort{}))
			}
		})},
		{"H.323 calls", "calls beyond the first", stream(1720, 0, func(i int) []byte {
			binary.BigEndian.PutUint32(setup.id, uint32(i))
			return setup.message
		})},
		{"re-INVITEs", "", packets(func(t *testing.T) func(i int) []byte {
			return func(i int) []byte {
				media := netip.AddrPortFrom(aliceMedia.Addr(), uint16(1024+i%60000))
				b := sipMessage("INVITE sip:a@b SIP/2.0", "x", media)
				if i%2 == 1 {
					b = sipMessage("SIP/2.0 200 OK", "x", media)
				}
				b = bytes.Replace(b, []byte("CSeq: 1 "), fmt.Appendf(nil, "CSeq: %d ", i/2+1), 1)
				if i%2 == 1 {
					return packetUDP(t, bob, alice, uint16(i), b)
				}
				return packetUDP(t, alice, bob, uint16(i), b)
			}
		})},
		{"a message without end", "messages in TCP streams are too long", stream(5060, 0, func(i int) []byte {
			if i == 1 {
				return []byte("INVITE sip:a@b SIP/2.0\r\nX: ")
			}
			return bytes.Repeat([]byte("x"), 1000)
		})},
		{"a header without end", "messages in TCP streams are too long", stream(5060, 0, func(i int) []byte {
			if i == 1 {
				return []byte("INVITE sip:a@b SIP/2.0\r\n")
			}
			return bytes.Repeat([]byte("X: 1\r\n"), 200)
		})},
		{"gaps", "gaps in TCP streams", stream(5060, 100, func(i int) []byte {
			return []byte("INVITE sip:a@b SIP/2.0\r\nContent-Length: 9000\r\n\r\n")
		})},
	}
}

// bomb writes a kilobyte of zeros for each of n, which are empty packets at the beginning of time.
func bomb(w io.Writer, n int) {
	w.Write(pcapFile(binary.LittleEndian, magicNano, linkRaw, nil))
	zeros := make([]byte, 1<<20)
	for range n >> 10 {
		w.Write(zeros)
	}
}

// realSetup is a Setup of a real stack, with its callIdentifier.
func realSetup(t *testing.T) (s struct{ message, id []byte }) {
	t.Helper()
	for _, m := range analyse(t, "../../testdata/h323/fs-tun.lan.pcap").messages {
		id, err := hex.DecodeString(m.Call)
		if at := bytes.Index(m.Raw, id); err == nil && len(id) == 16 && at > 0 && m.Proto == alg.ProtoH323 {
			s.message = slices.Clone(m.Raw)
			s.id = s.message[at : at+len(id)]
			return s
		}
	}
	t.Fatal("no Setup")
	return s
}

// The whole program on files that are made to exhaust it, one of them and as both sides: it ends within 512 MiB, and says what
// it left out.
func TestHostileReport(t *testing.T) {
	if testing.Short() {
		t.Skip("memory, which is what is measured, is another with the race detector")
	}
	n := 40_000
	limits := []string{"--max-flows", "5000", "--max-calls", "2000", "--max-messages", "4", "--max-evidence", "2"}
	if os.Getenv("NOFIXUP_MANY") != "" {
		n, limits = many(t), nil
	}
	dir := t.TempDir()
	nofixup := filepath.Join(dir, "nofixup")
	if b, err := exec.Command("go", "build", "-o", nofixup, "nofixup/cmd/nofixup").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for _, h := range hostiles(t) {
		t.Run(h.name, func(t *testing.T) {
			name := filepath.Join(dir, "file")
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			defer os.Remove(name)
			defer f.Close()
			h.file(t, n, f)
			for _, args := range [][]string{{name}, {"--inside", name, "--outside", name}} {
				var r alg.Report
				octets := int64(0)
				u := measure(t, nil, func(out io.Reader) {
					c := &counter{src: out}
					if err := json.NewDecoder(c).Decode(&r); err != nil {
						t.Errorf("%v: %v", args, err)
					}
					octets = c.n
				}, 10*time.Millisecond, nofixup, slices.Concat([]string{"pcap", "--json"}, limits, args)...)
				t.Logf("%d: %.1f s CPU, %d MiB, report of %d KiB, %d calls, %d streams, %d findings, %q", len(args), u.cpu.Seconds(), u.rss>>20, octets>>10,
					len(r.Calls), len(r.Streams), len(r.Findings), r.Network.Notes)
				if u.rss > 512<<20 {
					t.Errorf("%d MiB", u.rss>>20)
				}
				if limit := time.Duration(n)*100*time.Microsecond + 20*time.Second; u.wall > limit {
					t.Errorf("%v, want at most %v", u.wall, limit)
				}
				if h.said != "" && !slices.ContainsFunc(r.Network.Notes, regexp.MustCompile(h.said).MatchString) {
					t.Errorf("%q: nothing is said of %q", r.Network.Notes, h.said)
				}
			}
		})
	}
}
